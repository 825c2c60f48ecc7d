// op_bench: times the network's convolutions and products (480 x 864 frames) beside this machine's
// multiply-add peak, measured between them in the same run. A program, not a test.
//   op_bench [threads = all] [seconds per row = 0.3] [only rows whose name holds this text]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "tensor/cpu/kernels.h"
#include "tensor/parallel.h"
#include "tests/support.h"

using namespace munet;

namespace {

// Seconds. With one thread its processor time, so that other programs on the machine count less.
double now() {
  timespec t;
  clock_gettime(num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

struct Times {
  std::vector<double> seconds;
  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double median() {
    std::nth_element(seconds.begin(), seconds.begin() + long(seconds.size() / 2), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

// GFLOP/s of the micro-kernel on operands that stay in the first-level cache: what a product can
// reach on all threads at this moment. (Within 3 % of a loop of multiply-adds alone.)
double peak() {
  constexpr int64_t kDepth = 128, kTiles = 2000;
  const int threads = num_threads();
  const Tensor a = Tensor::full({threads, kDepth * cpu::kTileRows}, 1),
               b = Tensor::full({threads, kDepth * cpu::kTileColumns}, 1),
               c = Tensor::zeros({threads, cpu::kTileRows * cpu::kTileColumns});
  const double start = now();
  parallel_for(threads, 1, [&](int64_t begin, int64_t) {
    cpu::Tile<float> t;
    t.depth = kDepth;
    t.a = a.data<float>() + begin * a.dim(1);
    t.b = t.ahead = b.data<float>() + begin * b.dim(1);
    t.c = c.data<float>() + begin * c.dim(1);
    t.stride = cpu::kTileColumns;
    for (int64_t i = 0; i < kTiles; ++i) cpu::kernels<float>().tile(t);
  });
  return 2e-9 * double(threads * kTiles * kDepth * cpu::kTileRows * cpu::kTileColumns) /
         (now() - start);
}

struct Options {
  double seconds = 0.3;
  std::string only;
};

template <class F>
void time_row(const Options& options, const std::string& name, double macs, F&& f) {
  if (name.find(options.only) == std::string::npos) return;
  f();
  Times times;
  double top = 0;
  for (const double start = now(); now() - start < options.seconds || times.seconds.size() < 5;) {
    top = std::max(top, peak());
    const double before = now();
    f();
    times.seconds.push_back(now() - before);
  }
  const double rate = 2e-9 * macs / times.median(), best = 2e-9 * macs / times.best();
  std::printf("%-42s %9.3f ms %7.1f GFLOP/s %4.0f %%   best %9.3f ms %7.1f GFLOP/s %4.0f %%\n",
              name.c_str(), times.median() * 1e3, rate, 100 * rate / top, times.best() * 1e3, best,
              100 * best / top);
  std::fflush(stdout);
}

void conv_row(const Options& options, const std::string& what, int64_t c, int64_t h, int64_t v,
              int64_t o, int kernel, int stride, int64_t n = 1) {
  const std::string name = str(what, ' ', c, "->", o, ' ', kernel, 'x', kernel,
                               stride > 1 ? "s2" : "", " @", h, 'x', v, n > 1 ? str(" x", n) : "");
  if (name.find(options.only) == std::string::npos) return;
  const Conv2dOptions conv = {stride, kernel / 2};
  const Tensor x = random_tensor({n, h, v, c}, 1), w = random_tensor({o, kernel, kernel, c}, 2),
               bias = random_tensor({o}, 3);
  const auto prepared = prepare_conv2d(w, bias, conv);
  const Tensor y = conv2d_fused(x, *prepared);
  time_row(options, name, double(y.numel() * kernel * kernel * c),
           [&] { conv2d_fused(x, *prepared, {}, Activation::relu); });
}

void gradient_rows(const Options& options, int64_t n, int64_t c, int64_t h, int64_t v, int64_t o,
                   int kernel, int stride) {
  const Conv2dOptions conv = {stride, kernel / 2};
  const Tensor x = random_tensor({n, h, v, c}, 1), w = random_tensor({o, kernel, kernel, c}, 2);
  const Tensor y = conv2d(x, w, {}, conv), gx = Tensor::empty(x.shape()),
               gw = Tensor::empty(w.shape());
  const std::string shape =
      str(c, "->", o, ' ', kernel, 'x', kernel, stride > 1 ? "s2" : "", " @", h, 'x', v, " x", n);
  const double macs = double(y.numel() * kernel * kernel * c);
  time_row(options, "forward, unprepared " + shape, macs, [&] { conv2d(x, w, {}, conv); });
  time_row(options, "data gradient " + shape, macs,
           [&] { kernels::conv2d_grad_x({}, y, w, conv, gx); });
  time_row(options, "weight gradient " + shape, macs,
           [&] { kernels::conv2d_grad_w({}, y, x, conv, gw); });
}

void matmul_row(const Options& options, int64_t m, int64_t n, int64_t k,
                MatmulOptions matmul_options) {
  const bool ta = matmul_options.transpose_a, tb = matmul_options.transpose_b;
  const Tensor a = random_tensor(ta ? Shape{k, m} : Shape{m, k}, 1),
               b = random_tensor(tb ? Shape{n, k} : Shape{k, n}, 2);
  time_row(options, str("matmul ", m, 'x', n, 'x', k, ta ? " a^T" : "", tb ? " b^T" : ""),
           double(m * n * k), [&] { matmul(a, b, matmul_options); });
}

// What moves memory more than it computes: GFLOP/s of these rows are 2e9 numbers written per
// second.
void pass_rows(const Options& options) {
  const Tensor stem = random_tensor({1, 240, 432, 64}, 1),
               wide = random_tensor({1, 60, 108, 256}, 2);
  const Tensor logits = random_tensor({1, 120, 216, 1}, 3), c = random_tensor({64}, 4, 1, 2);
  time_row(options, "max_pool2d 3x3s2 240x432x64", 120 * 216 * 64, [&] {
    max_pool2d(stem, {3, 2, 1});
  });
  time_row(options, "batch_norm 240x432x64", double(stem.numel()), [&] {
    Tensor mean = c, var = c;
    batch_norm(stem, c, c, mean, var);
  });
  time_row(options, "upsample_bilinear x2 60x108x256", double(4 * wide.numel()),
           [&] { upsample_bilinear(wide, {.height = 120, .width = 216}); });
  time_row(options, "upsample_bilinear x4 120x216x1", 480 * 864,
           [&] { upsample_bilinear(logits, {.height = 480, .width = 864}); });
  const Tensor gate = random_tensor({1, 60, 108, 1}, 5), channels = random_tensor({256}, 6);
  const double numel = double(wide.numel());
  time_row(options, "add 60x108x256", numel, [&] { add(wide, wide); });
  time_row(options, "add 60x108x256 + 256", numel, [&] { add(wide, channels); });
  time_row(options, "mul 60x108x256 * 60x108x1", numel, [&] { mul(wide, gate); });
  time_row(options, "sum 60x108x256 -> 256", numel, [&] { sum(wide, {0, 1, 2}); });
  for (const int64_t objects : {1, 3, 7}) {
    const Tensor z = random_tensor({objects, 480, 864}, 7, -10, 10), all = soft_aggregate(z);
    time_row(options, str("soft_aggregate ", objects, "x480x864"), double(all.numel()),
             [&] { soft_aggregate(z); });
    time_row(options, str("softmax 480x864x", objects + 1), double(all.numel()),
             [&] { softmax(all, -1); });
  }
}

// GFLOP/s count the window's own products; every row of a map meets at most 25 rows of the other.
void match_row(const Options& options, int64_t n, int64_t h, int64_t w, int64_t c) {
  const Tensor f_t = l2_normalize(random_tensor({n, h, w, c}, 1)),
               f_prev = l2_normalize(random_tensor({n, h, w, c}, 2));
  const auto pairs = [](int64_t size) { return double(25 * size - 156 * (size > 12)); };
  const double macs = double(n * c) * pairs(h) * pairs(w);
  const std::string shape = str(h, 'x', w, 'x', c, n > 1 ? str(" x", n) : "");
  time_row(options, "match_window " + shape, macs, [&] { match_window(f_t, f_prev); });
  const Tensor gy = Tensor::full({n, h, w, 3}, 1), state = Tensor::empty({3, n, h, w}),
               y = Tensor::empty({n, h, w, 3}), g = Tensor::empty(f_t.shape());
  kernels::match_window_forward({}, f_t, f_prev, {}, y, state);
  time_row(options, "match_window gradient " + shape, 4 * macs,
           [&] { kernels::match_window_backward({}, f_t, f_prev, {}, y, state, gy, g, g); });
}

void memory_row(const Options& options, int frames, int64_t dk, int64_t dv, int top_k) {
  const Tensor key = random_tensor({1620, dk}, 1, -2, 2), value = random_tensor({1620, dv}, 2),
               query = random_tensor({1620, dk}, 3, -2, 2);
  std::vector<MemorySlot> memory;  // each frame in memory of its own, as in a bank
  for (int i = 0; i < frames; ++i) memory.push_back(pack_memory(key, value));
  std::vector<const MemorySlot*> slots;
  for (const MemorySlot& slot : memory) slots.push_back(&slot);
  time_row(options,
           str("memory_read ", frames, "x1620, ", dk, '/', dv, top_k ? " top " : "",
               top_k ? str(top_k) : ""),
           double(frames) * 1620 * 1620 * double(dk + dv),
           [&] { memory_read(slots, query, top_k); });
  if (frames == 1 && !top_k)
    time_row(options, str("pack_memory 1620, ", dk, '/', dv), double(1620 * (dk + dv)),
             [&] { pack_memory(key, value); });
}

void memory_gradient_row(const Options& options, int64_t n, int64_t p, int64_t q, int64_t dk,
                         int64_t dv) {
  const Tensor key = random_tensor({n, p, dk}, 1), value = random_tensor({n, p, dv}, 2);
  const Tensor query = random_tensor({q, dk}, 3), y = Tensor::empty({n, q, dv});
  const Tensor state = Tensor::empty({n, 3, q}), g_key = Tensor::empty(key.shape()),
               g_value = Tensor::empty(value.shape()), g_query = Tensor::empty(query.shape());
  kernels::memory_read_forward({}, key, value, query, 0, y, state);
  time_row(options, str("memory_read gradient ", n, 'x', p, 'x', q, ", ", dk, '/', dv),
           double(n * p * q * (4 * dk + 3 * dv)), [&] {
             kernels::memory_read_backward({}, key, value, query, y, state, y, g_key, g_value,
                                           g_query);
           });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) set_num_threads(std::atoi(argv[1]));
  Options o;
  if (argc > 2) o.seconds = std::atof(argv[2]);
  if (argc > 3) o.only = argv[3];
  NoGrad no_grad;
  std::printf("%d threads, %s kernels, peak %.0f GFLOP/s\n", num_threads(),
              cpu::kernels<float>().name, std::max({peak(), peak(), peak(), peak()}));

  conv_row(o, "50 stem", 3, 480, 864, 64, 7, 2);
  conv_row(o, "50 res2", 64, 120, 216, 64, 1, 1);
  conv_row(o, "50 res2", 64, 120, 216, 64, 3, 1);
  conv_row(o, "50 res2", 64, 120, 216, 256, 1, 1);
  conv_row(o, "50 res2", 256, 120, 216, 64, 1, 1);
  conv_row(o, "50 res3", 256, 120, 216, 128, 1, 1);
  conv_row(o, "50 res3", 128, 120, 216, 128, 3, 2);
  conv_row(o, "50 res3", 256, 120, 216, 512, 1, 2);
  conv_row(o, "50 res3", 128, 60, 108, 512, 1, 1);
  conv_row(o, "50 res3", 512, 60, 108, 128, 1, 1);
  conv_row(o, "50 res3", 128, 60, 108, 128, 3, 1);
  conv_row(o, "50 res4", 512, 60, 108, 256, 1, 1);
  conv_row(o, "50 res4", 256, 60, 108, 256, 3, 2);
  conv_row(o, "50 res4", 512, 60, 108, 1024, 1, 2);
  conv_row(o, "50 res4", 256, 30, 54, 1024, 1, 1);
  conv_row(o, "50 res4", 1024, 30, 54, 256, 1, 1);
  conv_row(o, "50 res4", 256, 30, 54, 256, 3, 1);
  conv_row(o, "50 key+value", 1024, 30, 54, 640, 3, 1);
  conv_row(o, "motion 1", 3, 30, 54, 3, 7, 1);
  conv_row(o, "motion 3", 16, 30, 54, 16, 3, 1);
  conv_row(o, "motion 7", 32, 30, 54, 64, 3, 1);
  conv_row(o, "motion 8", 64, 30, 54, 1024, 1, 1);
  conv_row(o, "msam", 1024, 30, 54, 1, 1, 1);
  conv_row(o, "50 decoder", 512, 30, 54, 256, 3, 1);
  conv_row(o, "50 decoder", 512, 60, 108, 256, 3, 1);
  conv_row(o, "50 decoder", 256, 60, 108, 256, 3, 1);
  conv_row(o, "50 decoder", 256, 120, 216, 256, 3, 1);
  conv_row(o, "50 pred", 256, 120, 216, 2, 3, 1);
  conv_row(o, "50 stem of two masks", 1, 480, 864, 64, 7, 2, 2);
  conv_row(o, "18 res3", 64, 120, 216, 128, 3, 2);
  conv_row(o, "18 res3", 64, 120, 216, 128, 1, 2);
  conv_row(o, "18 res4", 128, 60, 108, 256, 3, 2);
  conv_row(o, "18 key+value", 256, 30, 54, 320, 3, 1);
  conv_row(o, "18 decoder", 64, 120, 216, 96, 3, 1);
  conv_row(o, "18 decoder", 128, 60, 108, 96, 3, 1);
  conv_row(o, "18 decoder", 96, 60, 108, 96, 3, 1);
  conv_row(o, "18 decoder", 96, 120, 216, 96, 3, 1);
  conv_row(o, "18 pred", 96, 120, 216, 2, 3, 1);
  conv_row(o, "240p", 256, 15, 27, 1024, 1, 1);
  conv_row(o, "240p", 256, 15, 27, 256, 3, 1);
  gradient_rows(o, 5, 64, 100, 100, 64, 3, 1);
  gradient_rows(o, 5, 256, 25, 25, 1024, 1, 1);
  gradient_rows(o, 5, 128, 50, 50, 256, 3, 2);
  // A training step of munet18 at 256 x 256.
  gradient_rows(o, 3, 3, 256, 256, 64, 7, 2);
  gradient_rows(o, 1, 1, 256, 256, 64, 7, 2);
  gradient_rows(o, 3, 64, 64, 64, 64, 3, 1);
  gradient_rows(o, 3, 64, 64, 64, 128, 3, 2);
  gradient_rows(o, 3, 64, 64, 64, 128, 1, 2);
  gradient_rows(o, 1, 128, 32, 32, 128, 3, 1);
  gradient_rows(o, 1, 128, 32, 32, 256, 3, 2);
  gradient_rows(o, 1, 256, 16, 16, 256, 3, 1);
  gradient_rows(o, 3, 256, 16, 16, 256, 3, 1);
  gradient_rows(o, 1, 512, 16, 16, 96, 3, 1);
  gradient_rows(o, 1, 96, 64, 64, 96, 3, 1);
  gradient_rows(o, 1, 96, 64, 64, 2, 3, 1);
  matmul_row(o, 1024, 1024, 1024, {});
  matmul_row(o, 1620, 1620, 128, {false, true});
  matmul_row(o, 512, 1620, 1620, {true, false});
  pass_rows(o);
  match_row(o, 1, 30, 54, 64);
  match_row(o, 1, 30, 54, 256);
  match_row(o, 5, 25, 25, 256);
  for (int frames : {1, 5, 20}) memory_row(o, frames, 128, 512, 0);
  for (int frames : {1, 5, 20}) memory_row(o, frames, 64, 256, 0);
  memory_row(o, 20, 128, 512, 20);
  memory_gradient_row(o, 1, 625, 625, 64, 256);
  memory_gradient_row(o, 3, 3125, 625, 128, 512);
}

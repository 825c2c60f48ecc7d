// What the op table does not show of convolution: errors on real sizes, each algorithm against the
// plain one, the micro-kernels against each other, threads.
#include "autograd/ops/conv.h"

#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "tensor/cpu/fold.h"
#include "tensor/cpu/winograd.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

cpu::WeightView<double> plain(const cpu::ConvShape& s, const Tensor& w) {
  return cpu::plain_weights<double>(s, w.data<double>());
}

}  // namespace

TEST_CASE("conv2d's error on a real size", "[op][conv]") {
  // What the headers state: 1.2e-6 of the norm for Winograd with 256 channels, less with fewer,
  // 2e-7 for the rest.
  struct Row {
    int64_t channels;
    int kernel, stride;
    double bound;
  };
  for (const Row& row :
       {Row{256, 3, 1, 2e-6}, Row{256, 3, 2, 4e-7}, Row{256, 1, 1, 4e-7}, Row{3, 7, 2, 1e-6}}) {
    const Tensor x = random_tensor({1, 15, 27, row.channels}, 1, 0, 1);
    const Tensor w = random_tensor({64, row.kernel, row.kernel, row.channels}, 2, -0.05, 0.05);
    const Conv2dOptions options = {row.stride, row.kernel / 2};
    const Tensor want = conv2d(x.to(DType::f64), w.to(DType::f64), {}, options);
    const double error = relative_error(conv2d(x, w, {}, options), want);
    CHECK(error < row.bound);
    CHECK(error > 1e-8);  // it is f32 that was measured
    if (row.kernel == 7)  // folded, and then by the larger patches
      CHECK(relative_error(conv2d_fused(x, *prepare_conv2d(w, {}, options)), want) < 2e-6);
  }
}

TEST_CASE("Winograd's error on a real size", "[op][conv]") {
  // What winograd.h states, by channels, for patches of side 6 and, prepared, of side 8.
  struct Row {
    int64_t channels;
    double norm[2];  // of the norm
  };
  for (const Row& row :
       {Row{64, {0.6e-6, 2e-6}}, Row{256, {1.2e-6, 4e-6}}, Row{1024, {1.3e-6, 5e-6}}}) {
    const Tensor x = random_tensor({1, 15, 27, row.channels}, 1, 0, 1);
    const Tensor w = random_tensor({64, 3, 3, row.channels}, 2, -0.05, 0.05);
    const Tensor want = conv2d(x.to(DType::f64), w.to(DType::f64), {}, {1, 1});
    double square = 0;
    for (const double value : want.to_vector<double>()) square += value * value;
    const double rms = std::sqrt(square / double(want.numel()));
    for (const bool prepared : {false, true}) {
      const Tensor y =
          prepared ? conv2d_fused(x, *prepare_conv2d(w, {}, {1, 1})) : conv2d(x, w, {}, {1, 1});
      const double error = relative_error(y, want);
      double worst = 0;
      for (int64_t i = 0; i < y.numel(); ++i)
        worst = std::max(worst, std::abs(y.data<float>()[i] - want.data<double>()[i]) / rms);
      INFO(row.channels << " channels, prepared " << prepared << ": " << error << ", " << worst);
      CHECK((error < row.norm[prepared] && error > 1e-8));
      CHECK(worst < (prepared ? 6e-5 : 1e-5));  // of the outputs' root mean square
    }
  }
}

TEST_CASE("the error of conv2d's gradients on a real size", "[op][conv]") {
  for (const int64_t channels : {64, 256}) {
    Tensor x = random_tensor({2, 30, 54, channels}, 1, 0, 1);
    Tensor w = random_tensor({64, 3, 3, channels}, 2, -0.05, 0.05);
    const Tensor gy = random_tensor({2, 30, 54, 64}, 3);
    Tensor xd = x.to(DType::f64), wd = w.to(DType::f64);
    for (Tensor* t : {&x, &w, &xd, &wd}) t->set_requires_grad();
    backward(conv2d(x, w, {}, {1, 1}), gy);
    backward(conv2d(xd, wd, {}, {1, 1}), gy.to(DType::f64));
    const double data = relative_error(x.grad(), xd.grad());
    const double weight = relative_error(w.grad(), wd.grad());
    INFO("data " << data << ", weight " << weight);
    CHECK((data < 1.5e-6 && data > 1e-8));
    CHECK((weight < 1.5e-6 && weight > 1e-8));
  }
}

TEST_CASE("Winograd's algorithm is exact but for rounding", "[op][conv]") {
  for (const auto& [taps, side] : {std::pair{3, 6}, {4, 6}, {3, 8}, {4, 8}}) {
    cpu::ConvShape s = {.n = 2,
                        .h = 11,
                        .w = 7,
                        .c = 24,
                        .o = 48,
                        .kh = taps,
                        .kw = taps,
                        .stride = 1,
                        .top = 1,
                        .left = -1,
                        .oh = 15 - taps,
                        .ow = 8 - taps};
    const Tensor x = random_tensor({s.n, s.h, s.w, s.c}, 1, -1, 1, DType::f64);
    const Tensor w = random_tensor({s.o, taps, taps, s.c}, 2, -1, 1, DType::f64);
    const Tensor y = Tensor::empty({s.n, s.oh, s.ow, s.o}, DType::f64), want = y.clone();
    std::vector<double> u(std::size_t(cpu::winograd_weights_size(s, side)));
    cpu::winograd_weights(s, side, plain(s, w), u.data());
    cpu::winograd_conv2d<double>(s, side, x.data<double>(), u.data(), {}, y.data<double>());
    cpu::conv2d<double>(s, x.data<double>(), cpu::pack_weights(s, plain(s, w)), {},
                        want.data<double>());
    CHECK(relative_error(y, want) < (side == 6 ? 1e-14 : 4e-14));
  }
}

TEST_CASE("Winograd's weight gradient is exact but for rounding", "[op][conv]") {
  for (const int64_t height : {11, 375}) {  // one block of patches, and several
    const int64_t taps = height == 11 ? 4 : 3;
    const cpu::ConvShape s = {.n = 2,
                              .h = height,
                              .w = 7,
                              .c = 48,
                              .o = 40,
                              .kh = taps,
                              .kw = taps,
                              .stride = 1,
                              .top = 1,
                              .left = 0,
                              .oh = height + 3 - taps,
                              .ow = 8 - taps};
    REQUIRE(cpu::winograd_grad_w_possible(s));
    const Tensor x = random_tensor({s.n, s.h, s.w, s.c}, 1, -1, 1, DType::f64);
    const Tensor gy = random_tensor({s.n, s.oh, s.ow, s.o}, 2, -1, 1, DType::f64);
    const Tensor gw = Tensor::empty({s.o, taps, taps, s.c}, DType::f64), want = gw.clone();
    cpu::winograd_grad_w(s, gy.data<double>(), x.data<double>(), gw.data<double>());
    cpu::conv2d_grad_w(s, gy.data<double>(), x.data<double>(), want.data<double>());
    CHECK(relative_error(gw, want) < 1e-14);
  }
}

TEST_CASE("a folded convolution is the same convolution", "[op][conv]") {
  for (const int64_t top : {3, 2, 0}) {
    const cpu::ConvShape s = {.n = 2,
                              .h = 15,
                              .w = 12,
                              .c = 3,
                              .o = 5,
                              .kh = 7,
                              .kw = 6,
                              .stride = 2,
                              .top = top,
                              .left = 3,
                              .oh = (15 + 2 * top - 7) / 2 + 1,
                              .ow = (12 + 6 - 6) / 2 + 1};
    const cpu::ConvShape f = cpu::folded(s);
    const Tensor x = random_tensor({s.n, s.h, s.w, s.c}, 1, -1, 1, DType::f64);
    const Tensor w = random_tensor({s.o, s.kh, s.kw, s.c}, 2, -1, 1, DType::f64);
    const Tensor folded_x = Tensor::empty({f.n, f.h, f.w, f.c}, DType::f64);
    const Tensor folded_w = Tensor::empty({f.o, f.kh, f.kw, f.c}, DType::f64);
    const Tensor y = Tensor::empty({s.n, s.oh, s.ow, s.o}, DType::f64), want = y.clone();
    cpu::fold_input(s, x.data<double>(), folded_x.data<double>());
    cpu::fold_weights(s, plain(s, w), folded_w.data<double>());
    cpu::conv2d<double>(f, folded_x.data<double>(), cpu::pack_weights(f, plain(f, folded_w)), {},
                        y.data<double>());
    cpu::conv2d<double>(s, x.data<double>(), cpu::pack_weights(s, plain(s, w)), {},
                        want.data<double>());
    CHECK(relative_error(y, want) < 1e-14);
  }
}

TEST_CASE("all tables of micro-kernels compute the same", "[op][conv]") {
  const cpu::Kernels<float>* avx2 = cpu::avx2_kernels();
  if (!avx2) return skip("this machine has no AVX2");
  const Tensor a = random_tensor({6 * 40}, 1), b = random_tensor({40 * 16}, 2);
  const Tensor bias = random_tensor({32}, 3), add = random_tensor({6 * 20}, 4);
  for (int i = 0; i < 16; ++i) {  // each combination of accumulate, bias, add, relu
    std::vector<Tensor> results;
    for (const cpu::Kernels<float>* table : {avx2, &cpu::generic_kernels<float>()}) {
      const Tensor c = random_tensor({6 * 18}, 5);
      table->tile({.depth = 40,
                   .a = a.data<float>(),
                   .b = b.data<float>(),
                   .c = c.data<float>(),
                   .stride = 18,
                   .accumulate = (i & 1) != 0,
                   .bias = i & 2 ? bias.data<float>() : nullptr,
                   .add = i & 4 ? add.data<float>() : nullptr,
                   .add_stride = 20,
                   .relu = (i & 8) != 0,
                   .ahead = b.data<float>()});
      results.push_back(c);
    }
    CHECK(relative_error(results[0], results[1]) < 1e-6);
  }
  const Tensor pixels = random_tensor({36, 24}, 6);
  for (const int64_t side : {6, 8}) {
    const int64_t places = side * side;
    std::vector<Tensor> v, y, u;
    for (const cpu::Kernels<float>* table : {avx2, &cpu::generic_kernels<float>()}) {
      cpu::WinogradInput<float> in = {
          .side = side, .patches = 5, .pixels = {}, .channels = 24, .v = {}, .plane = 160};
      for (int64_t r = 0; r < 5; ++r)  // the patches see the same pixels in different places
        for (int64_t i = 0; i < places; ++i)
          in.pixels[r][i] = pixels.data<float>() + (i * (r + 1) + r) % 36 * 24;
      v.push_back(Tensor::zeros({places, in.plane}));
      in.v = v.back().data<float>();
      table->winograd_input(in);
      const Tensor m = random_tensor({places, 2 * 96}, 7), shared = random_tensor({6, 6, 32}, 8);
      y.push_back(Tensor::zeros({2, 6, 6, 6, 32}));
      for (const int64_t taps : {3, 4}) {
        const int64_t size = side + 1 - taps;
        cpu::WinogradOutput<float> out = {.patches = 6,
                                          .to = {},
                                          .side = side,
                                          .size = size,
                                          .channels = 32,
                                          .row_stride = 6 * 32,
                                          .m = m.data<float>(),
                                          .plane = 192,
                                          .bias = bias.data<float>(),
                                          .relu = true};
        for (int64_t r = 0; r < 6; ++r)
          out.to[r] = {.y = y.back().data<float>() + ((taps - 3) * 6 + r) * 6 * 6 * 32,
                       .add = r % 2 ? shared.data<float>() : nullptr,
                       .rows = std::min(size, 1 + r % 4),
                       .columns = size - r % 3};
        table->winograd_output(out);
        cpu::WinogradKernel<float> kernel;
        kernel.side = side;
        kernel.size = taps;
        for (int64_t i = 0; i < taps * taps; ++i) kernel.taps[i] = pixels.data<float>() + i * 24;
        kernel.count = 24;
        u.push_back(Tensor::zeros({places, 24}));
        kernel.u = u.back().data<float>();
        kernel.plane = 24;
        table->winograd_kernel(kernel);
      }
    }
    CHECK(relative_error(u[0], u[2]) < 1e-6);
    CHECK(relative_error(u[1], u[3]) < 1e-6);
    CHECK(relative_error(v[0], v[1]) < 1e-6);
    CHECK(relative_error(y[0], y[1]) < 1e-6);
  }
  std::vector<Tensor> turned;
  for (const cpu::Kernels<float>* table : {avx2, &cpu::generic_kernels<float>()}) {
    turned.push_back(Tensor::zeros({8, 9}));
    float* to[8];
    for (int64_t i = 0; i < 8; ++i) to[i] = turned.back().data<float>() + 9 * i;
    table->transpose(pixels.data<float>(), 24, to);
  }
  CHECK(turned[0].to_vector<float>() == turned[1].to_vector<float>());
  CHECK(turned[0].to_vector<float>()[5 * 9 + 3] == pixels.data<float>()[3 * 24 + 5]);
}

TEST_CASE("conv2d does not depend on the number of threads", "[op][conv]") {
  const int before = num_threads();
  struct Row {
    Shape x, w;
    Conv2dOptions options;
  };
  for (const Row& row :
       {Row{{2, 15, 27, 96}, {80, 3, 3, 96}, {1, 1}}, Row{{1, 29, 31, 40}, {33, 3, 3, 40}, {2, 1}},
        Row{{1, 15, 27, 130}, {70, 1, 1, 130}, {}}, Row{{2, 61, 83, 16}, {16, 3, 3, 16}, {1, 1}},
        Row{{1, 39, 67, 3}, {48, 7, 7, 3}, {2, 3}}}) {
    Tensor x = random_tensor(row.x, 1), w = random_tensor(row.w, 2);
    x.set_requires_grad();
    w.set_requires_grad();
    const auto run = [&] {
      x.set_grad({});
      w.set_grad({});
      const Tensor y = conv2d(x, w, {}, row.options);
      backward(y, random_tensor(y.shape(), 3));
      std::vector<float> all = y.to_vector<float>();
      for (const Tensor& t : {x.grad(), w.grad()})
        for (float value : t.to_vector<float>()) all.push_back(value);
      return all;
    };
    set_num_threads(1);
    const std::vector<float> want = run();
    for (int threads : {2, 3}) {
      set_num_threads(threads);
      CHECK((run() == want));  // not printed number by number
    }
  }
  set_num_threads(before);
}

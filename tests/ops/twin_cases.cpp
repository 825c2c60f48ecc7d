// What the op table does not show of the CUDA bodies: half types, odd sizes, many equal losses,
// many tensors at once. In twin_test, where the CPU slots hold them and the CUDA slots the CPU's
// own.
#include "autograd/node.h"
#include "ops_cuda/elementwise_twins.h"
#include "ops_cuda/losses_twins.h"
#include "ops_cuda/norm_twins.h"
#include "ops_cuda/pool_twins.h"
#include "ops_cuda/reduce_twins.h"
#include "ops_cuda/shape_twins.h"
#include "ops_cuda/softmax_twins.h"
#include "ops_cuda/update_twins.h"
#include "ops_cuda/upsample_twins.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
using cuda::OnHost;

TEST_CASE("dividers divide", "[twins]") {
  for (int64_t d : {1, 2, 3, 5, 7, 31, 64, 100, 641, 1000003, 0x40000001, 0x7fffffff}) {
    const cuda::Divider divider(d);
    for (uint64_t n :
         {0u, 1u, 2u, 6u, 63u, 64u, 12345u, 999999u, 0x3fffffffu, 0x7ffffffeu, 0x7fffffffu})
      for (uint64_t near : {n, n / uint64_t(d) * uint64_t(d)}) {
        uint32_t quotient = uint32_t(near);
        const uint32_t rest = divider.split(quotient);
        CHECK(quotient == near / uint64_t(d));
        CHECK(rest == near % uint64_t(d));
      }
  }
  CHECK_THROWS_AS(cuda::Divider(0), Error);
  CHECK_THROWS_AS(cuda::Divider(int64_t{1} << 31), Error);
}

TEST_CASE("numbers stored in half are computed in f32", "[twins]") {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Tensor a = random_tensor({3, 5, 7, 12}, 1).to(dtype),
                 b = random_tensor({12}, 2, 0.5, 2).to(dtype);
    const auto in_f32 = [](const Tensor& x) { return x.to(DType::f32); };
    const Tensor fa = in_f32(a), fb = in_f32(b);
    const double tolerance = dtype == DType::f16 ? 5e-4 : 4e-3;  // half a unit in the last place
    CHECK(relative_error(div(a, b), div(fa, fb)) < tolerance);
    CHECK(relative_error(sigmoid(a), sigmoid(fa)) < tolerance);
    CHECK(relative_error(sum(a, {0, 1, 2}), sum(fa, {0, 1, 2})) < tolerance);
    CHECK(relative_error(softmax(a, -1), softmax(fa, -1)) < tolerance);
    CHECK(relative_error(l2_normalize(a), l2_normalize(fa)) < tolerance);
    CHECK(relative_error(max_pool2d(a, {3, 2, 1}), max_pool2d(fa, {3, 2, 1})) == 0);
    CHECK(relative_error(upsample_bilinear(a, {.height = 11, .width = 9}),
                         upsample_bilinear(fa, {.height = 11, .width = 9})) < tolerance);
    CHECK(concat({a, a}, 3).to_vector<float>() == concat({fa, fa}, 3).to_vector<float>());
    Tensor mean = random_tensor({12}, 3), var = random_tensor({12}, 4, 0.5, 2);
    const Tensor gamma = random_tensor({12}, 5), beta = random_tensor({12}, 6);
    CHECK(relative_error(batch_norm(a, gamma, beta, mean, var),
                         batch_norm(fa, gamma, beta, mean, var)) < tolerance);
  }
}

TEST_CASE("cast between all types as Tensor::to", "[twins]") {
  const DType all[] = {DType::f32, DType::f64, DType::f16, DType::bf16,
                       DType::i32, DType::i64, DType::u8};
  const Tensor numbers = random_tensor({3, 4, 5}, 1, 0, 100);
  for (DType from : all)
    for (DType to : all) {
      const Tensor x = numbers.to(from);
      INFO(from << " to " << to);
      CHECK(cast(x, to).to_vector<double>() == x.to(to).to_vector<double>());
    }
}

TEST_CASE("the engine's sum of gradients", "[twins]") {
  for (int64_t n : {1, 7, 4096}) {
    const Tensor a = random_tensor({n}, 1), b = random_tensor({n}, 2), sum = a.clone();
    cuda::add_into<OnHost>(sum, b);
    CHECK(sum.to_vector<float>() == add(a, b).to_vector<float>());
  }
}

TEST_CASE("resizing to any size, forward and back, as the CPU does", "[twins]") {
  for (int64_t in = 1; in <= 9; ++in)
    for (int64_t out : {1, 2, 3, 5, 8, 9, 17, 36, 41})
      for (int way = 0; way < 3; ++way) {
        const bool nearest = way == 2;
        const ResizeOptions options{.height = out, .width = in + 3, .align_corners = way == 1};
        const Tensor x = random_tensor({2, in, 7, 3}, 1),
                     gy = random_tensor({2, out, in + 3, 3}, 2);
        const Tensor y = Tensor::empty(gy.shape()), y_cpu = Tensor::empty(gy.shape()),
                     gx = Tensor::empty(x.shape()), gx_cpu = Tensor::empty(x.shape());
        kernels::resize_forward.cpu(x, nearest, options, y);
        kernels::resize_forward.cuda(x, nearest, options, y_cpu);
        kernels::resize_backward.cpu(gy, nearest, options, gx);
        kernels::resize_backward.cuda(gy, nearest, options, gx_cpu);
        INFO(in << " to " << out << ", " << way);
        CHECK(relative_error(y, y_cpu) < 1e-6);
        CHECK(relative_error(gx, gx_cpu) < 1e-6);
      }
}

TEST_CASE("the largest losses are found among many and among equals", "[twins]") {
  // A loss is ln(1 + exp(-z)) of the pixel's margin z: few values, so that most pixels are equal.
  const int64_t pixels = 71 * 67;
  for (const int64_t kinds : {1, 2, 5, 100000})
    for (const double keep : {0.0001, 0.1, 0.4, 0.9999, 1.0}) {
      std::vector<float> z(std::size_t(2 * pixels), 0.f);
      for (int64_t i = 0; i < pixels; ++i) z[std::size_t(2 * i)] = float(i * 7919 % kinds) * 0.01f;
      const Tensor logits = Tensor::from(z, {1, 71, 67, 2});
      const Tensor labels = Tensor::zeros({1, 71, 67}, DType::u8);
      const int64_t kept = std::max<int64_t>(1, int64_t(keep * double(pixels)));
      Tensor loss[2], chosen[2];
      for (int twin = 0; twin < 2; ++twin) {
        loss[twin] = Tensor::empty({});
        chosen[twin] = Tensor::empty(labels.shape(), DType::u8);
        (twin ? kernels::cross_entropy_forward.cpu : kernels::cross_entropy_forward.cuda)(
            logits, labels, kept, loss[twin], chosen[twin]);
      }
      INFO(kinds << " kinds, keep " << keep);
      CHECK(loss[1].item() == Approx(loss[0].item()).epsilon(1e-6));
      if (kinds < 1000)  // the two ways of rounding order very close losses differently
        CHECK(chosen[1].to_vector<int>() == chosen[0].to_vector<int>());
      int64_t count = 0;
      for (int one : chosen[1].to_vector<int>()) count += one;
      CHECK(count == kept);
    }
}

TEST_CASE("one step over many tensors as one by one", "[twins]") {
  const auto tensors = [](uint64_t seed, double low) {
    return Tensors{random_tensor({3, 5, 7}, seed, low, 1), random_tensor({1}, seed + 1, low, 1),
                   random_tensor({70001}, seed + 2, low, 1)};
  };
  Tensors p[2], m[2], v[2];
  for (int twin = 0; twin < 2; ++twin) {
    p[twin] = tensors(1, -1), m[twin] = tensors(4, -1), v[twin] = tensors(7, 0);
    const Tensors g = tensors(10, -1);
    std::vector<kernels::AdamWStep> steps;
    for (std::size_t i = 0; i < g.size(); ++i)
      steps.push_back(
          {p[twin][i], g[i], m[twin][i], v[twin][i], 0.999, -0.01 * double(i + 1), 0.7});
    (twin ? kernels::adamw.cpu : kernels::adamw.cuda)(steps, {0.9, 0.999, 1e-8});
    (twin ? kernels::move_toward.cpu : kernels::move_toward.cuda)(m[twin], g, 0.25);
    (twin ? kernels::scale_all.cpu : kernels::scale_all.cuda)(v[twin], 0.3);
  }
  for (std::size_t i = 0; i < p[0].size(); ++i) {
    CHECK(relative_error(p[1][i], p[0][i]) < 1e-7);
    CHECK(relative_error(m[1][i], m[0][i]) < 1e-7);
    CHECK(relative_error(v[1][i], v[0][i]) < 1e-7);
  }
  const std::vector<double> a = kernels::sums_of_squares.cpu(p[0]),
                            b = kernels::sums_of_squares.cuda(p[0]);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-6));
}

// Rows of the op table: matrix products.
#include "autograd/node.h"
#include "autograd/ops/matmul.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// y[i,j] = sum_k a[i,k] b[k,j] for each matrix of the batch, from the definition.
Tensor naive_matmul(const Tensor& a, const Tensor& b, MatmulOptions options) {
  const bool batched = a.rank() == 3;
  const int64_t batch = batched ? a.dim(0) : 1;
  const int64_t m = a.dim(options.transpose_a ? -1 : -2), k = a.dim(options.transpose_a ? -2 : -1);
  const int64_t n = b.dim(options.transpose_b ? -2 : -1);
  Tensor y = Tensor::zeros(batched ? Shape{batch, m, n} : Shape{m, n}, DType::f64);
  const double *pa = a.data<double>(), *pb = b.data<double>();
  for (int64_t r = 0; r < batch; ++r)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t l = 0; l < k; ++l)
          y.data<double>()[(r * m + i) * n + j] +=
              pa[r * m * k + (options.transpose_a ? l * m + i : i * k + l)] *
              pb[r * k * n + (options.transpose_b ? j * k + l : l * n + j)];
  return y;
}

OpCase matmul_case(const std::string& name, const Shape& a, const Shape& b, MatmulOptions options,
                   int64_t samples = 0) {
  return {.name = "matmul/" + name,
          .inputs = {a, b},
          .op = [=](const Tensors& in) { return matmul(in[0], in[1], options); },
          .reference = [=](const Tensors& in) { return naive_matmul(in[0], in[1], options); },
          .gradient_samples = samples};
}

std::vector<OpCase> matmul_cases() {
  std::vector<OpCase> cases = {
      matmul_case("plain", {5, 3}, {3, 7}, {}),
      matmul_case("transposed a", {3, 5}, {3, 7}, {true, false}),
      matmul_case("transposed b", {5, 3}, {7, 3}, {false, true}),
      matmul_case("both transposed", {3, 5}, {7, 3}, {true, true}),
      matmul_case("batched", {4, 5, 3}, {4, 3, 7}, {}),
      matmul_case("batched, both transposed", {4, 3, 5}, {4, 7, 3}, {true, true}),
      matmul_case("one by one", {1, 1}, {1, 1}, {}),
      matmul_case("blocks and remainders", {103, 521}, {521, 35}, {}, 20),
      matmul_case("blocks and remainders, transposed", {521, 103}, {35, 521}, {true, true}, 20),
      matmul_case("long rows", {7, 11}, {11, 1033}, {}, 20),
  };
  const auto zeros = [](const Shape& shape, DType dtype = DType::f32) {
    return Tensor::zeros(shape, dtype);
  };
  cases[0].throws = {
      {[=] {
         matmul(zeros({5, 3}), zeros({4, 7}));
       },
       "matmul: inner sizes differ; a is [5, 3], b is [4, 7]"},
      {[=] {
         matmul(zeros({5, 3}), zeros({3, 7}), {.transpose_b = true});
       },
       "matmul: inner sizes differ; a is [5, 3], b is [3, 7] (transposed)"},
      {[=] {
         matmul(zeros({2, 5, 3}), zeros({4, 3, 7}));
       },
       "matmul: expected two matrices or two batches of equal size; a is [2, 5, 3], b is [4, 3, "
       "7]"},
      {[=] {
         matmul(zeros({5}), zeros({5, 7}));
       },
       "matmul: expected two matrices or two batches of equal size; a is [5], b is [5, 7]"},
      {[=] {
         matmul(zeros({5, 3}), zeros({3, 7}, DType::f64));
       },
       "matmul: a is f32 but b is f64", "DTypeError"},
      {[=] {
         matmul(zeros({5, 3}, DType::f16), zeros({3, 7}, DType::f16));
       },
       "matmul: f16 is not computed on the CPU; cast to f32", "DTypeError"},
  };
  return cases;
}

}  // namespace

TEST_CASE("op/matmul", "[op][matmul]") { run_sweeps(matmul_cases()); }

TEST_CASE("matmul of empty matrices", "[op][matmul]") {
  CHECK(matmul(Tensor::zeros({0, 3}), Tensor::zeros({3, 7})).shape() == Shape{0, 7});
  const Tensor y = matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 3}));  // a sum of nothing is 0
  CHECK(y.to_vector<float>() == std::vector<float>(6, 0));
}

TEST_CASE("matmul does not depend on the number of threads", "[op][matmul]") {
  const int before = num_threads();
  const Tensor a = random_tensor({211, 530}, 1), b = random_tensor({530, 97}, 2);
  set_num_threads(1);
  const std::vector<float> want = matmul(a, b).to_vector<float>();
  for (int threads : {2, 3}) {
    set_num_threads(threads);
    CHECK((matmul(a, b).to_vector<float>() == want));
  }
  set_num_threads(before);
}

// matmul: checks, the batch loop around cpu::gemm, and gradients as further products.
#include "autograd/ops/matmul.h"

#include "autograd/node.h"
#include "tensor/cpu/gemm.h"

namespace munet {
namespace kernels {
namespace {

void matmul_cpu(const Tensor& a, const Tensor& b, MatmulOptions options, const Tensor& y) {
  const int64_t batch = y.rank() == 3 ? y.dim(0) : 1;
  const cpu::GemmShape s{.m = y.dim(-2),
                         .n = y.dim(-1),
                         .k = a.dim(options.transpose_a ? -2 : -1),
                         .transpose_a = options.transpose_a,
                         .transpose_b = options.transpose_b};
  for_float(y.dtype(), "matmul", [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < batch; ++i)
      cpu::gemm(s, a.data<T>() + i * s.m * s.k, b.data<T>() + i * s.k * s.n,
                y.data<T>() + i * s.m * s.n);
  });
}

}  // namespace

Kernel<void(const Tensor&, const Tensor&, MatmulOptions, const Tensor&)> matmul{"matmul",
                                                                                matmul_cpu};

}  // namespace kernels

namespace {

// op(a) op(b) without checks and without a record.
Tensor product(const Tensor& a, const Tensor& b, MatmulOptions options) {
  const int64_t m = a.dim(options.transpose_a ? -1 : -2), n = b.dim(options.transpose_b ? -2 : -1);
  Tensor y =
      Tensor::empty(a.rank() == 3 ? Shape{a.dim(0), m, n} : Shape{m, n}, a.dtype(), a.device());
  kernels::matmul(y.device(), a, b, options, y);
  return y;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions options) {
  check<ShapeError>((a.rank() == 2 || a.rank() == 3) && a.rank() == b.rank() &&
                        (a.rank() == 2 || a.dim(0) == b.dim(0)),
                    "matmul: expected two matrices or two batches of equal size; a is ", a.shape(),
                    ", b is ", b.shape());
  check<ShapeError>(a.dim(options.transpose_a ? -2 : -1) == b.dim(options.transpose_b ? -1 : -2),
                    "matmul: inner sizes differ; a is ", a.shape(),
                    options.transpose_a ? " (transposed)" : "", ", b is ", b.shape(),
                    options.transpose_b ? " (transposed)" : "");
  check<DTypeError>(a.dtype() == b.dtype(), "matmul: a is ", a.dtype(), " but b is ", b.dtype());
  check<DeviceError>(a.device() == b.device(), "matmul: a is on ", a.device(), " but b is on ",
                     b.device());
  Tensor y = product(a, b, options);
  if (!recording(a, b)) return y;
  const bool need_a = a.requires_grad(), need_b = b.requires_grad();
  return record(
      y, "matmul", {a, b},
      [a = a.detach(), b = b.detach(), options, need_a, need_b](const Tensor& gy) -> Tensors {
        const auto [ta, tb] = options;
        Tensor ga, gb;  // of y = A B: gA = gy B^T, gB = A^T gy; transposed where stored transposed
        if (need_a) ga = ta ? product(b, gy, {tb, true}) : product(gy, b, {false, !tb});
        if (need_b) gb = tb ? product(gy, a, {true, ta}) : product(a, gy, {!ta, false});
        return {ga, gb};
      });
}

}  // namespace munet

// Matrix products.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};
// y = op(a) op(b), op(x) = x or its transpose. a [m,k], b [k,n] -> y [m,n] (as stored: [k,m] and
// [n,k] where transposed); or batched with the same leading size b: [b,m,k], [b,k,n] -> [b,m,n].
// Gradients: both. ShapeError on mismatch. f32 error: tensor/cpu/gemm.h; 3e-7 (norm) for k = 64.
Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions options = {});

namespace kernels {
// a, b, options, y
extern Kernel<void(const Tensor&, const Tensor&, MatmulOptions, const Tensor&)> matmul;
}  // namespace kernels

}  // namespace munet

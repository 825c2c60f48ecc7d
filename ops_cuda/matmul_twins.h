// The slot of matmul: what matmul.cu registers, and what the host test runs.
#pragma once

#include "autograd/ops/matmul.h"
#include "ops_cuda/product.h"

namespace munet::cuda {

template <class Run>
void matmul(const Tensor& a, const Tensor& b, MatmulOptions options, const Tensor& y) {
  multiply(Run{}, {.m = y.dim(-2),
                   .n = y.dim(-1),
                   .k = a.dim(options.transpose_a ? -2 : -1),
                   .transpose_a = options.transpose_a,
                   .transpose_b = options.transpose_b,
                   .batch = y.rank() == 3 ? y.dim(0) : 1,
                   .in = a.dtype(),
                   .out = y.dtype(),
                   .a = a.raw(),
                   .b = b.raw(),
                   .c = y.raw(),
                   .device = y.device()});
}

}  // namespace munet::cuda

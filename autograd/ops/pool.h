// Pooling.
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

struct Pool2dOptions {
  int kernel = 2, stride = 2, padding = 0;  // padding never wins a maximum; at most kernel / 2
};
// x [n,h,w,c] -> [n,oh,ow,c], oh = (h+2*padding-kernel)/stride+1. Gradient: x, to the first position
// of each window (row by row) that holds the maximum; windows may overlap.
Tensor max_pool2d(const Tensor& x, Pool2dOptions options);

// Mean over h and w: [n,h,w,c] -> [n,1,1,c]. Gradient: x.
Tensor global_avg_pool(const Tensor& x);

}  // namespace munet

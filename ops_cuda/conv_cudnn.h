// Convolution by cuDNN: plans for the shapes that it has an engine for.
#pragma once

#include "ops_cuda/conv_body.h"
#include "tensor/device.h"

namespace munet::cuda {

enum class ConvKind { forward, grad_x, grad_w };
inline const char* name(ConvKind kind) {
  if (kind == ConvKind::forward) return "conv2d";
  return kind == ConvKind::grad_x ? "conv2d grad_x" : "conv2d grad_w";
}

// forward: y = activation(x (*) w + bias + add), bias, add and activation optional.
// grad_x: x from y and w; grad_w: w from y and x; nothing else.
struct ConvCall {
  ConvKind kind;
  ConvSizes sizes;
  DType type;
  Device device;
  void *x, *w, *y;
  const void *bias = nullptr, *add = nullptr;  // [o]; [1 or n,oh,ow,o]
  bool shared_add = false;                     // add has n = 1
  bool relu = false;
};

// Queues it; false, and nothing done, where this cuDNN has no engine for it (which is tallied with
// the reason, once for each shape) or there is no cuDNN.
bool run_cudnn(const ConvCall& call);

}  // namespace munet::cuda

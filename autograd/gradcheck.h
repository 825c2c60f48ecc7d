// Public finite-difference check: is the gradient of my function right?
#pragma once

#include <functional>
#include <string>

#include "tensor/tensor.h"

namespace munet {

struct GradcheckOptions {
  double step = 1e-5;       // h of (f(x+h) - f(x-h)) / 2h
  double tolerance = 1e-6;  // on norm(analytic - numeric) / norm(numeric), per input
  uint64_t seed = 1;        // of the projection
  int64_t samples = 0;      // elements checked per input, drawn at random; 0 = all
};

struct GradcheckResult {
  bool ok = true;
  double error = 0;     // the largest relative error over the inputs
  std::string message;  // which input, where it is worst, both numbers; empty if ok
};

// Compares backward() with central differences of L = sum(w * f(x)), w random: one number per
// output element, so that a transposed or misplaced gradient cannot cancel out. Inputs are f64 CPU
// tensors (DTypeError otherwise); those that should be checked have requires_grad. Inputs are
// restored. A right gradient of a wrong forward passes: compare the forward with a reference as
// well.
GradcheckResult gradcheck(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs,
                          GradcheckOptions options = {});

}  // namespace munet

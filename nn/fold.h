// freeze: from a trained module to one that only runs, fast.
#pragma once

#include "nn/module.h"

namespace munet::nn {

struct FreezeSummary {
  int convolutions = 0;      // prepared
  int folded = 0;            // of them with a batch norm inside
  int64_t packed_bytes = 0;  // of the prepared weights
};

// Prepares every convolution of the module for inference: the batch norms that the module names by
// Visitor::fold go into the weights, in double, and the weights are packed for the kernels.
//   g = gamma / sqrt(var + eps);   w' = g w;   b' = g b + (shift ? beta - g mean : 0)
// The module's own tensors stay as they are, so a frozen module can be saved, and thawed; freezing
// again takes up what has changed in them. Outputs agree with the unfrozen module to 1e-5 relative.
// storage: the prepared weights' type; f16 and bf16 for a GPU, whose inputs are then of that type.
// Error in training mode, or if the named pairs do not make sense; then nothing has changed.
FreezeSummary freeze(Module&, DType storage = DType::f32);
void thaw(Module&);

}  // namespace munet::nn

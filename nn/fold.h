// freeze: from a trained module to one that only runs, fast.
#pragma once

#include <string>

#include "nn/module.h"

namespace munet::nn {

struct FreezeSummary {
  int convolutions = 0;  // prepared
  int folded = 0;        // of them with a batch norm inside
  int64_t packed_bytes = 0;
};

// Prepares every convolution of the module for inference: the batch norms that the module names by
// Visitor::fold go into the weights (in double: w' = w g / sqrt(v + eps), b' = b + (0 - m) g / sqrt(v + eps),
// with the convolution's own bias inside), weights are packed, the algorithm is chosen per shape.
// The module's own weights stay as they are, so a frozen module can be saved, and thawed.
// Outputs agree with the unfrozen module to 1e-5 relative. Error in training mode.
FreezeSummary freeze(Module&);
void thaw(Module&);

}  // namespace munet::nn

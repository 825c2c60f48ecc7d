// Memory for time: a part of a network whose intermediate tensors are computed twice.
#pragma once

#include <functional>

#include "autograd/node.h"

namespace munet {

// f(inputs), keeping only the inputs for the backward pass, which runs f again (Chen et al. 2016).
// Gradients: of the inputs and of all leaves that f uses besides them (parameters), the same bit
// for bit unless f uses one of those twice that is used outside too (sums are then in another
// order). f returns one tensor, and the same one each time: it must change nothing (batch norm with
// batch statistics does). Not recording: f(inputs). Error if f uses a result of an op that is not
// among its inputs.
Tensor checkpoint(const std::function<Tensor(const Tensors&)>& f, const Tensors& inputs);

}  // namespace munet

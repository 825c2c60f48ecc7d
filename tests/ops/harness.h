// One row describes an op once; every sweep reads it. See run_sweeps.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

struct OpCase {
  std::string name;                  // "max_pool2d/3x3s2p1": op, then what is special
  std::vector<munet::Shape> inputs;  // trap shapes: no two sizes equal, none 1
  std::function<munet::Tensor(const munet::Tensors&)> op;
  // Naive loops from the equation, on f64 inputs. Independent of the op: no shared helpers.
  std::function<munet::Tensor(const munet::Tensors&)> reference;
  struct Throws {
    std::function<void()> call;
    std::string text;                 // the whole message
    std::string type = "ShapeError";  // ShapeError, DTypeError, DeviceError, Error
  };
  std::vector<Throws> throws = {};
  double low = -1, high = 1;      // range of the inputs
  bool kinks = false;             // values are kept 1e-3 apart (relu, max: no ties)
  std::vector<int> no_grad = {};  // inputs without a gradient (labels)
  std::function<munet::Tensor(int input, munet::Tensor)> prepare = {};  // e.g. labels from numbers
  double forward_tolerance = 1e-5, gradient_tolerance = 1e-6;
  int64_t gradient_samples = 0;  // per input; 0 = all elements
  double cuda_tolerance = 0;     // parity looser than f32's rounding: why, in the row
  bool checked = true;           // false: a kernel itself, whose callers have seen to devices
  std::optional<std::string> cuda_gap = {};  // why there is no CUDA body; printed, never silent
};

// The sweeps, each returning what is wrong with the case ("" = nothing):
std::string sweep_forward(const OpCase&);       // CPU f32 against the reference, two seeds
std::string sweep_gradient(const OpCase&);      // f64, central differences; f32 against f64
std::string sweep_accumulation(const OpCase&);  // op used twice; gradient set before; no leak
std::string sweep_parity(const OpCase&);        // CUDA against CPU; skipped loudly without a device
std::string sweep_devices(const OpCase&);       // one input elsewhere is a DeviceError; likewise
std::string sweep_errors(const OpCase&);        // each `throws`: type and text, exactly

// The CPU slots hold other bodies (twins.cpp): texts about the CPU's types are not theirs.
extern bool other_bodies;

// Only the parity sweep runs: the others ran in op_test (only_parity.cpp).
extern bool only_parity;

// All sweeps on all rows as Catch2 sections "<name>: <sweep>".
void run_sweeps(const std::vector<OpCase>& cases);

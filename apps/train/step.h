// One step of the optimiser.
#pragma once

#include <functional>

#include "apps/train/rollout.h"
#include "apps/train/state.h"

struct StepReport {
  double loss = 0, j = 0;  // means over the step's clips
  double norm = 0;         // of the gradient, before clipping
  double lr = 0;           // of everything but the encoders
  munet::Clip clip;        // the last one, and what was found in it
  Rollout found;           // its loss without the graph
  bool skipped = false;    // f16: the gradient overflowed, the weights stay, the scale is halved
};

// A loss or gradient that is not finite; `clip` is the one that did it. Nothing has been changed.
struct NotFinite : munet::Error {
  NotFinite(const std::string& text, munet::Clip clip) : Error(text), clip(std::move(clip)) {}
  munet::Clip clip;
};

// Takes recipe.accumulate clips from `next`, adds up their gradients, clips them, moves the weights
// and their average, and counts: state.step, state.clips. Activations are freed clip by clip. Where
// a GPU's memory is too small the step begins again with recomputation (MUNet::set_recompute),
// which stays on; OutOfMemory if that does not help.
StepReport train_step(TrainState& state, const std::function<munet::Clip()>& next);

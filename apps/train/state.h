// All that a training run is, between two steps.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "apps/train/recipe.h"
#include "munet/model.h"
#include "nn/optim.h"
#include "tensor/precision.h"

// Every random number of a run is a function of the recipe's seed and of the index of a tensor, a
// clip or a step, so `clips` and `step` are the state of all generators.
struct TrainState {
  // At step 0: new layers as the seed says (start.h), then recipe.init over them. f16 has a loss
  // scaler; the CPU computes in f32 only (Error).
  explicit TrainState(const Recipe& recipe, munet::Device device = {},
                      munet::Precision precision = munet::Precision::f32);

  Recipe recipe;
  munet::Precision precision;
  std::string init_report;  // what start.h found in recipe.init
  munet::MUNet model;
  munet::nn::AdamW optimiser;
  std::optional<munet::nn::Ema> ema;  // if the recipe wants it
  int64_t step = 0;                   // done
  uint64_t clips = 0;                 // taken from the source
  double seconds = 0;                 // of training, all legs together
  double best = -1;                   // J&F of the best validation, and its step
  int64_t best_step = 0;
  std::string data;                             // fingerprint of the clips' source
  std::optional<munet::nn::LossScaler> scaler;  // f16
};

// Writes everything to one safetensors file (temporary file, fsync, rename): a run that goes on
// from it is bit-equal to one that never stopped. FileError with the reason if it cannot; then the
// file is as it was.
void save_state(TrainState& state, const std::filesystem::path& path);

// FileError if the file is unreadable or no training checkpoint.
std::unique_ptr<TrainState> load_state(const std::filesystem::path& path, munet::Device device = {},
                                       munet::Precision precision = munet::Precision::f32);

// Only the recipe of such a file.
Recipe stored_recipe(const std::filesystem::path& path);

// Weights alone, as `munet segment` takes them: the averaged ones (Error if there are none) or the
// plain ones.
munet::nn::StateDict weights(TrainState& state, bool averaged);

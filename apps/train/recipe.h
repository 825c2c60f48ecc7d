// Recipe: every key that decides what a training run computes. Stored in each checkpoint, so that a
// run is resumed as it was begun.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/clips.h"
#include "munet/config.h"
#include "munet/loss.h"

// Defaults: the paper's (3.5, 4.1), where it gives one.
struct Recipe {
  munet::Config model;            // keys of the network
  std::string init;               // weights to start from; empty: random
  std::vector<std::string> data;  // as parse_data_part takes it
  munet::ClipOptions clips;       // clip_frames, crop, max_objects, augmentation

  std::string rollout = "ref_only";  // ref_only | recurrent (rollout.h)
  munet::LossOptions loss;           // bootstrap, lambda
  bool train_bn = false;             // statistics of each batch, one clip, not the frozen ones

  int64_t steps = 100'000;  // of the optimiser; the schedule ends there
  int accumulate = 1;       // clips per step
  double lr = 2e-5, encoder_lr = 1, weight_decay = 0.5;  // encoder_lr: factor for both encoders
  double beta1 = 0.9, beta2 = 0.999;
  double clip_norm = 0;               // of all gradients; 0: not clipped
  std::string schedule = "constant";  // constant | step | cosine, times the warm-up
  int64_t warm_up = 0, lr_step = 20'000;
  double lr_gamma = 0.5, lr_floor = 0;  // step: factor every lr_step steps; cosine: last factor
  double cosine_minutes = 0;            // > 0: the cosine is over training time, not over steps
  double ema = 0;                       // decay of the averaged weights; 0: none
  int64_t seed = 1;

  std::vector<std::string> validate;  // sequences held out (validate.h)
  int64_t validate_every = 0;         // steps; 0: never
  int validate_size = 240;            // shorter side, pixels

  bool operator==(const Recipe&) const = default;
};

// "munet50" (the paper's recipe on no data yet), "static", "davis17", "davis17+ytvos18",
// "static→davis17", "static→both", "toy", "ours". Error on another name.
Recipe recipe_preset(const std::string& name);
std::vector<std::string> recipe_presets();

// One flat JSON object, the model's keys in "model". from_json: absent keys keep their defaults;
// an unknown key, a wrong type or value is an Error that names `source`.
std::string to_json(const Recipe& recipe);
Recipe recipe_from_json(const std::string& text, const std::string& source);

// "KEY=VALUE": KEY is one of the recipe or of the model. Error on anything else, with the keys.
void set_key(Recipe& recipe, const std::string& assignment);

// "lr is 0.0001 in A, 2e-05 in B" for each key that differs.
std::vector<std::string> differences(const Recipe& a, const std::string& name_a, const Recipe& b,
                                     const std::string& name_b);

// The learning rate of a step (from 0), `seconds` into the training.
double learning_rate(const Recipe& recipe, int64_t step, double seconds);

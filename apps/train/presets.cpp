// The protocols of the paper (Fig. 4) and ours. Where the paper gives no number (how many epochs),
// the choice is named.
#include <map>

#include "apps/train/recipe.h"
#include "tensor/error.h"

using namespace munet;

namespace {

// The paper's loss, optimiser and clips are Recipe's defaults.
Recipe paper() { return {}; }

// Protocol (1): an epoch is about 28 clips of each of the 60 sequences (12 minutes at 0.43 s);
// 60 epochs, our choice.
Recipe davis17() {
  Recipe r = paper();
  r.steps = 100'000;
  return r;
}

// Protocol (2): an epoch is one clip per video, 3471 + 60; 30 epochs, our choice.
Recipe davis17_ytvos18() {
  Recipe r = paper();
  r.steps = 106'000;
  return r;
}

// The first stage of (3-1) and (3-2): nine epochs of about 144,000 images (6 to 7 days at 17 hours
// an epoch).
Recipe still_images() {
  Recipe r = paper();
  r.steps = 1'300'000;
  return r;
}

// Protocols (3-1) and (3-2): both stages in one run.
Recipe after_stills(Recipe r) {
  const int64_t stills = still_images().steps;
  r.clips.stills_first = stills;
  r.steps += stills;
  return r;
}
Recipe static_davis17() { return after_stills(davis17()); }
Recipe static_both() { return after_stills(davis17_ytvos18()); }

// What the shipped model is trained with; differences to the paper are measured in README.md.
Recipe ours() {
  Recipe r;
  r.model = preset("munet18");
  r.clips.clip_frames = 3;
  r.clips.crop = 256;
  r.clips.max_objects = 2;
  r.clips.max_skip = 5;
  r.clips.reverse = 0.5;
  r.clips.resize_low = 0.8;
  r.clips.resize_high = 1.6;
  r.rollout = "recurrent";
  r.steps = 60'000;
  r.lr = 1e-4;
  r.encoder_lr = 0.3;
  r.weight_decay = 1e-3;
  r.clip_norm = 5;
  r.schedule = "cosine";
  r.warm_up = 100;
  r.ema = 0.999;
  return r;
}

// Small, and without any file: to watch all of it work. With statistics of the batch it would learn
// in half the steps, but a batch is one clip: by their mean, which is all that inference has, new
// clips come out at J 0.2.
Recipe toy() {
  Recipe r = ours();
  r.data = {"toy"};
  r.model.window = 9;
  r.model.value_dim = 64;
  r.model.decoder_dim = 48;
  r.clips.crop = 96;
  r.clips.max_objects = 1;
  r.steps = 900;
  r.lr = 4e-4;
  r.encoder_lr = 1;
  r.warm_up = 20;
  r.ema = 0.98;
  return r;
}

const std::map<std::string, Recipe (*)()> kPresets = {
    {"munet50", paper},
    {"static", still_images},
    {"davis17", davis17},
    {"davis17+ytvos18", davis17_ytvos18},
    {"static→davis17", static_davis17},
    {"static→both", static_both},
    {"ours", ours},
    {"toy", toy},
};

}  // namespace

std::vector<std::string> recipe_presets() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kPresets) names.push_back(name);
  return names;
}

Recipe recipe_preset(const std::string& name) {
  const auto found = kPresets.find(name);
  if (found != kPresets.end()) return found->second();
  std::string names;
  for (const auto& [known, make] : kPresets) names += (names.empty() ? "" : ", ") + known;
  throw Error(str("--preset: expected one of ", names, "; given '", name, "'"));
}

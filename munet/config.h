// Config: the keys that make one network of the family (network.md's table), and their JSON form in
// a checkpoint's metadata. A model always runs as it was trained.
#pragma once

#include <string>

namespace munet {

// Defaults: preset `munet50`, as the paper prints it.
struct Config {
  std::string backbone = "resnet50";  // resnet50 | resnet18
  int key_dim = 128, value_dim = 512, decoder_dim = 256;
  std::string ref_extra = "none";    // none | others (STM) | inverse (AFB-URR): second mask input
  bool share_kv = false;             // one key/value head for reference and query
  std::string motion = "full";       // full | displacement (U set to zero) | none   (Table 4)
  std::string fusion = "attention";  // attention | add                              (Table 4 f, g)
  int window = 25;                   // search window U = V, odd, cells of 16 pixels
  double mu_sign = -1;               // -1 as printed, +1 favours the best match
  double mu_tau = 1;                 // softmax temperature over hypotheses, > 0
  double mu_scale = 1;               // displacement is divided by this before the motion CNN
  std::string border = "zero";       // zero | exclude: hypotheses outside the frame
  bool position_cue = false;         // where a cell lies is part of its key (position.h)
  int top_k = 0;                     // memory positions that take part in a read, 0 = all
  std::string pad_order = "pad_then_normalise";  // or normalise_then_pad

  bool operator==(const Config&) const = default;
};

// The presets: "munet50" (the paper) and "munet18" (small: ResNet-18, a motion softmax that works).
// Error on another name.
Config preset(const std::string& name);

// {"format": 1, "backbone": ...}. from_json: keys that are absent keep munet50's values; an unknown
// key, a wrong type, a value outside its range or another format is an Error that names `source`.
std::string to_json(const Config& config);
Config config_from_json(const std::string& text, const std::string& source);

}  // namespace munet

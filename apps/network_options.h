// Options of the network, the same for every command that segments.
#pragma once

#include <string>
#include <vector>

#include "munet/segmenter.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

struct NetworkOptions {
  std::string size = "480", memory_budget = "1GiB", motion = "on";
  munet::SegmenterOptions network;  // knows of these three after settle()

  void settle();  // Error on texts that are no sizes
};

std::vector<CLI::Option*> add_network_options(CLI::App& command, NetworkOptions& options);

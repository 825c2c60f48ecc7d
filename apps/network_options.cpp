// --size, --memory-budget and --motion are texts until they are used: errors are sentences then.
#include "apps/network_options.h"

#include <CLI/CLI.hpp>

#include "apps/units.h"
#include "tensor/error.h"

void NetworkOptions::settle() {
  network.shorter_side = parse_size(size);
  munet::check(!network.enlarge || network.shorter_side > 0,
               "--enlarge: expected --size with the shorter side in pixels; given --size ", size);
  network.memory_budget = parse_bytes(memory_budget);
  network.motion = motion == "on";
}

std::vector<CLI::Option*> add_network_options(CLI::App& command, NetworkOptions& options) {
  munet::SegmenterOptions& network = options.network;
  const CLI::Range count(1, 1'000'000);
  command.option_defaults()->group("How");
  return {
      command
          .add_option("--size", options.size,
                      "Work at this shorter side (pixels) where frames are larger; raw: never "
                      "reduce")
          ->capture_default_str(),
      command.add_flag(
          "--enlarge", network.enlarge,
          "Enlarge smaller frames to --size: for objects of few pixels; time grows with "
          "the area"),
      command
          .add_option("--memory-budget", options.memory_budget,
                      "Memory for what was seen: 64MiB, 1GiB")
          ->capture_default_str(),
      command
          .add_option("--memory", network.memory,
                      "stm: every few frames are kept; fifo: the last ones")
          ->check(CLI::IsMember({"stm", "fifo"}))
          ->capture_default_str(),
      command.add_option("--every", network.every, "stm: keep every so many frames")
          ->check(count)
          ->capture_default_str(),
      command.add_option("--last", network.last, "fifo: keep so many frames")
          ->check(count)
          ->capture_default_str(),
      command
          .add_option("--top-k", network.top_k,
                      "Memory positions that a pixel may look at; 0: all (default: the model's)")
          ->check(CLI::Range(0, 1'000'000)),
      command
          .add_option("--motion", options.motion,
                      "none: without the motion between frames (MU-Layer)")
          ->check(CLI::IsMember({"on", "none"}))
          ->capture_default_str(),
      command
          .add_option(
              "--nearness", network.nearness,
              "How much nearness counts in the memory, by the model's own measure: more for "
              "small objects among others of their kind, less for fast ones")
          ->check(CLI::Range(0.0, 10.0))
          ->capture_default_str(),
      command.add_flag("--one-piece", network.one_piece,
                       "Each object is one area: what is apart from it is dropped, so that a mask "
                       "does not go along with another of the kind that passed by"),
      command.add_option("--device", network.device, "cpu, cuda or cuda:N")->capture_default_str(),
      command.add_option("--precision", network.precision, "f32; on a GPU also tf32, bf16 and f16")
          ->check(CLI::IsMember({"f32", "tf32", "bf16", "f16"}))
          ->capture_default_str()};
}

// Figures only; what they are of was measured elsewhere.
#include "apps/segment_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/units.h"
#include "data/file.h"
#include "data/sha256.h"
#include "tensor/parallel.h"

using namespace munet;

void print_estimate(const SegmentOptions& options, const Follower& follower, int64_t frames,
                    int64_t total, bool known) {
  const MemoryReport memory = follower.segmenter().memory();
  const double pace = follower.network_seconds() / double(frames);
  const auto& objects = memory.objects;
  const double slot =
      objects.empty() || objects[0].frames == 0 ? 0 : double(objects[0].bytes) / objects[0].frames;
  const double kept = options.network.memory == "fifo" ? options.network.last
                                                       : double(total) / options.network.every;
  const double bank = std::min(double(memory.budget), slot * double(objects.size()) * (kept + 2));
  std::printf("%s%lld frames of %dx%d, %zu objects: %.2f s/frame at first, about %s in all\n",
              known ? "" : "at least ", static_cast<long long>(total), follower.width(),
              follower.height(), objects.size(), pace,
              format_seconds(pace * double(total)).c_str());
  std::printf(
      "memory: at most %s for what was seen (%s per kept frame and object), about %s in all\n",
      format_bytes(bank).c_str(), format_bytes(slot).c_str(),
      format_bytes(peak_bytes() + bank - double(memory.bytes)).c_str());
}

void print_report(const SegmentOptions& options, const Follower& follower,
                  const SegmentFigures& figures) {
  if (follower.damaged() > 0)
    std::fprintf(stderr, "munet: note: %lld damaged frames kept the mask before them\n",
                 static_cast<long long>(follower.damaged()));
  // Where masks are on stdout, nothing else is.
  std::fprintf(options.out.raw ? stderr : stdout,
               "%lld masks in %s, %zu objects, %.2f s/frame, peak memory %s\n",
               static_cast<long long>(figures.frames),
               options.out.masks.empty() ? "stdout" : options.out.masks.c_str(),
               follower.segmenter().objects().size(), figures.seconds / double(figures.new_frames),
               format_bytes(peak_bytes()).c_str());
}

void write_summary(const SegmentOptions& options, const Follower& follower,
                   const SegmentFigures& figures) {
  const MemoryReport memory = follower.segmenter().memory();
  nlohmann::ordered_json bank = nlohmann::json::array();
  for (const MemoryReport::Object& object : memory.objects)
    bank.push_back(nlohmann::ordered_json{
        {"id", object.id}, {"frames", object.frames}, {"bytes", object.bytes}});
  const SegmenterOptions& network = options.network;
  const nlohmann::ordered_json summary = {
      {"version", MUNET_VERSION},
      {"input", options.input},
      {"frames", figures.frames},
      {"damaged_frames", follower.damaged()},
      {"size", {follower.width(), follower.height()}},
      {"seconds", figures.seconds},
      {"network_seconds", follower.network_seconds()},
      {"frames_per_second", double(figures.new_frames) / figures.seconds},
      {"frames_per_second_without_io", double(figures.new_frames) / follower.network_seconds()},
      {"peak_memory_bytes", int64_t(peak_bytes())},
      {"memory", {{"bytes", memory.bytes}, {"budget", memory.budget}, {"objects", bank}}},
      {"settings",
       {{"size", network.shorter_side},
        {"enlarge", network.enlarge},
        {"nearness", network.nearness},
        {"one_piece", network.one_piece},
        {"memory", network.memory},
        {"every", network.every},
        {"last", network.last},
        {"motion", network.motion ? "on" : "none"},
        {"top_k", network.top_k},
        {"range", options.range},
        {"from", options.from},
        {"objects", options.objects},
        {"threads", num_threads()},
        {"device", network.device},
        {"precision", network.precision}}},
      {"weights",
       {{"file", follower.weights()},
        {"sha256", sha256(read_file("segment", follower.weights()))}}}};
  const std::string text =
      summary.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  write_file("segment", options.summary, {text.begin(), text.end()});
}

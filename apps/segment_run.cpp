// Frames are read, processed and written one by one: memory does not grow with the video.
#include "apps/segment_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/interrupt.h"
#include "apps/pipeline.h"
#include "apps/progress.h"
#include "apps/segment_report.h"
#include "data/file.h"
#include "data/mask.h"
#include "data/sequence.h"
#include "data/sha256.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

constexpr std::size_t kAhead = 3, kBehind = 4;  // frames between two threads
constexpr int kEstimateFrames = 4;

}  // namespace

SegmentRun::SegmentRun(const SegmentOptions& options) : options_(options), follower_(options_) {
  if (options.threads != 0) set_num_threads(options.threads);
  fs::path out = fs::path(options.out.masks).lexically_normal();
  if (!out.has_filename()) out = out.parent_path();  // out/ is out
  state_file_ = out.string() + ".resume";
}

// The masks for later frames. FileError if one belongs to no frame: it would be left out without a
// word.
void SegmentRun::find_later_masks() {
  if (options_.masks.empty()) return;
  for (const fs::path& path : list_frames(options_.masks).frames)
    follower_.give(source_->find(path.stem().string(),
                                 str("--masks: expected masks named like the frames; found ",
                                     path.string(), ", and no such frame")),
                   path.string());
}

void SegmentRun::operator()() {
  source_ = open_frames(options_.input, parse_range(options_.range));
  if (!source_->ignored.empty())
    std::fprintf(stderr, "munet: note: %zu files of %s are not pictures and are left out (%s%s)\n",
                 source_->ignored.size(), options_.input.c_str(), source_->ignored[0].c_str(),
                 source_->ignored.size() > 1 ? ", ..." : "");
  find_later_masks();
  if (options_.estimate) {
    follow(nullptr);
    return print_estimate(options_, follower_, frames_, std::max(source_->count, frames_),
                          source_->count > 0);
  }
  if (options_.resume) load_state();
  Outputs outputs(options_.out, {options_.input, options_.masks}, options_.force || options_.resume,
                  source_->frames_per_second);
  if (!options_.resume) fs::remove(state_file_);
  try {
    follow(&outputs);
  } catch (...) {
    try {
      outputs.finish();  // what is there so far can be watched
    } catch (const FileError&) {
    }
    throw;
  }
  outputs.finish();
  fs::remove(state_file_);
  const SegmentFigures figures{frames_, std::max<int64_t>(1, frames_ - resumed_), seconds_};
  print_report(options_, follower_, figures);
  if (!options_.summary.empty()) write_summary(options_, follower_, figures);
}

// All frames of the source, or without outputs the first few.
void SegmentRun::follow(Outputs* outputs) {
  const bool pictures = outputs && outputs->needs_pictures();
  catch_interrupts();
  Progress progress(source_->count, resumed_);
  std::optional<Behind<Finished>> writer;
  if (outputs)
    writer.emplace(kBehind, [&, outputs](Finished finished) {
      outputs->write(finished);
      if (finished.on_disk) return;
      const SourceFrame& frame = finished.frame;
      progress.finished(source_->video ? frame.name : fs::path(frame.label).filename().string());
    });
  int64_t read = 0;
  Ahead<SourceFrame> reader(kAhead, [this, pictures, read]() mutable -> std::optional<SourceFrame> {
    SourceFrame frame;
    if (!source_->next(frame, pictures || read++ >= resumed_)) return std::nullopt;
    return frame;
  });
  try {
    while (std::optional<SourceFrame> frame = reader.next()) {
      stop_if_interrupted();
      Finished finished =
          frames_ < resumed_ ? from_disk(std::move(*frame)) : follower_(std::move(*frame));
      if (!pictures) finished.frame.image = {};
      if (writer) writer->push(std::move(finished));
      ++frames_;
      if (!outputs && frames_ == kEstimateFrames) break;
    }
  } catch (const Interrupted&) {
    if (!writer) throw;
    writer->finish();
    if (frames_ > resumed_) save_state();
    throw;
  }
  check<FileError>(frames_ > 0, "segment: expected at least one frame in ", options_.input,
                   "; found none");
  if (writer) writer->finish();
  seconds_ = progress.seconds();
}

Finished SegmentRun::from_disk(SourceFrame frame) const {
  Finished finished;
  if (!options_.out.overlay.empty() || !options_.out.cutout.empty() || !options_.out.rle.empty())
    finished.mask = read_mask(fs::path(options_.out.masks) / (frame.name + ".png"));
  finished.frame = std::move(frame);
  finished.on_disk = true;
  return finished;
}

// What has to be the same when a run goes on.
std::string SegmentRun::settings() const {
  const SegmenterOptions& network = options_.network;
  const auto whole = [](const std::string& path) {
    std::error_code unknown;
    return path.empty() ? path : fs::weakly_canonical(path, unknown).string();
  };
  const nlohmann::ordered_json settings = {
      {"input", whole(options_.input)},
      {"--mask", whole(options_.mask)},
      {"--masks", whole(options_.masks)},
      {"--range", options_.range},
      {"--objects", options_.objects},
      {"--soft", whole(options_.out.soft)},
      {"--size", network.shorter_side},
      {"--memory-budget", network.memory_budget},
      {"--memory", network.memory},
      {"--every", network.every},
      {"--top-k", network.top_k},
      {"--weights", sha256(read_file("segment", follower_.weights()))}};
  return settings.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void SegmentRun::save_state() const {
  const nlohmann::ordered_json note = {{"settings", nlohmann::ordered_json::parse(settings())},
                                       {"frames", frames_}};
  follower_.save(state_file_, note.dump());
  std::fprintf(stderr,
               "munet: note: %lld frames are done; the same command with --resume goes on\n",
               static_cast<long long>(frames_));
}

void SegmentRun::load_state() {
  check<FileError>(
      fs::exists(state_file_), "--resume: expected ", state_file_,
      ", which an interrupted run leaves behind; there is no such file (--force starts "
      "from the beginning)");
  const nlohmann::json note = nlohmann::json::parse(follower_.load(state_file_), nullptr, false);
  check<FileError>(note.is_object() && note.contains("settings"), "--resume: expected ",
                   state_file_, " from an interrupted run; found something else");
  const nlohmann::json before = note["settings"], now = nlohmann::json::parse(settings());
  for (const auto& [name, value] : now.items())
    check<FileError>(before.value(name, nlohmann::json()) == value, "--resume: expected the same ",
                     name, " as in the interrupted run, ", before.value(name, nlohmann::json()),
                     "; given ", value);
  resumed_ = note["frames"];
}

// Frames are read, processed and written one by one: memory does not grow with the video.
#include "apps/segment_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apps/interrupt.h"
#include "apps/pipeline.h"
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

constexpr QueueLimits kAhead{3}, kBehind{4};
constexpr int kEstimateFrames = 4;

}  // namespace

SegmentRun::SegmentRun(const SegmentOptions& options)
    : options_(options), range_(parse_range(options.range)), follower_(options_) {
  if (options.threads != 0) set_num_threads(options.threads);
  fs::path out = fs::path(options.out.masks).lexically_normal();
  if (!out.has_filename()) out = out.parent_path();  // out/ is out
  state_file_ = out.string() + ".resume";
}

void SegmentRun::open() {
  if (options_.stdin_width > 0)
    source_ = open_stdin(options_.stdin_width, options_.stdin_height);
  else
    source_ = open_frames(options_.input, range_);
  if (!source_->ignored.empty())
    std::fprintf(stderr, "munet: note: %zu files of %s are not pictures and are left out (%s%s)\n",
                 source_->ignored.size(), options_.input.c_str(), source_->ignored[0].c_str(),
                 source_->ignored.size() > 1 ? ", ..." : "");
  if (options_.frames_per_second > 0) source_->frames_per_second = options_.frames_per_second;
  find_later_masks();
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
  catch_interrupts();
  open();
  if (options_.estimate) return estimate();
  if (options_.resume) load_state();
  Outputs outputs(options_.out, {options_.input, options_.masks}, options_.force || options_.resume,
                  source_->frames_per_second);
  if (!options_.resume && !options_.out.masks.empty()) fs::remove(state_file_);
  const int64_t before = backwards_ ? std::max<int64_t>(0, done_ - 1) : on_disk_;
  progress_ = std::make_unique<Progress>(source_->count, before);
  try {
    if (backwards_ || (!options_.from.empty() && !options_.resume)) go_backwards(outputs);
    follow(*source_, outputs.needs_pictures(), [&](const Finished& finished) {
      outputs.write(finished);
      return !finished.on_disk;
    });
  } catch (...) {
    try {
      outputs.finish();  // what is there so far can be watched
    } catch (const FileError&) {
    }
    throw;
  }
  outputs.finish();
  if (!options_.out.masks.empty()) fs::remove(state_file_);
  const SegmentFigures figures{done_, std::max<int64_t>(1, written_), progress_->seconds()};
  print_report(options_, follower_, figures);
  if (!options_.summary.empty()) write_summary(options_, follower_, figures);
}

// From the first few frames, of which nothing is written.
void SegmentRun::estimate() {
  const int64_t count = source_->count;
  if (!options_.from.empty())
    source_ = open_frames(options_.input, {parse_moment("--from", options_.from), range_.last});
  follow(*source_, false, nullptr, kEstimateFrames);
  print_estimate(options_, follower_, done_, std::max(count, done_), count > 0);
}

// Masks from --from back to the first frame; then the frames before --from are on the disk.
void SegmentRun::go_backwards(Outputs& outputs) {
  const std::unique_ptr<FrameSource> source =
      open_backwards(options_.input, range_, parse_moment("--from", options_.from), done_);
  source->frames_per_second = source_->frames_per_second;
  backwards_ = true;
  // The mask of --from itself is written by the pass that follows.
  follow(*source, false, [&, skip = done_ == 0](const Finished& finished) mutable {
    if (std::exchange(skip, false)) return false;
    outputs.write_masks(finished);
    return true;
  });
  backwards_ = false;
  unsaved_ = true;
  on_disk_ = source->count - 1;
  done_ = 0;
  follower_.restart();
}

// All frames of the source, or the first few; `write` is called on the writing thread.
void SegmentRun::follow(FrameSource& source, bool pictures, const Write& write, int64_t limit) {
  std::optional<Behind<Finished>> writer;
  if (write)
    writer.emplace(kBehind, [&](Finished finished) {
      if (!write(finished)) return;
      const SourceFrame& frame = finished.frame;
      progress_->finished(source.video ? frame.name : fs::path(frame.label).filename().string());
      ++written_;
    });
  Ahead<SourceFrame> reader(kAhead, [&, read = done_]() mutable -> std::optional<SourceFrame> {
    SourceFrame frame;
    if (!source.next(frame, pictures || read++ >= on_disk_)) return std::nullopt;
    return frame;
  });
  try {
    while (std::optional<SourceFrame> frame = reader.next()) {
      stop_if_interrupted();
      const bool old = done_ < on_disk_;
      Finished finished =
          old ? from_disk(std::move(*frame)) : follower_(std::move(*frame), reader.peek());
      unsaved_ = unsaved_ || !old;
      if (!pictures) finished.frame.image = {};
      if (writer) writer->push(std::move(finished));
      if (++done_ == limit) break;
    }
  } catch (const Interrupted&) {
    if (!writer) throw;
    writer->finish();
    if (unsaved_ && options_.stdin_width == 0) save_state();
    throw;
  }
  check<FileError>(done_ > 0, "segment: expected at least one frame in ",
                   options_.stdin_width > 0 ? "stdin" : options_.input, "; found none");
  if (writer) writer->finish();
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
      {"--from", options_.from},
      {"--objects", options_.objects},
      {"--soft", whole(options_.out.soft)},
      {"--trust", whole(options_.out.trust)},
      {"--size", network.shorter_side},
      {"--enlarge", network.enlarge},
      {"--nearness", network.nearness},
      {"--one-piece", network.one_piece},
      {"--memory-budget", network.memory_budget},
      {"--memory", network.memory},
      {"--every", network.every},
      {"--last", network.last},
      {"--motion", network.motion},
      {"--top-k", network.top_k},
      {"--weights", sha256(read_file("segment", follower_.weights()))}};
  return settings.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void SegmentRun::save_state() const {
  const nlohmann::ordered_json note = {{"settings", nlohmann::ordered_json::parse(settings())},
                                       {"backwards", backwards_},
                                       {"frames", std::max(done_, on_disk_)}};
  follower_.save(state_file_, note.dump());
  std::fprintf(stderr,
               "munet: note: %lld frames are done; the same command with --resume goes on\n",
               static_cast<long long>(std::max(done_, on_disk_)));
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
  backwards_ = note["backwards"];
  (backwards_ ? done_ : on_disk_) = note["frames"];
}

// Frames are read, processed and written one by one: memory does not grow with the video.
#include "apps/segment_run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/interrupt.h"
#include "apps/pipeline.h"
#include "apps/progress.h"
#include "apps/units.h"
#include "apps/weights.h"
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

// "1,3,7"; Error on anything else.
std::vector<int> parse_ids(const std::string& text) {
  std::vector<int> ids;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    const bool digits = !part.empty() && part.size() <= 3 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    const int id = digits ? std::stoi(part) : 0;
    check(id >= 1 && id <= 254 && comma + 1 != text.size(),
          "--objects: expected ids of 1..254 like 1,3; given \"", text, "\"");
    ids.push_back(id);
    at = comma + 1;
  }
  return ids;
}

std::string join(const std::vector<int>& ids) {
  std::string text;
  for (const int id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text.empty() ? "none" : text;
}

// A painted mask does not show its ids.
void note_colors(const std::string& path, const Mask& mask, const std::vector<int>& ids) {
  std::string text;
  for (const int id : ids) {
    const uint8_t* c = mask.palette.data() + 3 * id;
    char part[32];
    std::snprintf(part, sizeof part, "%s#%02x%02x%02x is %d", text.empty() ? "" : ", ", c[0], c[1],
                  c[2], id);
    text += part;
  }
  std::fprintf(stderr, "munet: note: colours of %s are objects: %s\n", path.c_str(), text.c_str());
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

SegmentRun::SegmentRun(const SegmentOptions& options)
    : options_(options), wanted_(parse_ids(options.objects)) {
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
    masks_[source_->find(path.stem().string(),
                         str("--masks: expected masks named like the frames; found ", path.string(),
                             ", and no such frame"))] = path.string();
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
    return print_estimate();
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
  report();
  if (!options_.summary.empty()) write_summary();
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
      Finished finished = process(std::move(*frame));
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

Finished SegmentRun::process(SourceFrame frame) {
  if (frames_ < resumed_) return from_disk(std::move(frame));
  return frame.damage.empty() ? step(std::move(frame)) : keep_last(std::move(frame));
}

Finished SegmentRun::from_disk(SourceFrame frame) const {
  Finished finished;
  if (!options_.out.overlay.empty() || !options_.out.cutout.empty() || !options_.out.rle.empty())
    finished.mask = read_mask(fs::path(options_.out.masks) / (frame.name + ".png"));
  finished.frame = std::move(frame);
  finished.on_disk = true;
  return finished;
}

void SegmentRun::add_soft_masks(Finished& finished) const {
  if (options_.out.soft.empty()) return;
  for (const int id : segmenter_->objects())
    finished.soft.emplace_back(id, grey_bytes(segmenter_->probability(id), options_.out.soft_bits));
}

Mask SegmentRun::read_given(const std::string& path, const SourceFrame& frame) {
  Mask mask = read_mask(path);
  check<FileError>(mask.width == frame.image.width && mask.height == frame.image.height,
                   "segment: ", path, ": expected a mask of the frame's size; it is ", mask.width,
                   "x", mask.height, ", ", frame.label, " is ", frame.image.width, "x",
                   frame.image.height);
  const std::vector<int> ids = ids_in(mask);
  check<FileError>(!ids.empty(), "segment: ", path,
                   ": expected at least one object; found only background");
  if (mask.painted) note_colors(path, mask, ids);
  if (wanted_.empty()) return mask;
  const auto is_wanted = [&](int id) {
    return std::find(wanted_.begin(), wanted_.end(), id) != wanted_.end();
  };
  check<FileError>(std::any_of(ids.begin(), ids.end(), is_wanted), "--objects: expected ids of ",
                   path, ", which has ", join(ids), "; given ", options_.objects);
  for (uint8_t& id : mask.ids)
    if (!is_wanted(id)) id = 0;
  return mask;
}

Finished SegmentRun::step(SourceFrame frame) {
  if (width_ == 0) width_ = frame.image.width, height_ = frame.image.height;
  check<FileError>(frame.image.width == width_ && frame.image.height == height_,
                   "segment: ", frame.label, ": expected ", width_, "x", height_,
                   " as in the frames before; it is ", frame.image.width, "x", frame.image.height);
  std::optional<Mask> given;
  if (!segmenter_)
    given = read_given(options_.mask, frame);
  else if (const auto mask = masks_.find(frame.index); mask != masks_.end())
    given = read_given(mask->second, frame);
  const bool first = !segmenter_;
  if (first) {
    weights_ = find_weights(options_.weights);
    segmenter_ = std::make_unique<Segmenter>(weights_, options_.network);
    palette_ = given->palette;
  }
  const double start = now();
  const FrameView view{frame.image.rgb.data(), width_, height_, 0};
  MaskView mask_view;
  if (given) mask_view = {given->ids.data(), given->width, given->height, 0};
  segmenter_->step(view, given ? &mask_view : nullptr);
  Finished finished;
  // The first mask goes out as it came.
  finished.mask = first ? std::move(*given) : Mask{width_, height_, segmenter_->labels(), palette_};
  add_soft_masks(finished);
  network_seconds_ += now() - start;
  finished.frame = std::move(frame);
  return finished;
}

// A damaged frame would mislead the network: the mask before it stays.
Finished SegmentRun::keep_last(SourceFrame frame) {
  check<FileError>(segmenter_ != nullptr, "segment: ", frame.label,
                   ": expected a whole frame to begin with; it is damaged (", frame.damage,
                   "); begin at a later one with --range");
  const auto given = masks_.find(frame.index);
  check<FileError>(
      given == masks_.end(), "segment: ", frame.label, ": expected a whole frame for the mask ",
      given == masks_.end() ? "" : given->second, "; it is damaged (", frame.damage, ")");
  std::fprintf(stderr, "munet: note: %s is damaged (%s); it keeps the mask before it\n",
               frame.label.c_str(), frame.damage.c_str());
  ++damaged_;
  Finished finished;
  finished.mask = Mask{width_, height_, segmenter_->labels(), palette_};
  add_soft_masks(finished);
  finished.frame = std::move(frame);
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
      {"input", whole(options_.input)},   {"--mask", whole(options_.mask)},
      {"--masks", whole(options_.masks)}, {"--range", options_.range},
      {"--objects", options_.objects},    {"--soft", whole(options_.out.soft)},
      {"--size", network.shorter_side},   {"--memory-budget", network.memory_budget},
      {"--memory", network.memory},       {"--every", network.every},
      {"--top-k", network.top_k},         {"--weights", sha256(read_file("segment", weights_))}};
  return settings.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void SegmentRun::save_state() const {
  const nlohmann::ordered_json note = {{"settings", nlohmann::ordered_json::parse(settings())},
                                       {"frames", frames_},
                                       {"damaged", damaged_},
                                       {"size", {width_, height_}},
                                       {"palette", palette_}};
  segmenter_->save(state_file_, note.dump());
  std::fprintf(stderr,
               "munet: note: %lld frames are done; the same command with --resume goes on\n",
               static_cast<long long>(frames_));
}

void SegmentRun::load_state() {
  check<FileError>(
      fs::exists(state_file_), "--resume: expected ", state_file_,
      ", which an interrupted run leaves behind; there is no such file (--force starts "
      "from the beginning)");
  weights_ = find_weights(options_.weights);
  segmenter_ = std::make_unique<Segmenter>(weights_, options_.network);
  const nlohmann::json note = nlohmann::json::parse(segmenter_->load(state_file_), nullptr, false);
  check<FileError>(note.is_object() && note.contains("palette"), "--resume: expected ", state_file_,
                   " from an interrupted run; found something else");
  const nlohmann::json before = note["settings"], now = nlohmann::json::parse(settings());
  for (const auto& [name, value] : now.items())
    check<FileError>(before.value(name, nlohmann::json()) == value, "--resume: expected the same ",
                     name, " as in the interrupted run, ", before.value(name, nlohmann::json()),
                     "; given ", value);
  resumed_ = note["frames"];
  damaged_ = note["damaged"];
  width_ = note["size"][0];
  height_ = note["size"][1];
  palette_ = note["palette"].get<std::vector<uint8_t>>();
}

void SegmentRun::print_estimate() const {
  const MemoryReport memory = segmenter_->memory();
  const int64_t frames = std::max<int64_t>(source_->count, frames_);
  const double pace = network_seconds_ / double(frames_);
  const auto& objects = memory.objects;
  const double slot =
      objects.empty() || objects[0].frames == 0 ? 0 : double(objects[0].bytes) / objects[0].frames;
  const double kept = options_.network.memory == "fifo" ? options_.network.last
                                                        : double(frames) / options_.network.every;
  const double bank = std::min(double(memory.budget), slot * double(objects.size()) * (kept + 2));
  std::printf("%s%lld frames of %dx%d, %zu objects: %.2f s/frame at first, about %s in all\n",
              source_->count ? "" : "at least ", static_cast<long long>(frames), width_, height_,
              objects.size(), pace, format_seconds(pace * double(frames)).c_str());
  std::printf(
      "memory: at most %s for what was seen (%s per kept frame and object), about %s in "
      "all\n",
      format_bytes(bank).c_str(), format_bytes(slot).c_str(),
      format_bytes(peak_bytes() + bank - double(memory.bytes)).c_str());
}

void SegmentRun::report() const {
  if (damaged_ > 0)
    std::fprintf(stderr, "munet: note: %lld damaged frames kept the mask before them\n",
                 static_cast<long long>(damaged_));
  std::printf("%lld masks in %s, %zu objects, %.2f s/frame, peak memory %s\n",
              static_cast<long long>(frames_), options_.out.masks.c_str(),
              segmenter_->objects().size(), seconds_ / double(new_frames()),
              format_bytes(peak_bytes()).c_str());
}

void SegmentRun::write_summary() const {
  const MemoryReport memory = segmenter_->memory();
  nlohmann::ordered_json bank = nlohmann::json::array();
  for (const MemoryReport::Object& object : memory.objects)
    bank.push_back(nlohmann::ordered_json{
        {"id", object.id}, {"frames", object.frames}, {"bytes", object.bytes}});
  const SegmenterOptions& network = options_.network;
  const nlohmann::ordered_json summary = {
      {"version", MUNET_VERSION},
      {"input", options_.input},
      {"frames", frames_},
      {"damaged_frames", damaged_},
      {"size", {width_, height_}},
      {"seconds", seconds_},
      {"network_seconds", network_seconds_},
      {"frames_per_second", double(new_frames()) / seconds_},
      {"frames_per_second_without_io", double(new_frames()) / network_seconds_},
      {"peak_memory_bytes", int64_t(peak_bytes())},
      {"memory", {{"bytes", memory.bytes}, {"budget", memory.budget}, {"objects", bank}}},
      {"settings",
       {{"size", network.shorter_side},
        {"memory", network.memory},
        {"every", network.every},
        {"top_k", network.top_k},
        {"range", options_.range},
        {"objects", options_.objects},
        {"threads", num_threads()},
        {"device", network.device},
        {"precision", network.precision}}},
      {"weights", {{"file", weights_}, {"sha256", sha256(read_file("segment", weights_))}}}};
  const std::string text =
      summary.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  write_file("segment", options_.summary, {text.begin(), text.end()});
}

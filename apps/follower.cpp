// One frame at a time; nothing is written here.
#include "apps/follower.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/frame_view.h"
#include "apps/weights.h"
#include "data/mask.h"
#include "tensor/error.h"

namespace {

using namespace munet;

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

Follower::Follower(const SegmentOptions& options)
    : options_(options), wanted_(parse_ids(options.objects)) {}

void Follower::make_segmenter() {
  weights_ = find_weights(options_.weights);
  segmenter_ = std::make_unique<Segmenter>(weights_, options_.network);
}

Finished Follower::operator()(SourceFrame frame, const SourceFrame* next) {
  return frame.damage.empty() ? step(std::move(frame), next) : keep_last(std::move(frame));
}

void Follower::add_soft_masks(Finished& finished) const {
  if (options_.out.soft.empty()) return;
  for (const int id : segmenter_->objects())
    finished.soft.emplace_back(id, grey_bytes(segmenter_->probability(id), options_.out.soft_bits));
}

void Follower::add_trust(Finished& finished, const std::string& frame) const {
  if (options_.out.trust.empty()) return;
  for (const int id : segmenter_->objects())
    finished.trust.push_back({"", frame, id, segmenter_->trust(id)});
}

Mask Follower::read_given(const std::string& path, const SourceFrame& frame) const {
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

// A frame that cannot be used is left for its own turn to say so.
void Follower::announce(const SourceFrame* next) {
  if (options_.network.device == "cpu" || !next || !next->damage.empty() ||
      next->image.width != width_ || next->image.height != height_)
    return;
  segmenter_->announce({view_of(next->image)});
}

Finished Follower::step(SourceFrame frame, const SourceFrame* next) {
  if (width_ == 0) width_ = frame.image.width, height_ = frame.image.height;
  check<FileError>(frame.image.width == width_ && frame.image.height == height_,
                   "segment: ", frame.label, ": expected ", width_, "x", height_,
                   " as in the frames before; it is ", frame.image.width, "x", frame.image.height);
  const bool first = !begun();
  std::optional<Mask> given;
  if (first)
    given = read_given(options_.mask, frame);
  else if (const auto mask = masks_.find(frame.index); mask != masks_.end())
    given = read_given(mask->second, frame);
  if (!segmenter_) make_segmenter();
  if (first) palette_ = given->palette;
  const double start = now();
  MaskView mask_view;
  if (given) mask_view = {given->ids.data(), given->width, given->height, 0};
  if (segmenter_->announced() > 0)
    segmenter_->step_announced(given ? &mask_view : nullptr);
  else
    segmenter_->step(view_of(frame.image), given ? &mask_view : nullptr);
  announce(next);
  Finished finished;
  finished.mask = first ? std::move(*given) : Mask{width_, height_, segmenter_->labels(), palette_};
  add_soft_masks(finished);
  add_trust(finished, frame.name);
  network_seconds_ += now() - start;
  finished.frame = std::move(frame);
  return finished;
}

// A damaged frame would mislead the network: the mask before it stays.
Finished Follower::keep_last(SourceFrame frame) {
  check<FileError>(begun(), "segment: ", frame.label,
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
  add_trust(finished, frame.name);
  finished.frame = std::move(frame);
  return finished;
}

void Follower::save(const std::string& path, const std::string& note) const {
  const nlohmann::ordered_json all = {
      {"note", note}, {"damaged", damaged_}, {"size", {width_, height_}}, {"palette", palette_}};
  segmenter_->save(path, all.dump());
}

std::string Follower::load(const std::string& path) {
  make_segmenter();
  const nlohmann::json all = nlohmann::json::parse(segmenter_->load(path), nullptr, false);
  check<FileError>(all.is_object() && all.contains("note"), "--resume: expected ", path,
                   " from an interrupted run; found something else");
  damaged_ = all.at("damaged");
  width_ = all.at("size").at(0);
  height_ = all.at("size").at(1);
  palette_ = all.at("palette").get<std::vector<uint8_t>>();
  return all.at("note");
}

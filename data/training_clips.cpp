// Which footage a clip shows, and what is put into it.
#include "data/training_clips.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <mutex>
#include <set>

#include "data/pack.h"
#include "data/scene.h"
#include "data/sha256.h"
#include "data/training_files.h"
#include "tensor/error.h"

namespace munet {
namespace {

constexpr std::array kKinds{"toy",   "pack",     "davis",   "youtube", "folders", "msra10k",
                            "ecssd", "pascal-s", "voc2012", "coco",    "stills"};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

class DataClips : public ClipSource {
 public:
  DataClips(const std::vector<DataPart>& parts, const ClipOptions& options, uint64_t seed)
      : options_(options), seed_(seed) {
    check_clip_options(options);
    check(!parts.empty(), "data: expected at least one part; given none");
    std::size_t frames = 0;
    double shares = 0;
    for (const DataPart& part : parts) {
      Part& mine = parts_.emplace_back();
      mine.share = part.share;
      shares += part.share;
      summary_ += summary_.empty() ? "" : "; ";
      if (part.kind == "toy")
        mine.toy = toy_clips(options, seed), summary_ += mine.toy->summary();
      else
        frames += add_set(mine, part);
    }
    check(shares > 0, "data: expected a share above 0; given none");
    check_stages();
    allowed_faults_ = std::max<std::size_t>(1, frames / 50);
  }

  Clip clip(uint64_t index) const override {
    Rng rng{random_bits(seed_ ^ name_seed("clips"), index)};
    std::string last_fault;
    const Stage stage = stage_of(index);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const Part& part = draw_part(stage, rng);
      if (part.toy) return part.toy->clip(rng.bits());
      try {
        if (std::optional<Clip> clip = draw(part, stage, rng)) return std::move(*clip);
      } catch (const FileError& e) {
        last_fault = e.what();
        note_fault(last_fault);
      }
    }
    throw Error(str("data: expected an object of min_pixels = ", options_.min_pixels,
                    " pixels in a crop of ", options_.crop, " and videos of clip_frames = ",
                    options_.clip_frames, "; found none in ", kAttempts, " tries",
                    last_fault.empty() ? "" : "; the last file that failed: " + last_fault));
  }

  std::string fingerprint() const override {
    std::string text;
    for (const Part& part : parts_) text += part.toy ? "toy\n" : part.set->fingerprint() + "\n";
    return sha256({text.begin(), text.end()});
  }
  std::string summary() const override { return summary_; }
  std::vector<std::string> faults() const override {
    std::lock_guard lock(mutex_);
    std::vector<std::string> all = notices_;
    all.insert(all.end(), faults_.begin(), faults_.end());
    return all;
  }

 private:
  struct Part {
    double share = 1;
    std::size_t videos = 0, stills = 0;
    std::unique_ptr<TrainingSet> set;
    std::unique_ptr<ClipSource> toy;
  };
  struct Place {
    const TrainingSet* set;
    std::size_t item;
  };
  enum class Stage { all, stills, videos };
  static constexpr int kAttempts = 100;

  Stage stage_of(uint64_t index) const {
    if (options_.stills_first == 0) return Stage::all;
    return index < uint64_t(options_.stills_first) ? Stage::stills : Stage::videos;
  }
  static bool in(Stage stage, const Part& part) {
    return stage == Stage::all || (part.stills > 0) == (stage == Stage::stills);
  }

  void check_stages() const {
    if (options_.stills_first == 0) return;
    bool any[2] = {};
    for (const Part& part : parts_) {
      check(part.videos == 0 || part.stills == 0,
            "data: stills_first expects parts of videos alone and of stills alone; one has ",
            part.videos, " videos and ", part.stills, " stills (list=videos, list=stills)");
      any[part.stills > 0] = true;
    }
    check(any[0] && any[1],
          "data: stills_first expects parts of videos and parts of stills; found ",
          any[0] ? "videos" : "stills", " alone");
  }

  std::size_t add_set(Part& mine, const DataPart& part) {
    mine.set = open_training_set(part);
    std::size_t frames = 0;
    std::size_t &videos = mine.videos, &stills = mine.stills;
    const std::vector<TrainingItem>& items = mine.set->items();
    for (std::size_t i = 0; i < items.size(); ++i) {
      frames += items[i].frames.size();
      ++(items[i].still ? stills : videos);
      if (items[i].still) stills_.push_back({mine.set.get(), i});
      std::set<std::string> kinds;
      for (const auto& [id, kind] : items[i].kinds) kinds.insert(kind);
      if (items[i].kinds.empty() && items[i].still) kinds.insert(default_kind(items[i]));
      for (const std::string& kind : kinds) of_kind_[kind].push_back({mine.set.get(), i});
    }
    summary_ += str(part.kind, " ", part.path.filename().string());
    if (videos > 0) summary_ += str(" ", videos, " videos of ", frames - stills, " frames");
    if (stills > 0) summary_ += str(" ", stills, " stills");
    notices_.insert(notices_.end(), mine.set->notices().begin(), mine.set->notices().end());
    return frames;
  }

  // Stills without categories: those of one set count as one kind (cats, balloons, people).
  static std::string default_kind(const TrainingItem& item) { return "set " + item.part; }

  const Part& draw_part(Stage stage, Rng& rng) const {
    double total = 0;
    for (const Part& part : parts_) total += in(stage, part) ? part.share : 0;
    double at = rng.uniform(0, total);
    const Part* last = nullptr;
    for (const Part& part : parts_) {
      if (!in(stage, part)) continue;
      last = &part;
      if ((at -= part.share) < 0) break;
    }
    return *last;
  }

  // Nothing where the footage does not give a clip: too short, or no object in view.
  std::optional<Clip> draw(const Part& part, Stage stage, Rng& rng) const {
    const bool merge = rng.uniform() < options_.merge;
    const bool compose = rng.uniform() < options_.compose;
    const bool labelled = compose && rng.uniform() >= options_.compose_background;
    const bool occlude = rng.uniform() < options_.occlude;
    const std::optional<Footage> footage = draw_from(part, rng);
    if (!footage) return {};
    const int room = std::max(1, options_.max_objects - labelled);
    std::optional<Scene> scene =
        Scene::film(*footage, options_, merge ? (room + 1) / 2 : room, rng);
    if (!scene) return {};
    const int own = scene->objects();
    if (merge) {
      const Part& other = draw_part(stage, rng);
      const std::optional<Footage> second = other.toy ? std::nullopt : draw_from(other, rng);
      const int left = room - own;
      if (second && left > 0)
        if (std::optional<Scene> more = Scene::film(*second, options_, left, rng))
          scene->merge(*more);
    }
    if (compose && (!labelled || scene->objects() < options_.max_objects))
      add_kin(*scene, *footage, 1 + int(rng.below(own)), labelled, rng);
    if (occlude) add_occluder(*scene, stage, rng);
    Clip clip = std::move(*scene).finish();
    if (clip.objects == 0) return {};
    const TrainingItem& item = footage->of();
    clip.name = str(item.part, "/", item.name, " ", item.frames[footage->frames.front()]);
    if (!item.still) clip.name += str("-", item.frames[footage->frames.back()]);
    return clip;
  }

  std::optional<Footage> draw_from(const Part& part, Rng& rng) const {
    const auto item = std::size_t(rng.below(int64_t(part.set->items().size())));
    return draw_footage(*part.set, item, options_, rng);
  }

  // One more instance of the kind of object `beside`: another still of that kind, or the same one
  // again; of a video the same object at another time.
  void add_kin(Scene& scene, const Footage& footage, int beside, bool labelled, Rng& rng) const {
    const TrainingItem& item = footage.of();
    const int id = scene.source_id(beside);
    const auto known = item.kinds.find(id);
    const std::string kind = known == item.kinds.end() ? default_kind(item) : known->second;
    const auto kin = of_kind_.find(kind);
    Scene::Part part;
    part.labelled = labelled;
    part.behind = rng.uniform() < 0.5;
    std::optional<Footage> other;
    if (kin != of_kind_.end() && kin->second.size() > 1 && rng.uniform() < 0.5) {
      const Place place = kin->second[std::size_t(rng.below(int64_t(kin->second.size())))];
      part.kind = known == item.kinds.end() ? "" : kind;
      other = draw_footage(*place.set, place.item, options_, rng);
    } else {
      part.id = id;
      const std::size_t length = item.frames.size();
      const std::size_t away = length / 4 + std::size_t(rng.below(int64_t(length / 2) + 1));
      other = draw_footage(*footage.set, footage.item, options_, rng,
                           (footage.frames[0] + away) % length);
    }
    if (other) scene.add(*other, part, beside, rng);
  }

  // Any object of any still (or of this data's videos, if there is no still), in front.
  void add_occluder(Scene& scene, Stage stage, Rng& rng) const {
    std::optional<Footage> other;
    if (!stills_.empty()) {
      const Place place = stills_[std::size_t(rng.below(int64_t(stills_.size())))];
      other = draw_footage(*place.set, place.item, options_, rng);
    } else if (const Part& part = draw_part(stage, rng); part.set) {
      other = draw_from(part, rng);
    }
    Scene::Part part;
    part.through = true;
    part.size = rng.uniform(0.4, 1);
    if (other) scene.add(*other, part, 1 + int(rng.below(scene.objects())), rng);
  }

  void note_fault(const std::string& fault) const {
    std::lock_guard lock(mutex_);
    faults_.insert(fault);
    check(faults_.size() <= allowed_faults_, "data: ", faults_.size(),
          " files could not be used, more than the ", allowed_faults_,
          " that may be skipped; one of them: ", *faults_.begin());
  }

  ClipOptions options_;
  uint64_t seed_;
  std::vector<Part> parts_;
  std::vector<Place> stills_;
  std::map<std::string, std::vector<Place>> of_kind_;
  std::string summary_;
  std::vector<std::string> notices_;
  std::size_t allowed_faults_ = 1;
  mutable std::mutex mutex_;
  mutable std::set<std::string> faults_;
};

}  // namespace

DataPart parse_data_part(const std::string& text) {
  const auto fail = [&](const std::string& expected) {
    throw Error(str("data: expected ", expected, "; given '", text, "'"));
  };
  const std::size_t colon = text.find(':');
  DataPart part;
  const std::vector<std::string> words = split(text, ',');
  part.kind = words[0].substr(0, words[0].find(':'));
  if (std::find(kKinds.begin(), kKinds.end(), part.kind) == kKinds.end()) {
    std::string all;
    for (const char* kind : kKinds) all += (all.empty() ? "" : ", ") + std::string(kind);
    fail("KIND:PATH with a kind of " + all);
  }
  if (part.kind != "toy") {
    if (colon == std::string::npos || words[0].size() == colon + 1) fail(part.kind + ":PATH");
    part.path = words[0].substr(colon + 1);
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equal = words[i].find('=');
    const std::string key = words[i].substr(0, equal),
                      value = equal == std::string::npos ? "" : words[i].substr(equal + 1);
    if (key == "list" && !value.empty()) {
      part.list = value;
    } else if (key == "without" && !value.empty()) {
      part.without = split(value, '+');
    } else if (key == "share") {
      const char* end = value.data() + value.size();
      const auto [rest, error] = std::from_chars(value.data(), end, part.share);
      if (error != std::errc() || rest != end || !(part.share > 0 && part.share <= 1e6))
        fail("a share above 0");
    } else {
      fail("list=NAME, share=NUMBER or without=NAME+NAME after a comma");
    }
  }
  return part;
}

std::string to_string(const DataPart& part) {
  std::string text = part.kind;
  if (part.kind != "toy") text += ":" + part.path.string();
  if (!part.list.empty()) text += ",list=" + part.list;
  if (part.share != 1) text += str(",share=", part.share);
  for (std::size_t i = 0; i < part.without.size(); ++i)
    text += (i ? "+" : ",without=") + part.without[i];
  return text;
}

std::unique_ptr<TrainingSet> open_training_set(const DataPart& part) {
  if (part.kind == "pack") return open_pack(part.path, part.list, part.without);
  return open_files(part.kind, part.path, part.list, part.without);
}

std::unique_ptr<ClipSource> open_clips(const std::vector<DataPart>& parts,
                                       const ClipOptions& options, uint64_t seed) {
  return std::make_unique<DataClips>(parts, options, seed);
}

}  // namespace munet

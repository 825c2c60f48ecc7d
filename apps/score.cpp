// J and F over a sequence. What is scored follows DAVIS's official code, or the rule for trees of
// no known kind (ScoreRule).
#include "apps/score.h"

#include <algorithm>
#include <set>

#include "data/mask.h"
#include "data/metrics.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::string join(const std::set<int>& ids) {
  std::string text;
  for (const int id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text;
}

fs::path result_of(const fs::path& results, const TruthSequence& sequence, const fs::path& mask) {
  return results / sequence.folder / (mask.stem().string() + ".png");
}

std::string what_is_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names.empty()       ? "nothing"
         : names.size() == 1 ? names[0]
                             : names[0] + " ... " + names.back();
}

// What colours mean may change from one painted file to the next.
Mask read_ids(const fs::path& path) {
  Mask mask = read_mask_keeping_white(path);
  check<FileError>(!mask.painted, "evaluate: ", path.string(),
                   ": expected ids, in a palette or grey PNG; found colours; save masks with a "
                   "palette (index 0 = background)");
  return mask;
}

class Scorer {
 public:
  Scorer(ScoreRule rule, const TruthSequence& sequence, const fs::path& results)
      : rule_(rule), sequence_(sequence), results_(results) {
    scores_.name = sequence.name;
  }

  SequenceScores operator()() {
    const std::size_t n = sequence_.masks.size(), last = rule_ == ScoreRule::generic ? n : n - 1;
    check<FileError>(last > 1, "evaluate: expected ", rule_ == ScoreRule::generic ? 2 : 3,
                     " annotated frames or more of ", sequence_.name, "; found ", n, " in ",
                     sequence_.masks[0].parent_path().string());
    add_objects(truth(0));
    check<FileError>(rule_ == ScoreRule::generic || !objects_.empty(),
                     "evaluate: ", sequence_.masks[0].string(),
                     ": expected at least one object in the first mask; found only background");
    for (std::size_t t = 1; t < last; ++t) {
      const Mask wanted = truth(t);
      if (!objects_.empty()) score(t, wanted, result(t, wanted));
      add_objects(wanted);
    }
    finish();
    return std::move(scores_);
  }

 private:
  // 255 is void or the object; the first mask with any id tells.
  Mask truth(std::size_t t) {
    Mask mask = read_ids(sequence_.masks[t]);
    if (!told_ && std::any_of(mask.ids.begin(), mask.ids.end(), [](uint8_t id) { return id; })) {
      told_ = true;
      white_ = ids_in(mask) == std::vector{255};
    }
    for (uint8_t& id : mask.ids) {
      if (id == 255) id = white_;
      if (rule_ == ScoreRule::davis2016) id = id != 0;
    }
    for (const int id : ids_in(mask)) in_truth_.insert(id);
    return mask;
  }

  Mask result(std::size_t t, const Mask& wanted) {
    const fs::path path = result_of(results_, sequence_, sequence_.masks[t]);
    check<FileError>(fs::exists(path), "evaluate: expected the mask ", path.string(),
                     "; there is no such file; segment every annotated frame of ", sequence_.name,
                     " and name its mask like the truth's");
    Mask mask = read_ids(path);
    check<FileError>(mask.width == wanted.width && mask.height == wanted.height,
                     "evaluate: ", path.string(), ": expected ", wanted.width, "x", wanted.height,
                     ", the size of ", sequence_.masks[t].string(), "; it is ", mask.width, "x",
                     mask.height, "; masks are scored at the truth's size");
    const bool white_alone = ids_in(mask) == std::vector{255};
    check<FileError>(!white_alone || objects_.size() == 1, "evaluate: ", path.string(),
                     ": expected ids of the objects ", join(objects_),
                     "; found black and white only, which cannot tell them apart");
    for (uint8_t& id : mask.ids)
      if (rule_ == ScoreRule::davis2016 ? id != 0 : white_alone && id == 255)
        id = uint8_t(*objects_.begin());
    for (const int id : ids_in(mask)) in_results_.insert(id);
    return mask;
  }

  void add_objects(const Mask& mask) {
    const std::vector<int> ids = ids_in(mask);
    if (rule_ == ScoreRule::generic) {
      objects_.insert(ids.begin(), ids.end());
    } else if (objects_.empty() && !ids.empty()) {
      for (int id = 1; id <= ids.back(); ++id) objects_.insert(id);
    }
  }

  void score(std::size_t t, const Mask& wanted, const Mask& found) {
    for (const int id : objects_) {
      auto at = std::find_if(scores_.objects.begin(), scores_.objects.end(),
                             [id](const ObjectScores& object) { return object.id >= id; });
      if (at == scores_.objects.end() || at->id != id)
        at = scores_.objects.insert(at, {id, {}, {}, {}});
      const Region truth = region_of(wanted.ids, wanted.width, wanted.height, id),
                   result = region_of(found.ids, found.width, found.height, id);
      at->frames.push_back(sequence_.masks[t].stem().string());
      at->j.push_back(region_similarity(truth, result));
      at->f.push_back(boundary_accuracy(truth, result));
    }
  }

  void finish() {
    check<FileError>(!scores_.objects.empty(), "evaluate: expected an object to score in ",
                     sequence_.masks[0].parent_path().string(),
                     "; found none before the last annotated frame");
    std::set<int> extra, unscored, never;
    const auto without = [](const std::set<int>& a, const std::set<int>& b, std::set<int>& out) {
      std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
    };
    without(in_results_, objects_, extra);
    check<FileError>(in_results_.empty() || extra.size() < in_results_.size(),
                     "evaluate: expected the ids ", join(objects_), " in ",
                     (results_ / sequence_.folder).string(), "; found ", join(in_results_),
                     "; if colours were turned into grey, save masks with a palette or as ids");
    warn("in the results, not in the truth; not scored", extra);
    without(in_truth_, objects_, unscored);
    warn("annotated, but not in the first mask; not scored, as by DAVIS", unscored);
    without(objects_, in_truth_, never);
    warn("below the largest, but annotated nowhere; scored all the same, as by DAVIS", never);
  }

  void warn(const char* what, const std::set<int>& ids) {
    if (!ids.empty())
      scores_.warnings.push_back(
          str(sequence_.name, ": id", ids.size() > 1 ? "s " : " ", join(ids), " ", what));
  }

  const ScoreRule rule_;
  const TruthSequence& sequence_;
  const fs::path& results_;
  bool told_ = false;
  uint8_t white_ = 0;  // what 255 of the truth is
  std::set<int> objects_, in_truth_, in_results_;
  SequenceScores scores_;
};

}  // namespace

void need_results(const Truth& truth, const fs::path& results) {
  check<FileError>(fs::is_directory(results), "evaluate: expected masks in ", results.string(),
                   "; there is no such folder");
  fs::path first;
  std::size_t missing = 0;
  for (const TruthSequence& sequence : truth.sequences) {
    const fs::path folder = results / sequence.folder;
    check<FileError>(fs::is_directory(folder), "evaluate: expected the masks of ", sequence.name,
                     " in ", folder.string(), "; there is no such folder; ", results.string(),
                     " holds ", what_is_in(results),
                     "; segment the sequence, or score a --set without it");
    if (truth.rule == ScoreRule::generic) continue;  // what is needed depends on the masks
    for (std::size_t t = 1; t + 1 < sequence.masks.size(); ++t) {
      const fs::path path = result_of(results, sequence, sequence.masks[t]);
      if (!fs::exists(path) && missing++ == 0) first = path;
    }
  }
  check<FileError>(missing == 0, "evaluate: expected the mask ", first.string(),
                   "; there is no such file (", missing, " missing in all); ",
                   first.parent_path().string(), " holds ",
                   missing ? what_is_in(first.parent_path()) : "",
                   "; segment every annotated frame and name its mask like the truth's");
}

SequenceScores score(ScoreRule rule, const TruthSequence& sequence, const fs::path& results) {
  return Scorer(rule, sequence, results)();
}

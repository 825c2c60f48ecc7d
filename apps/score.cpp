// J and F over a sequence. What is scored follows DAVIS's official code, or the rule for trees of
// no known kind (ScoreRule).
#include "apps/score.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "tensor/error.h"
#include "tensor/parallel.h"

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

// FileError for colours, too: what they mean may change from one painted file to the next.
Labels read_labels(const fs::path& path) {
  Labels labels{read_mask_keeping_white(path), {}};
  check<FileError>(!labels.mask.painted, "evaluate: ", path.string(),
                   ": expected ids, in a palette or grey PNG; found colours; save masks with a "
                   "palette (index 0 = background)");
  const std::vector<int> ids = ids_in(labels.mask);
  labels.ids.insert(ids.begin(), ids.end());
  return labels;
}

class Scorer {
 public:
  Scorer(ScoreRule rule, const TruthSequence& sequence, const fs::path& results)
      : rule_(rule), sequence_(sequence), results_(results), read_truth_(rule, sequence) {
    scores_.name = sequence.name;
  }

  SequenceScores operator()() {
    const std::size_t n = sequence_.masks.size(), last = rule_ == ScoreRule::generic ? n : n - 1;
    check<FileError>(last > 1, "evaluate: expected ", rule_ == ScoreRule::generic ? 2 : 3,
                     " annotated frames or more of ", sequence_.name, "; found ", n, " in ",
                     sequence_.masks[0].parent_path().string());
    add_objects(truth(0).ids);
    check<FileError>(rule_ == ScoreRule::generic || !objects_.empty(),
                     "evaluate: ", sequence_.masks[0].string(),
                     ": expected at least one object in the first mask; found only background");
    for (std::size_t t = 1; t < last; ++t) {
      const Labels wanted = truth(t);
      if (!objects_.empty()) score(t, wanted.mask, result(t, wanted.mask));
      add_objects(wanted.ids);
    }
    finish();
    return std::move(scores_);
  }

 private:
  Labels truth(std::size_t t) {
    Labels labels = read_truth_(t);
    in_truth_.insert(labels.ids.begin(), labels.ids.end());
    return labels;
  }

  Mask result(std::size_t t, const Mask& wanted) {
    const fs::path path = result_of(results_, sequence_, sequence_.masks[t]);
    check<FileError>(fs::exists(path), "evaluate: expected the mask ", path.string(),
                     "; there is no such file; segment every annotated frame of ", sequence_.name,
                     " and name its mask like the truth's");
    Labels labels = read_labels(path);
    const Mask& mask = labels.mask;
    check<FileError>(mask.width == wanted.width && mask.height == wanted.height,
                     "evaluate: ", path.string(), ": expected ", wanted.width, "x", wanted.height,
                     ", the size of ", sequence_.masks[t].string(), "; it is ", mask.width, "x",
                     mask.height, "; masks are scored at the truth's size");
    const bool white_alone = labels.ids == std::set{255};
    check<FileError>(!white_alone || objects_.size() == 1, "evaluate: ", path.string(),
                     ": expected ids of the objects ", join(objects_),
                     "; found black and white only, which cannot tell them apart");
    if (white_alone || rule_ == ScoreRule::davis2016)
      labels.renumber([this](int) { return *objects_.begin(); });
    in_results_.insert(labels.ids.begin(), labels.ids.end());
    return std::move(labels.mask);
  }

  void add_objects(const std::set<int>& ids) {
    if (rule_ == ScoreRule::generic)
      objects_.insert(ids.begin(), ids.end());
    else if (objects_.empty() && !ids.empty())
      for (int id = 1; id <= *ids.rbegin(); ++id) objects_.insert(id);
  }

  void score(std::size_t t, const Mask& wanted, const Mask& found) {
    std::map<int, Region> truths;
    for (const int id : objects_)
      truths.emplace(id, region_of(wanted.ids, wanted.width, wanted.height, id));
    for (const int id : objects_) {
      auto at = std::find_if(scores_.objects.begin(), scores_.objects.end(),
                             [id](const ObjectScores& object) { return object.id >= id; });
      if (at == scores_.objects.end() || at->id != id)
        at = scores_.objects.insert(at, {id, {}, {}, {}, {}});
      const Region &truth = truths.at(id),
                   result = region_of(found.ids, found.width, found.height, id);
      at->frames.push_back(sequence_.masks[t].stem().string());
      at->j.push_back(region_similarity(truth, result));
      at->f.push_back(boundary_accuracy(truth, result));
      const int64_t own = truths.size() > 1 ? overlap(truth, result) : 0;
      at->switched.push_back(std::any_of(truths.begin(), truths.end(), [&](const auto& other) {
        return other.first != id && overlap(other.second, result) > own;
      }));
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
  TruthReader read_truth_;
  std::set<int> objects_, in_truth_, in_results_;
  SequenceScores scores_;
};

}  // namespace

void Labels::renumber(const std::function<int(int)>& new_id) {
  std::array<uint8_t, 256> table{};
  std::set<int> renumbered;
  bool same = true;
  for (const int id : ids) {
    const int becomes = new_id(id);
    table[std::size_t(id)] = uint8_t(becomes);
    if (becomes != 0) renumbered.insert(becomes);
    same = same && becomes == id;
  }
  if (same) return;
  ids = std::move(renumbered);
  for (uint8_t& id : mask.ids) id = table[id];
}

Labels TruthReader::operator()(std::size_t annotated_frame) {
  Labels labels = read_labels(sequence_.masks[annotated_frame]);
  if (!told_ && !labels.ids.empty()) {
    told_ = true;
    white_ = labels.ids == std::set{255};
  }
  labels.renumber([this](int id) {
    if (id == 255) id = white_;
    return rule_ == ScoreRule::davis2016 ? int(id != 0) : id;
  });
  return labels;
}

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

std::vector<SequenceScores> score_all(const Truth& truth, const fs::path& results) {
  // Longest first, so that none is left to one thread at the end.
  std::vector<std::size_t> order(truth.sequences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return truth.sequences[a].masks.size() > truth.sequences[b].masks.size();
  });
  std::vector<SequenceScores> scores(order.size());
  parallel_for(int64_t(order.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::size_t at = order[std::size_t(i)];
      scores[at] = score(truth.rule, truth.sequences[at], results);
    }
  });
  return scores;
}

std::vector<Switches> count_switches(const std::vector<SequenceScores>& scores) {
  std::vector<Switches> all;
  for (const SequenceScores& sequence : scores) {
    if (sequence.objects.size() < 2) continue;
    std::map<std::string, bool> frames;
    for (const ObjectScores& object : sequence.objects)
      for (std::size_t i = 0; i < object.frames.size(); ++i)
        frames[object.frames[i]] |= object.switched[i];
    Switches& of = all.emplace_back(Switches{sequence.name, frames.size(), 0});
    for (const auto& [frame, switched] : frames) of.switched += switched;
  }
  return all;
}

ScoreRow score_row(const SequenceScores& sequence, const ObjectScores& object) {
  return {str(sequence.name, "_", object.id), statistics(object.j), statistics(object.f)};
}

ScoreRow mean_row(const std::vector<ScoreRow>& rows) {
  ScoreRow mean{};
  for (const ScoreRow& row : rows)
    for (const auto& [to, from] : {std::pair(&mean.j, &row.j), std::pair(&mean.f, &row.f)}) {
      to->mean += from->mean / double(rows.size());
      to->recall += from->recall / double(rows.size());
      to->decay += from->decay / double(rows.size());
    }
  return mean;
}

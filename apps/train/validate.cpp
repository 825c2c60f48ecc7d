#include "apps/train/validate.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "apps/dataset_run.h"
#include "apps/score.h"
#include "data/metrics.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

Truth validation_truth(const Recipe& recipe) {
  Truth all{"validation", ScoreRule::generic, {}};
  for (const std::string& text : recipe.validate) {
    const std::size_t colon = text.rfind(':');
    check(colon != std::string::npos, "--validate: expected DATASET[@SET]:NAME[,NAME...]; given \"",
          text, "\"");
    const std::size_t at = text.rfind('@', colon);
    const std::string root = text.substr(0, std::min(at, colon)),
                      set = at == std::string::npos ? "" : text.substr(at + 1, colon - at - 1);
    const Truth found = find_truth(root, set);
    check(all.sequences.empty() || all.rule == found.rule,
          "--validate: expected data sets that are scored by one rule; ", root, " has another");
    all.rule = found.rule;
    std::stringstream names(text.substr(colon + 1));
    for (std::string name; std::getline(names, name, ',');) {
      const auto sequence = std::find_if(found.sequences.begin(), found.sequences.end(),
                                         [&](const TruthSequence& s) { return s.name == name; });
      check<FileError>(sequence != found.sequences.end(), "--validate: ", root,
                       " has no sequence '", name, "' in its list ", found.set);
      all.sequences.push_back(*sequence);
    }
  }
  return all;
}

ValidationScore validate(const Truth& truth, const Recipe& recipe, const fs::path& weights,
                         const fs::path& results) {
  fs::remove_all(results);
  DataSetRun run;
  run.weights = weights.string();
  run.network.shorter_side = recipe.validate_size;
  run.show_progress = false;
  run_data_set(truth, run, results);
  ValidationScore score;
  double objects = 0;
  for (const TruthSequence& sequence : truth.sequences) {
    SequenceScore of{sequence.name, 0, 0};
    const SequenceScores found = ::score(truth.rule, sequence, results);
    for (const ObjectScores& object : found.objects) {
      const double j = statistics(object.j).mean, f = statistics(object.f).mean;
      of.j += j / double(found.objects.size());
      of.f += f / double(found.objects.size());
      score.j += j, score.f += f, ++objects;
    }
    score.sequences.push_back(of);
  }
  score.j /= std::max(objects, 1.0), score.f /= std::max(objects, 1.0);
  return score;
}

std::string line_of(const ValidationScore& score) {
  std::ostringstream out;
  out.precision(3);
  out << "J " << score.j << " F " << score.f << " (";
  for (std::size_t i = 0; i < score.sequences.size(); ++i)
    out << (i ? ", " : "") << score.sequences[i].name << " " << score.sequences[i].j << " "
        << score.sequences[i].f;
  out << ")";
  return out.str();
}

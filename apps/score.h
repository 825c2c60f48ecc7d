// The scores of one sequence: its results beside the truth, frame by frame.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/mask.h"
#include "data/metrics.h"
#include "data/truth.h"

struct Labels {
  munet::Mask mask;
  std::set<int> ids;  // in use, without 0

  // new_id(id): what each of them becomes; 0 is background.
  void renumber(const std::function<int(int)>& new_id);
};

// The truth in the numbers of its rule, frame by frame in order: 255 is void and counts as
// background, unless it is the only id of the first mask with any: then it is the object.
class TruthReader {
 public:
  TruthReader(munet::ScoreRule rule, const munet::TruthSequence& sequence)
      : rule_(rule), sequence_(sequence) {}
  Labels operator()(std::size_t annotated_frame);

 private:
  const munet::ScoreRule rule_;
  const munet::TruthSequence& sequence_;
  bool told_ = false;
  int white_ = 0;  // what 255 is
};

// One object; frames, j, f and switched belong together.
struct ObjectScores {
  int id;
  std::vector<std::string> frames;  // stems of their files
  std::vector<double> j, f;
  // An identity switch: the object's result covers more pixels of another object's truth than of
  // its own.
  std::vector<bool> switched;
};

struct SequenceScores {
  std::string name;
  std::vector<ObjectScores> objects;  // ascending ids
  std::vector<std::string> warnings;  // what was left out, or counted only because DAVIS does
};

// FileError unless the results of every sequence are there: the first file that is missing, how
// many are, and what to do.
void need_results(const munet::Truth& truth, const std::filesystem::path& results);

// Reads RESULTS/FOLDER/STEM.png for every mask that the rule scores; two masks at a time are in
// memory. 255 of the results is the object where there is just one. FileError if a file is missing
// or damaged, of another size than the truth, black and white where there are several objects, or
// if no id of the results occurs in the truth.
SequenceScores score(munet::ScoreRule rule, const munet::TruthSequence& sequence,
                     const std::filesystem::path& results);

// All sequences of a data set, side by side; the results are need_results()'s.
std::vector<SequenceScores> score_all(const munet::Truth& truth,
                                      const std::filesystem::path& results);

struct ScoreRow {
  std::string name;  // SEQUENCE_ID
  munet::Statistics j, f;
  bool seen = true;  // YouTube-VOS: of a category that the training set has
};
ScoreRow score_row(const SequenceScores& sequence, const ObjectScores& object);

// The mean over objects, each counting the same.
ScoreRow mean_row(const std::vector<ScoreRow>& rows);

// Scored frames of a sequence with several objects, and in how many one or more are switched.
struct Switches {
  std::string name;
  std::size_t frames, switched;
};
std::vector<Switches> count_switches(const std::vector<SequenceScores>& scores);

// A run: a folder of results as `munet evaluate --run` or `munet segment` leaves it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/score.h"
#include "apps/seen.h"
#include "apps/trust_file.h"
#include "data/truth.h"

struct Run {
  std::string name;  // the folder's
  std::filesystem::path folder;
  std::vector<SequenceScores> scores;  // one per sequence of the data set
  std::vector<ScoreRow> rows;          // one per object
  ScoreRow mean;
  std::optional<YoutubeMeans> youtube;  // where categories are known
  std::string settings;                 // in words; empty: not known
  double frames_per_second = 0;         // mean over sequences, without files; 0: not known
  std::map<std::string, std::vector<TrustRow>> trust;  // by sequence; empty: not there
};

// Scores the masks. speed-SET.json (or summary.json) and trust-SET.csv (or trust.csv) are read if
// they are there. seen: YouTube-VOS's categories, or null. FileError as `munet evaluate`, or if one
// of these files is something else.
Run read_run(const std::filesystem::path& folder, const munet::Truth& truth,
             const SeenCategories* seen = nullptr);

// J of each scored frame, the mean over its objects: pairs of the frame's place in the sequence and
// J, ascending.
std::vector<std::pair<double, double>> curve(const SequenceScores& scores,
                                             const munet::TruthSequence& sequence);

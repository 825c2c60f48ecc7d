// Validation in the loop: whole videos through the Segmenter, scored as `munet evaluate` does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/train/recipe.h"
#include "data/truth.h"

struct SequenceScore {
  std::string name;
  double j, f;  // means over its objects
};
struct ValidationScore {
  double j = 0, f = 0;  // means over all objects of all sequences
  std::vector<SequenceScore> sequences;
};

// The sequences of recipe.validate, each "DATASET[@SET]:NAME[,NAME...]", one rule for all.
// FileError if a data set or a sequence is not there.
munet::Truth validation_truth(const Recipe& recipe);

// Segments them from their first masks with these weights at recipe.validate_size; the masks are
// left in `results`, whose old content is removed.
ValidationScore validate(const munet::Truth& truth, const Recipe& recipe,
                         const std::filesystem::path& weights,
                         const std::filesystem::path& results);

// "J 0.612 F 0.598 (bear 0.91 0.88, ...)".
std::string line_of(const ValidationScore& score);

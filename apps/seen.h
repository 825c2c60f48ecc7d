// YouTube-VOS's rule: objects of categories that training saw, and of those that it did not.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "apps/score.h"
#include "data/youtube.h"

// Means over objects, each counting the same, in 0..1.
struct YoutubeMeans {
  double seen_j, unseen_j, seen_f, unseen_f;
  double overall() const { return (seen_j + unseen_j + seen_f + unseen_f) / 4; }  // G
};

// An object is seen if its category in DATASET/meta.json occurs in the training set's meta.json.
// who: the command that errors name.
class SeenCategories {
 public:
  SeenCategories(std::string who, const std::filesystem::path& dataset,
                 std::filesystem::path training);

  // FileError if the object has no category.
  bool operator()(const std::string& sequence, int id) const;

  // FileError if no object is seen, or none unseen.
  YoutubeMeans means(const std::vector<ScoreRow>& rows) const;

 private:
  std::string who_;
  std::filesystem::path meta_, training_;
  munet::Categories of_;
  std::set<std::string> seen_;
};

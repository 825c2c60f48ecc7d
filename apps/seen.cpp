// A group without objects has no mean, so it is an error and not a nought.
#include "apps/seen.h"

#include <utility>

#include "data/file.h"
#include "tensor/error.h"

using namespace munet;

SeenCategories::SeenCategories(std::string who, const std::filesystem::path& dataset,
                               std::filesystem::path training)
    : who_(std::move(who)),
      meta_(dataset / "meta.json"),
      training_(std::move(training)),
      of_(read_categories(meta_)) {
  for (const auto& [sequence, objects] : read_categories(training_))
    for (const auto& [id, category] : objects) seen_.insert(category);
}

bool SeenCategories::operator()(const std::string& sequence, int id) const {
  const auto objects = of_.find(sequence);
  const bool known = objects != of_.end() && objects->second.count(id) > 0;
  check<FileError>(known, who_, ": ", meta_.string(), ": expected a category of object ", id,
                   " of ", sequence, ", which is annotated; found none");
  return seen_.count(objects->second.at(id)) > 0;
}

YoutubeMeans SeenCategories::means(const std::vector<ScoreRow>& rows) const {
  std::vector<ScoreRow> groups[2];
  for (const ScoreRow& row : rows) groups[row.seen ? 0 : 1].push_back(row);
  for (const int group : {0, 1})
    check<FileError>(!groups[group].empty(), who_, ": expected objects of seen and of unseen ",
                     "categories; found no ", group == 0 ? "seen" : "unseen", " one by ",
                     training_.string());
  const ScoreRow seen = mean_row(groups[0]), unseen = mean_row(groups[1]);
  return {seen.j.mean, unseen.j.mean, seen.f.mean, unseen.f.mean};
}

// Masks are scored anew, so that a report never shows figures of other files.
#include "apps/report/runs.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file("report", path, uint64_t{1} << 28);
  return {bytes.begin(), bytes.end()};
}

// What `evaluate --run` and `segment --summary` both write of their settings.
void read_speed(const fs::path& path, Run& run) {
  const auto json = nlohmann::json::parse(text_of(path), nullptr, false);
  const auto need = [&](bool ok, const char* what) {
    check<FileError>(ok, "report: ", path.string(), ": expected ", what,
                     " as munet evaluate --run or munet segment --summary writes it; found "
                     "something else; delete the file, or make the run again");
  };
  need(json.is_object() && json.contains("settings") && json["settings"].is_object() &&
           json.contains("frames_per_second"),
       "an object with settings and frames_per_second");
  const nlohmann::json& fps = json["frames_per_second"];
  const nlohmann::json& value =
      fps.is_object() && fps.contains("mean_of_sequences") ? fps["mean_of_sequences"]
      : json.contains("frames_per_second_without_io")      ? json["frames_per_second_without_io"]
                                                           : fps;
  need(value.is_number(), "a number of frames per second");
  run.frames_per_second = value;
  for (const auto& [name, setting] : json["settings"].items()) {
    if (setting == "" || setting == -1) continue;
    run.settings += (run.settings.empty() ? "" : ", ") + name + " " +
                    (setting.is_string() ? setting.get<std::string>() : setting.dump());
  }
}

}  // namespace

Run read_run(const fs::path& folder, const Truth& truth, const SeenCategories* seen) {
  Run run;
  run.folder = folder;
  fs::path clean = folder.lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  run.name = clean.filename().string();
  need_results(truth, folder);
  run.scores = score_all(truth, folder);
  for (const SequenceScores& sequence : run.scores)
    for (const ObjectScores& object : sequence.objects) {
      run.rows.push_back(score_row(sequence, object));
      if (seen) run.rows.back().seen = (*seen)(sequence.name, object.id);
    }
  run.mean = mean_row(run.rows);
  if (seen) run.youtube = seen->means(run.rows);
  for (const std::string& name : {"speed-" + truth.set + ".json", std::string("summary.json")})
    if (run.settings.empty() && fs::exists(folder / name)) read_speed(folder / name, run);
  for (const std::string& name : {"trust-" + truth.set + ".csv", std::string("trust.csv")})
    if (run.trust.empty() && fs::exists(folder / name))
      for (TrustRow& row : read_trust("report", folder / name))
        run.trust[row.sequence.empty() ? truth.sequences[0].name : row.sequence].push_back(
            std::move(row));
  return run;
}

std::vector<std::pair<double, double>> curve(const SequenceScores& scores,
                                             const TruthSequence& sequence) {
  std::vector<std::pair<double, double>> points;
  for (std::size_t t = 0; t < sequence.masks.size(); ++t) {
    const std::string stem = sequence.masks[t].stem().string();
    double sum = 0, count = 0;
    for (const ObjectScores& object : scores.objects) {
      const auto found = std::find(object.frames.begin(), object.frames.end(), stem);
      if (found == object.frames.end()) continue;
      sum += object.j[std::size_t(found - object.frames.begin())];
      count += 1;
    }
    if (count > 0) points.emplace_back(double(t), sum / count);
  }
  return points;
}

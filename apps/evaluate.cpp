// Sequences are scored side by side; what is printed and written has the official names and order.
#include "apps/evaluate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/dataset_run.h"
#include "apps/network_options.h"
#include "apps/score.h"
#include "apps/seen.h"
#include "data/file.h"
#include "data/metrics.h"
#include "data/truth.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

struct Options : NetworkOptions {
  std::string results, dataset, set, resolution = "480p", out, seen, run;
  int jobs = 0, batch = 1;
  bool per_frame = false, switches = false, trust = false;
};

constexpr const char* kGlobalHeader = "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n";

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

std::string youtube_csv(const YoutubeMeans& means) {
  return "Overall,J_seen,J_unseen,F_seen,F_unseen\n" +
         text("%.4f,%.4f,%.4f,%.4f,%.4f\n", means.overall(), means.seen_j, means.unseen_j,
              means.seen_f, means.unseen_f);
}

std::string global_csv(const ScoreRow& mean) {
  return kGlobalHeader + text("%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n",
                              (mean.j.mean + mean.f.mean) / 2, mean.j.mean, mean.j.recall,
                              mean.j.decay, mean.f.mean, mean.f.recall, mean.f.decay);
}

std::string per_sequence_csv(const std::vector<ScoreRow>& rows) {
  std::string csv = "Sequence,J-Mean,F-Mean\n";
  for (const ScoreRow& row : rows) csv += row.name + text(",%.3f,%.3f\n", row.j.mean, row.f.mean);
  return csv;
}

std::string per_frame_csv(const std::vector<SequenceScores>& scores) {
  std::string csv = "Sequence,Frame,J,F\n";
  for (const SequenceScores& sequence : scores)
    for (const ObjectScores& object : sequence.objects)
      for (std::size_t i = 0; i < object.frames.size(); ++i)
        csv += str(sequence.name, "_", object.id, ",", object.frames[i]) +
               text(",%.9f,%.9f\n", object.j[i], object.f[i]);
  return csv;
}

std::string switches_csv(const std::vector<Switches>& all) {
  std::string csv = "Sequence,Frames,Switched\n";
  for (const Switches& of : all) csv += str(of.name, ",", of.frames, ",", of.switched, "\n");
  return csv;
}

void print_switches(const std::vector<Switches>& all) {
  std::size_t frames = 0, switched = 0;
  for (const Switches& of : all) frames += of.frames, switched += of.switched;
  std::printf("Identity switches: %zu of %zu frames in %zu sequences of several objects\n\n",
              switched, frames, all.size());
}

void print_tables(const Truth& truth, const std::vector<ScoreRow>& rows, const ScoreRow& mean,
                  std::size_t masks) {
  const char* rule = truth.rule == ScoreRule::davis2016   ? "DAVIS 2016, one object per sequence"
                     : truth.rule == ScoreRule::davis2017 ? "DAVIS 2017 semi-supervised"
                                                          : "each object after its first mask";
  std::printf("%s (%s): %zu sequences, %zu objects, %zu masks scored\n\n", truth.set.c_str(), rule,
              truth.sequences.size(), rows.size(), masks);
  std::size_t width = 8;
  for (const ScoreRow& row : rows) width = std::max(width, row.name.size());
  std::printf("%-*s  J-Mean  F-Mean\n", int(width), "Sequence");
  for (const ScoreRow& row : rows)
    std::printf("%-*s  %6.4f  %6.4f\n", int(width), row.name.c_str(), row.j.mean, row.f.mean);
  std::printf("\nJ&F-Mean  J-Mean  J-Recall  J-Decay  F-Mean  F-Recall  F-Decay\n");
  std::printf("%8.4f  %6.4f  %8.4f  %7.4f  %6.4f  %8.4f  %7.4f\n", (mean.j.mean + mean.f.mean) / 2,
              mean.j.mean, mean.j.recall, mean.j.decay, mean.f.mean, mean.f.recall, mean.f.decay);
}

void write_result(const fs::path& path, const std::string& content) {
  write_file("evaluate", path, {content.begin(), content.end()});
  std::printf("%s\n", path.c_str());
}

void write_csv(const fs::path& folder, const std::string& kind, const std::string& set,
               const std::string& csv) {
  write_result(folder / (kind + "_results-" + set + ".csv"), csv);
}

void evaluate(const Options& options) {
  if (options.jobs > 0) set_num_threads(options.jobs);
  const Truth truth = find_truth(options.dataset, options.set, options.resolution);
  std::optional<SeenCategories> seen;
  if (!options.seen.empty()) seen.emplace("evaluate", options.dataset, options.seen);
  std::optional<Speed> speed;
  if (!options.run.empty())
    speed = run_data_set(truth,
                         {.weights = options.run,
                          .network = options.network,
                          .trust = options.trust,
                          .batch = options.batch},
                         options.results);
  need_results(truth, options.results);
  const fs::path out = options.out.empty() ? options.results : options.out;
  std::error_code error;
  fs::create_directories(out, error);
  check<FileError>(!error, "evaluate: cannot make the folder ", out.string(), ": ",
                   error.message());
  const std::vector<SequenceScores> scores = score_all(truth, options.results);

  std::vector<ScoreRow> rows;
  std::size_t masks = 0;
  for (const SequenceScores& sequence : scores) {
    for (const std::string& warning : sequence.warnings)
      std::fprintf(stderr, "munet: warning: %s\n", warning.c_str());
    for (const ObjectScores& object : sequence.objects) {
      rows.push_back(score_row(sequence, object));
      if (seen) rows.back().seen = (*seen)(sequence.name, object.id);
      masks += object.j.size();
    }
  }
  const ScoreRow mean = mean_row(rows);
  const std::string youtube = seen ? youtube_csv(seen->means(rows)) : "";
  print_tables(truth, rows, mean, masks);
  std::printf("\n%s", youtube.c_str());
  const std::vector<Switches> switches =
      options.switches ? count_switches(scores) : std::vector<Switches>();
  if (options.switches) print_switches(switches);
  if (speed) {
    std::printf("%s\n\n", speed_line(*speed).c_str());
    write_result(out / ("speed-" + truth.set + ".json"), speed_json(*speed));
  }
  write_csv(out, "global", truth.set, global_csv(mean));
  write_csv(out, "per-sequence", truth.set, per_sequence_csv(rows));
  if (!youtube.empty()) write_csv(out, "youtube", truth.set, youtube);
  if (options.trust) write_result(out / ("trust-" + truth.set + ".csv"), trust_csv(speed->trust));
  if (options.switches) write_csv(out, "switches", truth.set, switches_csv(switches));
  if (options.per_frame) write_csv(out, "per-frame", truth.set, per_frame_csv(scores));
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "evaluate", "Scores masks against the truth: J and F as DAVIS's official code");
  command->footer(
      "Examples:\n"
      "  munet evaluate results --dataset DAVIS --set val\n"
      "  munet evaluate masks --dataset truth --per-frame\n"
      "  munet evaluate results --dataset DAVIS --set 2016/val --run munet18.safetensors");
  command
      ->add_option("RESULTS", options->results,
                   "Folder of masks: SEQUENCE/NAME.png, or NAME.png for a tree of one folder")
      ->required();
  command
      ->add_option("--dataset", options->dataset,
                   "DAVIS's tree; or folders SEQUENCE of true masks, in Annotations or not; or one "
                   "such folder")
      ->required();
  command->add_option("--set", options->set,
                      "DAVIS: list of sequences, val or 2016/val; 2016 means one object per "
                      "sequence (default: val)");
  command->add_option("--resolution", options->resolution, "DAVIS: folder of Annotations")
      ->capture_default_str();
  command->add_option("--seen", options->seen,
                      "YouTube-VOS: meta.json of the training set; objects of its categories count "
                      "as seen, others as unseen, by the data set's meta.json");
  command->add_option("-o,--out", options->out, "Folder for the CSV files (default: RESULTS)");
  CLI::Option* run =
      command->add_option("--run", options->run,
                          "First segment the data set with this checkpoint into RESULTS, an empty "
                          "folder or none, and say how fast");
  command->add_flag("--per-frame", options->per_frame, "Also write J and F of every frame");
  command->add_flag("--switches", options->switches,
                    "Also count frames in which a mask covers more of another object's truth than "
                    "of its own");
  command
      ->add_option("-j,--jobs", options->jobs,
                   "Threads: sequences scored at a time; of the network (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_flag("--trust", options->trust, "Also write how far each mask can be trusted")
      ->needs(run);
  for (CLI::Option* option : add_network_options(*command, *options)) option->needs(run);
  command
      ->add_option("--batch", options->batch,
                   "Read and encode so many frames together, to fill a GPU")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->needs(run);
  command->callback([options] {
    options->settle();
    evaluate(*options);
  });
}

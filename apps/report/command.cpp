// The page from top to bottom. It is made in memory and written at once.
#include "apps/report/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>

#include "apps/interrupt.h"
#include "apps/maps.h"
#include "apps/progress.h"
#include "apps/report/page.h"
#include "apps/report/pictures.h"
#include "apps/report/tables.h"
#include "apps/units.h"
#include "apps/weights.h"
#include "data/file.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

constexpr std::size_t kToCheck = 3;  // frames per sequence

struct Options {
  std::vector<std::string> runs;
  std::string dataset, set, resolution = "480p", out, seen, weights, size = "480";
  int jobs = 0;
  bool force = false, no_pictures = false;
};

const std::vector<TrustRow>* trust_of(const Run& run, const TruthSequence& sequence) {
  const auto found = run.trust.find(sequence.name);
  return found == run.trust.end() ? nullptr : &found->second;
}

// J over time, every run's; trust of the first one dashed, and the frames to check.
std::string curves(const std::vector<Run>& runs, const TruthSequence& sequence, std::size_t index) {
  Plot plot{sequence.name, "annotated frame", "J", 0, double(sequence.masks.size() - 1), {}, {}};
  for (std::size_t r = 0; r < runs.size(); ++r)
    plot.lines.push_back({runs[r].name, int(r), curve(runs[r].scores[index], sequence)});
  if (const std::vector<TrustRow>* rows = trust_of(runs[0], sequence)) {
    Line line{"trust", 0, {}, true};
    for (const FrameTrust& frame : least_trust(*rows))
      for (std::size_t t = 0; t < sequence.masks.size(); ++t)
        if (sequence.masks[t].stem() == frame.frame)
          line.points.emplace_back(double(t), frame.trust);
    plot.lines.push_back(std::move(line));
    for (const FrameTrust& frame : check_first(*rows, kToCheck))
      for (std::size_t t = 0; t < sequence.masks.size(); ++t)
        if (sequence.masks[t].stem() == frame.frame) plot.marks.push_back(double(t));
  }
  return line_plot(plot);
}

std::string trust_html(const Run& run, const TruthSequence& sequence) {
  const std::vector<TrustRow>* rows = trust_of(run, sequence);
  if (!rows) return "";
  std::vector<Cell> cells;
  for (const FrameTrust& frame : least_trust(*rows))
    cells.push_back({frame.trust, frame.frame + ": " + number(frame.trust, 2)});
  std::string list;
  for (const FrameTrust& frame : check_first(*rows, kToCheck))
    list += (list.empty() ? "" : ", ") + escape(frame.frame) + " (" + number(frame.trust, 2) + ")";
  return "<h3>" + escape(sequence.name) + "</h3>\n" + trust_strip(cells) +
         (list.empty() ? "" : "<p>Check first: " + list + "</p>\n");
}

std::string steps_table(const StepFigures& one, const StepFigures& five) {
  std::vector<TableRow> rows;
  for (const auto& [figures, step] : {std::pair(&one, "1"), std::pair(&five, "5")}) {
    const double n = figures->frames;
    if (n > 0)
      rows.push_back({{step, str(figures->frames), number(figures->length / n, 1),
                       number(figures->uncertainty / n, 3), number(figures->still / n, 3),
                       number(figures->moved / n, 3)}});
  }
  return html_table(
      {"Frame step", "pairs", "mean displacement (pixels)", "uncertainty on the object",
       "IoU of the true masks as they are", "IoU after the earlier one moved"},
      rows);
}

// Sequences by their mean J in the first run, worst first.
std::vector<std::size_t> worst_first(const Run& run) {
  std::vector<double> mean;
  for (const SequenceScores& sequence : run.scores) {
    double sum = 0;
    for (const ObjectScores& object : sequence.objects)
      sum += statistics(object.j).mean / double(sequence.objects.size());
    mean.push_back(sum);
  }
  std::vector<std::size_t> order(mean.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return mean[a] < mean[b]; });
  return order;
}

struct Sections {
  std::string quarters, windows, failures, sides, steps, without;
};

Sections draw(const Truth& truth, const std::vector<Run>& runs, Inspector& inspector) {
  Sections sections;
  StepFigures one, five;
  const std::vector<std::size_t> worst = worst_first(runs[0]);
  std::vector<std::string> failures(worst.size());
  Progress progress(int64_t(truth.sequences.size()));
  for (std::size_t s = 0; s < truth.sequences.size(); ++s) {
    stop_if_interrupted();
    const TruthSequence& sequence = truth.sequences[s];
    const Album album(sequence, runs, s, inspector);
    if (!album.found()) {
      sections.without += (sections.without.empty() ? "" : ", ") + escape(sequence.name);
      continue;
    }
    const auto add = [&](std::string& section, const std::string& html) {
      if (!html.empty()) section += "<h3>" + escape(sequence.name) + "</h3>\n" + html;
    };
    add(sections.quarters, album.quarters());
    add(sections.windows, album.search_window());
    add(sections.steps, album.steps(one, five));
    add(sections.sides, album.side_by_side());
    const auto rank = std::find(worst.begin(), worst.end(), s) - worst.begin();
    if (rank < 3)
      add(failures[std::size_t(rank)], "<div class=\"plots\">\n" + curves({runs[0]}, sequence, s) +
                                           "</div>\n" + album.failure());
    progress.finished(sequence.name);
  }
  for (const std::string& failure : failures) sections.failures += failure;
  if (!sections.steps.empty()) sections.steps = steps_table(one, five) + sections.steps;
  return sections;
}

std::string section(const char* id, const std::string& title, const std::string& intro,
                    const std::string& html) {
  if (html.empty()) return "";
  return str("<h2 id=\"", id, "\">", title, "</h2>\n<p>", intro, "</p>\n", html);
}

std::string page(const Truth& truth, const std::vector<Run>& runs, const Sections& pictures) {
  std::string plots, trust;
  for (std::size_t s = 0; s < truth.sequences.size(); ++s) {
    plots += curves(runs, truth.sequences[s], s);
    trust += trust_html(runs[0], truth.sequences[s]);
  }
  std::string body = str(
      "<h1>munet: ", escape(truth.set), "</h1>\n<p>", truth.sequences.size(), " sequences, ",
      runs[0].rows.size(),
      " objects. Everything on this page was computed by this program; "
      "published figures are labelled so.</p>\n<nav><a href=\"#scores\">scores</a><a "
      "href=\"#published\">published</a><a href=\"#time\">over time</a><a href=\"#trust\">trust"
      "</a><a href=\"#quarters\">frames and maps</a><a href=\"#failures\">failures</a></nav>\n");
  body += section("scores", "Scores", "By DAVIS's measures, per cent.",
                  runs_table(runs) + "<details><summary>Each object</summary>\n" +
                      objects_table(runs) + "</details>\n");
  body += section("published", "Beside published figures", "", published_html(runs, truth));
  body += section("time", "J over time",
                  "The mean over objects, at annotated frames. Dashed: trust in the first run; "
                  "dotted: the frames "
                  "it says to check first.",
                  "<div class=\"plots\">\n" + plots + "</div>\n");
  body += section("trust", "How far the masks can be trusted",
                  "Each frame of the first run from its beginning to its end: green is trusted, "
                  "red is not. It is computed without the truth.",
                  trust);
  const std::string wheel = figure(flat_picture(color_wheel_legend(96),
                                                "colour wheel: right is red, down yellow, left "
                                                "cyan, up violet"),
                                   "colours of displacement");
  body += section("quarters", "Frames at each quarter, and what the network saw",
                  "Masks of the first run. Attention is shown from the value that 15 of 100 pixels "
                  "lie below (the border is darker) to its largest.",
                  pictures.quarters.empty() ? "" : wheel + pictures.quarters);
  body += section("windows", "Search window and matching cost of a pixel",
                  "The pixel in the middle of the object, half way through.", pictures.windows);
  body +=
      section("failures", "Failures", "The three sequences with the lowest J.", pictures.failures);
  if (runs.size() > 1)
    body +=
        section("sides", "Side by side",
                escape(runs[0].name) + " and " + escape(runs[1].name) + " where they differ most.",
                pictures.sides);
  body += section("steps", "Motion at frame step 1 and 5",
                  "The paper names motion over five frames as its limit on YouTube-VOS. If the "
                  "displacement is right, the earlier true mask moved along with it meets the "
                  "later one better than as it is.",
                  pictures.steps);
  if (!pictures.without.empty())
    body += "<p class=\"dim\">No frames in the data set, so no pictures: " + pictures.without +
            ".</p>\n";
  return html_page("munet: " + truth.set, body);
}

void report(const Options& options) {
  std::error_code unknown;
  check<FileError>(options.force || !fs::exists(options.out, unknown),
                   "report: expected a new file; ", options.out,
                   " is there already (--force replaces it)");
  if (options.jobs > 0) set_num_threads(options.jobs);
  const Truth truth = find_truth(options.dataset, options.set, options.resolution);
  std::optional<SeenCategories> seen;
  if (!options.seen.empty()) seen.emplace("report", options.dataset, options.seen);
  std::vector<Run> runs;
  for (const std::string& folder : options.runs)
    runs.push_back(read_run(folder, truth, seen ? &*seen : nullptr));
  for (Run& run : runs) {  // names tell them apart
    const auto same = std::count_if(runs.begin(), runs.end(),
                                    [&](const Run& other) { return other.name == run.name; });
    if (same > 1) run.name = run.folder.string();
  }
  catch_interrupts();
  Sections pictures;
  if (!options.no_pictures) {
    Inspector inspector(find_weights(options.weights), parse_size(options.size));
    pictures = draw(truth, runs, inspector);
  }
  const std::string html = page(truth, runs, pictures);
  write_file("report", options.out, {html.begin(), html.end()});
  std::printf("%s: %zu runs, %zu sequences, %s\n", options.out.c_str(), runs.size(),
              truth.sequences.size(), format_bytes(double(html.size())).c_str());
}

}  // namespace

void add_report(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "report", "A page about runs: scores, curves, trust, motion, failures, beside the paper");
  command->footer(
      "Example:\n"
      "  munet evaluate ours --dataset DAVIS --run w.safetensors --trust\n"
      "  munet evaluate still --dataset DAVIS --run w.safetensors --motion none\n"
      "  munet report ours still --dataset DAVIS -o report.html");
  command
      ->add_option("RUNS", options->runs,
                   "Folders of masks as munet evaluate --run leaves them; the first one is the "
                   "subject, the others are compared")
      ->required();
  command->add_option("--dataset", options->dataset, "The truth, as for munet evaluate")
      ->required();
  command->add_option("-o,--out", options->out, "The page, one HTML file")->required();
  command->add_option("--set", options->set, "As for munet evaluate (default: val)");
  command->add_option("--resolution", options->resolution, "DAVIS: folder of Annotations")
      ->capture_default_str();
  command->add_option("--seen", options->seen,
                      "YouTube-VOS: meta.json of the training set, as for munet evaluate");
  command->add_option("--weights", options->weights,
                      "Checkpoint whose maps are shown (default: the one shipped)");
  command
      ->add_option("--size", options->size,
                   "Maps at this shorter side (pixels) where frames are larger; raw: never reduce")
      ->capture_default_str();
  command->add_flag("--no-pictures", options->no_pictures,
                    "No frames on the page: scores, curves and trust alone");
  command->add_option("-j,--jobs", options->jobs, "Threads (default: all cores)")
      ->check(CLI::Range(1, 256));
  command->add_flag("--force", options->force, "Replace what is there already");
  command->callback([options] { report(*options); });
}

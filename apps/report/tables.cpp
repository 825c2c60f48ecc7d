// Published figures are per cent, and so are measured ones beside them.
#include "apps/report/tables.h"

#include <cmath>

#include "apps/report/page.h"
#include "apps/report/published.h"
#include "tensor/error.h"

using namespace munet;

namespace {

std::string percent(double value) { return number(100 * value, 1); }

std::string fps(const Run& run) {
  return run.frames_per_second > 0 ? number(run.frames_per_second, 2) : "–";
}

// What a run's row in one of the paper's tables holds, column by column; nothing: no such row.
std::vector<std::string> measured_row(int table, const Run& run, const Run& first) {
  const double j = run.mean.j.mean, f = run.mean.f.mean, both = (j + f) / 2;
  const double base = (first.mean.j.mean + first.mean.f.mean) / 2;
  const std::string name = escape(run.name);
  if (table == 2) return {name, "", "", percent(j), percent(f), percent(both), fps(run)};
  if (table == 3) {
    if (!run.youtube) return {};
    const YoutubeMeans& y = *run.youtube;
    return {name,
            "",
            "",
            percent(y.unseen_j),
            percent(y.unseen_f),
            percent(y.seen_j),
            percent(y.seen_f),
            percent(y.overall())};
  }
  const std::string change = (both >= base ? "+" : "−") + percent(std::abs(both - base));
  if (table == 4)
    return {name, percent(j), percent(f), percent(both), &run == &first ? "–" : change};
  return {};
}

}  // namespace

std::string runs_table(const std::vector<Run>& runs) {
  std::vector<TableRow> rows;
  for (const Run& run : runs)
    rows.push_back(
        {{escape(run.name), percent((run.mean.j.mean + run.mean.f.mean) / 2),
          percent(run.mean.j.mean), percent(run.mean.j.recall), percent(run.mean.j.decay),
          percent(run.mean.f.mean), percent(run.mean.f.recall), percent(run.mean.f.decay), fps(run),
          "<small>" + escape(run.settings) + "</small>"}});
  return html_table({"Run", "J&amp;F", "J mean", "recall", "decay", "F mean", "recall", "decay",
                     "FPS", "settings"},
                    rows);
}

std::string objects_table(const std::vector<Run>& runs) {
  std::vector<std::string> columns = {"Object"};
  for (const Run& run : runs)
    for (const char* measure : {"J ", "F "}) columns.push_back(measure + escape(run.name));
  std::vector<TableRow> rows;
  for (std::size_t i = 0; i < runs[0].rows.size(); ++i) {
    TableRow row{{escape(runs[0].rows[i].name)}};
    for (const Run& run : runs)
      for (const Statistics& measure : {run.rows[i].j, run.rows[i].f})
        row.cells.push_back(number(measure.mean, 3));
    rows.push_back(row);
  }
  return html_table(columns, rows);
}

std::string published_html(const std::vector<Run>& runs, const Truth& truth) {
  const std::string where =
      str("measured here on ", escape(truth.set), ", ", truth.sequences.size(), " sequences",
          truth.rule == ScoreRule::davis2016   ? " (DAVIS 2016)"
          : truth.rule == ScoreRule::davis2017 ? " (DAVIS 2017)"
                                               : "");
  std::string html;
  for (const PublishedTable& table : published_tables()) {
    std::vector<std::string> columns = {escape(table.columns[0]), "source"};
    columns.insert(columns.end(), table.columns.begin() + 1, table.columns.end());
    for (std::size_t i = 2; i < columns.size(); ++i) columns[i] = escape(columns[i]);
    std::vector<TableRow> rows;
    const auto add = [&](std::vector<std::string> cells, const std::string& source, bool measured) {
      if (cells.size() > 1) cells.insert(cells.begin() + 1, source);
      rows.push_back({std::move(cells), measured});
    };
    for (const std::vector<std::string>& row : table.rows) {
      std::vector<std::string> cells;
      for (const std::string& cell : row) cells.push_back(escape(cell == "-" ? "–" : cell));
      add(cells, "published", false);
    }
    bool any = false;
    for (const Run& run : runs) {
      std::vector<std::string> cells = measured_row(table.number, run, runs[0]);
      if (cells.empty()) continue;
      if (!any) rows.push_back({{"This program: " + where}});
      any = true;
      add(cells, "measured", true);
    }
    html += "<details" + std::string(table.number == 2 ? " open" : "") + "><summary>" +
            escape(table.title) + "</summary>\n" + html_table(columns, rows);
    if (!any)
      html +=
          "<p class=\"dim\">No measured row: it takes a data set with categories, and --seen with "
          "the training set's meta.json.</p>\n";
    if (!table.note.empty()) html += "<p class=\"dim\">" + escape(table.note) + "</p>\n";
    html += "</details>\n";
  }
  return html +
         "<p class=\"dim\">Published rows are the paper's figures on its own data; measured rows "
         "are this program's masks on the data named above each. They are only comparable where "
         "the data is the same. S: static images for training, Y: YouTube-VOS18, O: fine-tuned on "
         "the test video; † DeepLabv3-ResNet101, ‡ Mask-RCNN-ResNet50 backbone. What weights were "
         "trained on says their model card.</p>\n";
}

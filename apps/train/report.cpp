// Curves of many rows are drawn by the means of at most kPoints intervals.
#include "apps/train/report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>

#include "apps/units.h"
#include "data/file.h"
#include "tensor/error.h"

using namespace munet;

namespace {

constexpr int kPoints = 300, kWidth = 460, kHeight = 180, kLeft = 52, kBottom = 22, kTop = 8;

struct Point {
  double x, y;
};
struct Curve {
  std::string name, color;
  std::vector<Point> points;
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

template <class Row>
std::vector<Point> points_of(const std::vector<Row>& rows,
                             const std::function<double(const Row&)>& y) {
  std::vector<Point> points;
  const std::size_t per = rows.size() / kPoints + 1;
  for (std::size_t i = 0; i < rows.size(); i += per) {
    const std::size_t end = std::min(rows.size(), i + per);
    Point mean{0, 0};
    for (std::size_t k = i; k < end; ++k)
      mean.x += double(rows[k].step) / double(end - i), mean.y += y(rows[k]) / double(end - i);
    points.push_back(mean);
  }
  return points;
}

std::string short_number(double value) {
  std::ostringstream out;
  out.precision(3);
  out << value;
  return out.str();
}

void draw(std::ostream& out, const std::string& title, const std::vector<Curve>& curves) {
  double low = INFINITY, high = -INFINITY, first = INFINITY, last = -INFINITY;
  for (const Curve& curve : curves)
    for (const Point& p : curve.points) {
      low = std::min(low, p.y), high = std::max(high, p.y);
      first = std::min(first, p.x), last = std::max(last, p.x);
    }
  if (!(low <= high)) return;
  if (high == low) high = low + (low == 0 ? 1 : std::abs(low) * 0.1);
  if (last == first) last = first + 1;
  const auto x_of = [&](double x) {
    return kLeft + (x - first) / (last - first) * (kWidth - kLeft - 8);
  };
  const auto y_of = [&](double y) {
    return kTop + (high - y) / (high - low) * (kHeight - kTop - kBottom);
  };
  out << "<figure><figcaption>" << escaped(title);
  for (const Curve& curve : curves) {
    out << " <b style=\"color:" << curve.color << "\">" << escaped(curve.name);
    if (!curve.points.empty()) out << " " << short_number(curve.points.back().y);
    out << "</b>";
  }
  out << "</figcaption><svg viewBox=\"0 0 " << kWidth << " " << kHeight << "\">";
  for (int i = 0; i <= 4; ++i) {
    const double value = low + (high - low) * i / 4;
    out << "<line x1=\"" << kLeft << "\" x2=\"" << kWidth - 8 << "\" y1=\"" << y_of(value)
        << "\" y2=\"" << y_of(value) << "\"/><text x=\"" << kLeft - 4 << "\" y=\""
        << y_of(value) + 4 << "\" text-anchor=\"end\">" << short_number(value) << "</text>";
  }
  for (const double step : {first, last})
    out << "<text x=\"" << x_of(step) << "\" y=\"" << kHeight - 6 << "\" text-anchor=\""
        << (step == first ? "start" : "end") << "\">" << int64_t(step) << "</text>";
  for (const Curve& curve : curves) {
    out << "<polyline stroke=\"" << curve.color << "\" points=\"";
    for (const Point& p : curve.points) out << x_of(p.x) << "," << y_of(p.y) << " ";
    out << "\"/>";
  }
  out << "</svg></figure>\n";
}

}  // namespace

void write_report(const std::filesystem::path& path, const Recipe& recipe, const TrainLog& log,
                  const std::vector<Sample>& samples, bool running) {
  std::ostringstream out;
  out << "<!doctype html><meta charset=\"utf-8\"><title>munet train</title>"
      << (running ? "<meta http-equiv=\"refresh\" content=\"30\">" : "")
      << "<style>body{font:14px "
         "sans-serif;margin:24px;max-width:1000px}figure{display:inline-block;"
         "margin:0 12px 12px 0;width:460px}svg line{stroke:#ddd}svg text{font-size:11px;fill:#555}"
         "svg polyline{fill:none;stroke-width:1.5}img{max-width:100%}td{padding:0 12px 0 0}"
         "</style>\n<h1>"
      << (running ? "Training" : "Training, ended") << "</h1>\n";
  const std::vector<LogRow>& rows = log.rows();
  if (!rows.empty())
    out << "<p>" << escaped(line_of(rows.back(), recipe.steps, -1)) << "; "
        << format_seconds(rows.back().seconds) << " of training</p>\n";
  const auto rows_by = [&](auto member) {
    return points_of<LogRow>(rows, [member](const LogRow& row) { return double(row.*member); });
  };
  const auto validations_by = [&](auto member) {
    return points_of<ValidationRow>(
        log.validations(), [member](const ValidationRow& row) { return double(row.*member); });
  };
  draw(out, "loss", {{"", "#0072b2", rows_by(&LogRow::loss)}});
  draw(out, "J on training clips", {{"", "#0072b2", rows_by(&LogRow::j)}});
  draw(out, "validation",
       {{"J", "#0072b2", validations_by(&ValidationRow::j)},
        {"F", "#d55e00", validations_by(&ValidationRow::f)}});
  draw(out, "gradient norm", {{"", "#0072b2", rows_by(&LogRow::norm)}});
  draw(out, "learning rate", {{"", "#0072b2", rows_by(&LogRow::lr)}});
  draw(out, "clips per second", {{"", "#0072b2", rows_by(&LogRow::clips_per_second)}});
  if (!samples.empty())
    out << "<h2>Samples</h2><p>Upper row: the truth. Lower row: the first frame as it is, then "
           "what was found.</p>\n";
  for (auto sample = samples.rbegin(); sample != samples.rend(); ++sample)
    out << "<p>" << escaped(sample->caption) << "<br><img src=\"" << escaped(sample->picture)
        << "\"></p>\n";
  out << "<h2>Recipe</h2><pre>" << escaped(to_json(recipe)) << "</pre>\n";
  const std::string page = out.str();
  write_file("report", path, {page.begin(), page.end()});
}

// One HTML page without anything outside of it: style, plots as SVG, pictures as data.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/image.h"

std::string escape(const std::string& text);  // for HTML
std::string number(double value, int digits);

// <img> of a JPEG (or PNG, for few flat colours) in base64, `width` pixels wide at most; alt: what
// is in it.
std::string picture(const munet::Image& image, const std::string& alt, int width = 256);
std::string flat_picture(const munet::Image& image, const std::string& alt);

// A picture with a line below it.
std::string figure(const std::string& picture, const std::string& caption);
// Figures in a row, as many as fit.
std::string strip(const std::string& figures);

// A line chart, y from 0 to 1.
struct Line {
  std::string name;
  int color;  // 0, 1, ...: a colour of the page that light and dark both have
  std::vector<std::pair<double, double>> points;
  bool dashed = false;
};
struct Plot {
  std::string title, x_name, y_name;
  double x_first = 0, x_last = 1;
  std::vector<Line> lines;
  std::vector<double> marks;  // x of thin vertical lines
};
std::string line_plot(const Plot& plot);

// Cells from bad (0) to good (1) in a row, each with a tooltip.
struct Cell {
  double value;
  std::string tip;
};
std::string trust_strip(const std::vector<Cell>& cells);

// A table; rows of one cell are headings; `measured` rows (by their index) stand out.
struct TableRow {
  std::vector<std::string> cells;  // HTML
  bool measured = false;
};
std::string html_table(const std::vector<std::string>& columns, const std::vector<TableRow>& rows);

// The whole document.
std::string html_page(const std::string& title, const std::string& body);

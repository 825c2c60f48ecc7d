// Colours are variables of the style, so that SVG and text turn with light and dark.
#include "apps/report/page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "data/flow.h"
#include "data/jpeg.h"
#include "data/png.h"
#include "tensor/error.h"

using namespace munet;

namespace {

constexpr int kColors = 6;

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d1d9e0;--soft:#f2f5f8;
--mark:#fff4d6;--c0:#0b62a8;--c1:#c24d00;--c2:#00795a;--c3:#a8478a;--c4:#8a6d00;--c5:#5b5bd6;
--bad:#c0392b;--mid:#e3b341;--good:#2e8b57}
@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e3e8ee;--dim:#9aa5b1;--line:#39424c;
--soft:#1d232a;--mark:#3a3115;--c0:#62b0f5;--c1:#ff9a52;--c2:#3fcf9f;--c3:#ee93d3;--c4:#e2c044;
--c5:#a9a7ff;--bad:#ff6b5e;--mid:#e3b341;--good:#4cc38a}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:1180px;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.25rem;margin:2.4rem 0 .5rem;padding-top:.6rem;
border-top:1px solid var(--line)}h3{font-size:1.02rem;margin:1.4rem 0 .3rem}
p{max-width:80ch;margin:.4rem 0}small,.dim,figcaption{color:var(--dim)}
a{color:var(--c0)}nav a{margin-right:1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.18rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:600}
td.group{font-weight:600;background:var(--soft);text-align:left}
tr.measured td{background:var(--mark)}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:.7rem;
margin:.4rem 0 1rem}
figure{margin:0}figure img{width:100%;height:auto;display:block;border-radius:3px;border:1px solid var(--line)}
figure img.flat{width:auto;max-width:100%;image-rendering:pixelated}
figcaption{font-size:.8rem;margin-top:.15rem}
svg{max-width:100%;height:auto;display:block;color:var(--fg)}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}svg .name{fill:var(--fg);font-size:12px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(420px,1fr));gap:.8rem}
details summary{cursor:pointer;color:var(--c0);margin:.4rem 0}
)css";

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (k < n ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= n ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string img(const char* kind, const std::vector<uint8_t>& bytes, const Image& image,
                const std::string& alt) {
  const bool flat = kind == std::string("png");
  return str("<img ", flat ? "class=\"flat\" " : "", "src=\"data:image/", kind, ";base64,",
             base64(bytes), "\" width=\"", image.width, "\" height=\"", image.height, "\" alt=\"",
             escape(alt), "\">");
}

}  // namespace

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string picture(const Image& image, const std::string& alt, int width) {
  if (image.width <= width) return img("jpeg", encode_jpeg(image, 82), image, alt);
  const int height = std::max(1, int(std::lround(double(image.height) * width / image.width)));
  const Image small = reduced(image, width, height);
  return img("jpeg", encode_jpeg(small, 82), small, alt);
}

std::string flat_picture(const Image& image, const std::string& alt) {
  return img("png", encode_png(image.width, image.height, image.rgb), image, alt);
}

std::string figure(const std::string& picture, const std::string& caption) {
  return "<figure>" + picture + "<figcaption>" + caption + "</figcaption></figure>\n";
}

std::string strip(const std::string& figures) {
  return "<div class=\"strip\">\n" + figures + "</div>\n";
}

std::string line_plot(const Plot& plot) {
  constexpr double kWidth = 540, kLeft = 36, kRight = 8, kTop = 24, kHeight = 130, kLegend = 34;
  const double span = std::max(1e-9, plot.x_last - plot.x_first);
  const auto x_of = [&](double x) {
    return kLeft + (x - plot.x_first) / span * (kWidth - kLeft - kRight);
  };
  const auto y_of = [&](double y) { return kTop + (1 - std::clamp(y, 0.0, 1.0)) * kHeight; };
  std::string svg =
      str("<svg viewBox=\"0 0 ", kWidth, " ", kTop + kHeight + kLegend + 14,
          "\" role=\"img\" aria-label=\"", escape(plot.title), "\">\n", "<text class=\"name\" x=\"",
          kLeft, "\" y=\"14\">", escape(plot.title), "</text>\n");
  for (const double y : {0.0, 0.25, 0.5, 0.75, 1.0})
    svg += str("<line x1=\"", kLeft, "\" x2=\"", kWidth - kRight, "\" y1=\"", y_of(y), "\" y2=\"",
               y_of(y), "\" stroke=\"var(--line)\"/><text text-anchor=\"end\" x=\"", kLeft - 4,
               "\" y=\"", y_of(y) + 4, "\">", number(y, 2), "</text>\n");
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const double x = plot.x_first + span * quarter / 4;
    svg += str("<text text-anchor=\"",
               quarter == 0   ? "start"
               : quarter == 4 ? "end"
                              : "middle",
               "\" x=\"", x_of(x), "\" y=\"", kTop + kHeight + 13, "\">", std::lround(x),
               quarter == 0 ? str(" ", escape(plot.x_name)) : "", "</text>\n");
  }
  for (const double x : plot.marks)
    svg += str("<line x1=\"", x_of(x), "\" x2=\"", x_of(x), "\" y1=\"", kTop, "\" y2=\"",
               kTop + kHeight, "\" stroke=\"var(--bad)\" stroke-dasharray=\"2 3\"/>\n");
  double legend = kLeft;
  for (const Line& line : plot.lines) {
    const std::string stroke =
        str(" fill=\"none\" stroke=\"var(--c", line.color % kColors, ")\" stroke-width=\"1.8\"",
            line.dashed ? " stroke-dasharray=\"5 4\"" : "");
    svg += "<polyline points=\"";
    for (const auto& [x, y] : line.points)
      svg += number(x_of(x), 1) + "," + number(y_of(y), 1) + " ";
    svg += "\"" + stroke + "/>\n";
    const double y = kTop + kHeight + kLegend;
    svg += str("<line x1=\"", legend, "\" x2=\"", legend + 18, "\" y1=\"", y - 4, "\" y2=\"", y - 4,
               "\"", stroke, "/><text x=\"", legend + 23, "\" y=\"", y, "\">", escape(line.name),
               "</text>\n");
    legend += 40 + 6.4 * double(line.name.size());
  }
  return svg + "</svg>\n";
}

std::string trust_strip(const std::vector<Cell>& cells) {
  constexpr double kWidth = 1000, kHeight = 18;
  std::string svg = str("<svg viewBox=\"0 0 ", kWidth, " ", kHeight,
                        "\" preserveAspectRatio=\"none\" style=\"width:100%;height:18px\" "
                        "role=\"img\" aria-label=\"trust per frame\">\n");
  const double width = kWidth / double(std::max<std::size_t>(1, cells.size()));
  for (std::size_t i = 0; i < cells.size(); ++i) {
    // Red to yellow to green; mixed by the browser, so both schemes keep their own.
    const double v = std::clamp(cells[i].value, 0.0, 1.0);
    const bool low = v < 0.5;
    const int share = int(std::lround(100 * (low ? 2 * v : 2 * v - 1)));
    svg += str("<rect x=\"", number(double(i) * width, 2), "\" width=\"", number(width + 0.3, 2),
               "\" height=\"", kHeight, "\" style=\"fill:color-mix(in srgb,var(--",
               low ? "mid" : "good", ") ", share, "%,var(--", low ? "bad" : "mid", "))\"><title>",
               escape(cells[i].tip), "</title></rect>\n");
  }
  return svg + "</svg>\n";
}

std::string html_table(const std::vector<std::string>& columns, const std::vector<TableRow>& rows) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& column : columns) html += "<th>" + column + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const TableRow& row : rows) {
    html += row.measured ? "<tr class=\"measured\">" : "<tr>";
    if (row.cells.size() == 1)
      html += str("<td class=\"group\" colspan=\"", columns.size(), "\">", row.cells[0], "</td>");
    else
      for (const std::string& cell : row.cells) html += "<td>" + cell + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string html_page(const std::string& title, const std::string& body) {
  return str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
             escape(title), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n", body,
             "</body>\n</html>\n");
}

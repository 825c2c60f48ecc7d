// Shapes are collected in the order of the command line: later ones cover earlier ones.
#include "apps/mask.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/mask.h"
#include "data/shapes.h"
#include "tensor/error.h"

namespace {

using namespace munet;

struct Shape {
  std::string option;           // "--box"
  std::vector<double> numbers;  // as given
  std::string text;
  int id;
};

struct Options {
  std::string frame, out;
  std::vector<Shape> shapes;
  bool force = false;
};

// "1,2.5" and "3,4" -> 1, 2.5, 3, 4.
std::vector<double> parse_numbers(const std::vector<std::string>& texts, std::string& all) {
  std::vector<double> numbers;
  for (const std::string& text : texts) {
    all += (all.empty() ? "" : " ") + text;
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
      double number = 0;
      const auto [stop, error] = std::from_chars(at, end, number);
      const bool last = stop == end;
      if (error != std::errc() || !std::isfinite(number) ||
          (!last && (*stop != ',' || stop + 1 == end)))
        return {};
      numbers.push_back(number);
      at = last ? end : stop + 1;
    }
  }
  return numbers;
}

void add_shape(Options& options, const std::string& option, const std::vector<std::string>& texts) {
  Shape shape{option, {}, {}, int(options.shapes.size()) + 1};
  shape.numbers = parse_numbers(texts, shape.text);
  const std::vector<double>& n = shape.numbers;
  if (option == "--polygon")
    check(n.size() >= 6 && n.size() % 2 == 0,
          "--polygon: expected three or more corners like 10,20 60,20 35,70; given \"", shape.text,
          "\"");
  else
    check(n.size() == 4 && n[2] > 0 && n[3] > 0, option, ": expected ",
          option == "--box" ? "X,Y,WIDTH,HEIGHT" : "CENTRE_X,CENTRE_Y,RADIUS_X,RADIUS_Y",
          " in pixels, like 120,80,60,100; given \"", shape.text, "\"");
  options.shapes.push_back(shape);
}

int64_t draw(Mask& mask, const Shape& shape) {
  const std::vector<double>& n = shape.numbers;
  if (shape.option == "--box") return fill_box(mask, shape.id, n[0], n[1], n[2], n[3]);
  if (shape.option == "--ellipse") return fill_ellipse(mask, shape.id, n[0], n[1], n[2], n[3]);
  std::vector<std::pair<double, double>> corners;
  for (std::size_t i = 0; i < n.size(); i += 2) corners.emplace_back(n[i], n[i + 1]);
  return fill_polygon(mask, shape.id, corners);
}

void make_mask(const Options& options) {
  check(!options.shapes.empty(), "mask: expected a shape: --box, --polygon or --ellipse");
  std::error_code unknown;
  check<FileError>(options.force || !std::filesystem::exists(options.out, unknown),
                   "mask: expected a new file; ", options.out,
                   " is there already (--force replaces it)");
  const Image frame = read_image(options.frame);
  Mask mask{frame.width,
            frame.height,
            std::vector<uint8_t>(std::size_t(frame.width) * std::size_t(frame.height)),
            {}};
  for (const Shape& shape : options.shapes)
    check(draw(mask, shape) > 0, shape.option, ": expected a shape on the picture, which is ",
          frame.width, "x", frame.height, "; ", shape.text, " covers no pixel of it");
  write_mask(options.out, mask);
  std::vector<int64_t> pixels(256);
  for (const uint8_t id : mask.ids) ++pixels[id];
  std::printf("%s: %dx%d", options.out.c_str(), mask.width, mask.height);
  for (const int id : ids_in(mask))
    std::printf(", object %d: %lld pixels", id, static_cast<long long>(pixels[std::size_t(id)]));
  std::printf("\n");
}

}  // namespace

void add_mask(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "mask", "A first mask from shapes: munet mask f.png --box 120,80,60,100 -o first.png");
  command->footer(
      "Examples:\n"
      "  munet mask f.png --box 300,120,90,160 -o first.png\n"
      "  munet mask f.png --ellipse 345,200,40,80 --ellipse 600,240,30,70 --id 5 -o first.png\n"
      "  munet mask f.png --polygon 310,95 350,90 360,210 300,215 -o first.png");
  command->add_option("FRAME", options->frame, "The picture that the mask is for")->required();
  command->add_option("-o,--out", options->out, "The mask, a palette PNG")->required();
  command->add_flag("--force", options->force, "Replace the mask if it is there already");
  const auto add = [&](const std::string& name, int count, const std::string& help) {
    using Texts = std::vector<std::string>;
    const std::function<void(const Texts&)> on_parse = [options, name](const Texts& texts) {
      add_shape(*options, name, texts);
    };
    command->add_option_function(name, on_parse, help)->expected(count)->trigger_on_parse();
  };
  add("--box", 1, "X,Y,WIDTH,HEIGHT in pixels; any shape may be given several times");
  add("--ellipse", 1, "CENTRE_X,CENTRE_Y,RADIUS_X,RADIUS_Y");
  add("--polygon", -1, "Corners: X,Y X,Y X,Y ...");
  const std::function<void(const int&)> on_id = [options](const int& id) {
    check(!options->shapes.empty(), "--id: expected a shape before it, which gets this id");
    options->shapes.back().id = id;
  };
  command->add_option_function("--id", on_id, "Of the shape before it (default: 1, 2, 3 ...)")
      ->check(CLI::Range(1, 254))
      ->trigger_on_parse();
  command->callback([options] { make_mask(*options); });
}

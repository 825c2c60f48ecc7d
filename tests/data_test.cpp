// Masks, folders of frames and DAVIS's layout; real data where it is at hand.
#include <algorithm>
#include <map>

#include "data/davis.h"
#include "data/image.h"
#include "data/mask.h"
#include "data/sequence.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/support.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

const std::vector<png_color> kPalette = {{0, 0, 0}, {200, 10, 20}, {30, 40, 50}, {9, 9, 9}};

fs::path make_mask(const fs::path& path, const std::vector<uint16_t>& samples, int depth,
                   int color) {
  const bool indexed = color == PNG_COLOR_TYPE_PALETTE;
  const int channels = color == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : color == PNG_COLOR_TYPE_RGB ? 3 : 1;
  make_png(path, int(samples.size()) / 2 / channels, 2, samples,
           {depth, color, false, indexed ? kPalette : std::vector<png_color>{}});
  return path;
}

}  // namespace

TEST_CASE("mask: which numbers of which file are which ids", "[mask]") {
  const TemporaryFolder folder;
  using Ids = std::vector<uint8_t>;
  const int grey = PNG_COLOR_TYPE_GRAY, indexed = PNG_COLOR_TYPE_PALETTE;
  struct Row {
    const char* what;
    int depth, color;
    std::vector<uint16_t> samples;
    Ids ids;
  };
  for (const Row& row : std::vector<Row>{
           {"indices", 8, indexed, {0, 1, 2, 3, 2, 1}, {0, 1, 2, 3, 2, 1}},
           {"packed indices", 2, indexed, {0, 1, 2, 3, 2, 1}, {0, 1, 2, 3, 2, 1}},
           {"packed indices, the largest alone", 2, indexed, {0, 3, 3, 0}, {0, 3, 3, 0}},
           {"indices with void", 8, indexed, {0, 1, 255, 3, 2, 1}, {0, 1, 0, 3, 2, 1}},
           {"grey ids with holes", 8, grey, {0, 1, 7, 254, 7, 0}, {0, 1, 7, 254, 7, 0}},
           {"grey ids with void", 8, grey, {0, 3, 255, 3, 255, 0}, {0, 3, 0, 3, 0, 0}},
           {"black and white", 8, grey, {0, 255, 255, 0, 0, 255}, {0, 1, 1, 0, 0, 1}},
           {"all white", 8, grey, {255, 255, 255, 255}, {1, 1, 1, 1}},
           {"all black", 8, grey, {0, 0, 0, 0}, {0, 0, 0, 0}},
           {"1 bit", 1, grey, {0, 1, 1, 0, 0, 1}, {0, 1, 1, 0, 0, 1}},
           {"2 bits", 2, grey, {0, 1, 2, 3, 3, 1}, {0, 1, 2, 3, 3, 1}},
           {"2 bits, black and white", 2, grey, {0, 3, 3, 0}, {0, 1, 1, 0}},
           {"4 bits", 4, grey, {0, 15, 2, 14, 3, 1}, {0, 15, 2, 14, 3, 1}},
           {"4 bits, black and white", 4, grey, {0, 15, 0, 15}, {0, 1, 0, 1}},
           {"grey and alpha",
            8,
            PNG_COLOR_TYPE_GRAY_ALPHA,
            {0, 255, 255, 255, 0, 0, 255, 9},
            {0, 1, 0, 1}},
       }) {
    INFO(row.what);
    const Mask mask = read_mask(make_mask(folder / "m.png", row.samples, row.depth, row.color));
    CHECK(mask.ids == row.ids);
    CHECK(mask.height == 2);
    CHECK(mask.width == int(row.ids.size()) / 2);
    CHECK(mask.palette.size() == (row.color == indexed ? 12u : 0u));
  }
}

TEST_CASE("mask: white and void stay 255 where asked", "[mask]") {
  const TemporaryFolder folder;
  using Ids = std::vector<uint8_t>;
  const int grey = PNG_COLOR_TYPE_GRAY;
  const auto ids = [&](const std::vector<uint16_t>& samples, int depth) {
    return read_mask_keeping_white(make_mask(folder / "m.png", samples, depth, grey)).ids;
  };
  CHECK(ids({0, 255, 255, 0}, 8) == Ids{0, 255, 255, 0});
  CHECK(ids({0, 255, 3, 0}, 8) == Ids{0, 255, 3, 0});
  CHECK(ids({0, 1, 1, 0}, 1) == Ids{0, 255, 255, 0});
  CHECK(ids({0, 3, 1, 0}, 2) == Ids{0, 3, 1, 0});
}

TEST_CASE("mask: what is refused, and the way out", "[mask]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.png";
  const std::string start = "read_mask: " + path.string() + ": ";
  make_mask(path, {0, 0, 0, 255, 0, 0}, 16, PNG_COLOR_TYPE_RGB);
  CHECK(file_error([&] { read_mask(path); }) ==
        start +
            "expected a PNG with a palette or 8-bit grey, whose numbers are object ids; found "
            "16-bit RGB; save it with a palette (index 0 = background) or as 8-bit grey");
  make_mask(path, {0, 1, 300, 0}, 16, PNG_COLOR_TYPE_GRAY);
  CHECK(file_error([&] { read_mask(path); }) ==
        start +
            "expected a PNG with a palette or 8-bit grey, whose numbers are object ids; found "
            "16-bit grey; save it with a palette (index 0 = background) or as 8-bit grey");
  std::vector<uint16_t> soft;
  for (uint16_t i = 0; i < 66; ++i) soft.push_back(i);
  make_mask(path, soft, 8, PNG_COLOR_TYPE_GRAY);
  CHECK(file_error([&] { read_mask(path); }) ==
        start +
            "expected object ids; found 65 different grey values, which looks like soft edges; "
            "make it black and white, or save ids with a palette");
  fs::copy_file(source_dir() / "tests/golden/jpeg_grey.jpg", folder / "j.png");
  CHECK(file_error([&] { read_mask(folder / "j.png"); }) ==
        "read_mask: " + (folder / "j.png").string() +
            ": expected a PNG with a palette or 8-bit grey; found another kind of file; masks need "
            "exact numbers, which JPEG does not keep");
  make_mask(path, {0, 1, 2, 0}, 8, PNG_COLOR_TYPE_GRAY);
  const std::string whole = slurp(path);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(file_error([&] { read_mask(spill(path, whole.substr(0, size))); }) != "");
}

TEST_CASE("mask: colours from a paint program become objects", "[mask]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.png";
  const auto painted = [&](const std::vector<uint16_t>& samples, int channels) {
    make_png(path, int(samples.size()) / channels, 1, samples,
             {8, channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, false, {}});
    return read_mask(path);
  };
  using Ids = std::vector<uint8_t>;
  Mask mask = painted({0, 0, 0, 255, 0, 0, 0, 255, 9, 255, 0, 0}, 3);
  CHECK(mask.painted);
  CHECK(mask.ids == Ids{0, 2, 1, 2});
  CHECK(Ids(mask.palette.begin(), mask.palette.begin() + 9) == Ids{0, 0, 0, 0, 255, 9, 255, 0, 0});
  CHECK(painted({0, 0, 0, 0, 128, 128, 128, 0, 0}, 3).ids == Ids{0, 6, 1});  // DAVIS's colours
  CHECK(painted({9, 9, 9, 0, 7, 7, 7, 255, 0, 0, 0, 255}, 4).ids == Ids{0, 1, 0});
  CHECK(painted({255, 255, 255, 0, 0, 0}, 3).ids == Ids{1, 0});

  const std::string start = "read_mask: " + path.string() + ": expected ";
  const std::string hint =
      "; paint with a hard pencil (anti-aliasing and feathering off) and save as PNG";
  std::vector<uint16_t> soft;
  for (uint16_t i = 0; i < 900; ++i) soft.push_back(i % 3 == 0 ? i / 3 % 256 : i / 3 / 256 * 9);
  CHECK(file_error([&] { painted(soft, 3); }) ==
        start +
            "at most 32 flat colours, one per object; found 299, which looks like soft edges "
            "or a photograph, the rarest #000909 (1 pixels), #010000 (1 pixels), #010909 (1 "
            "pixels)" +
            hint);
  CHECK(file_error([&] {
          painted({9, 9, 9, 0, 7, 7, 7, 100}, 4);
        }) ==
        start +
            "pixels that are opaque or transparent; found 1 half-transparent ones, which looks "
            "like soft edges" +
            hint);
  CHECK(file_error([&] {
          painted({9, 9, 9, 7, 7, 7}, 3);
        }) ==
        start +
            "black or transparent where there is no object; found 2 other colours everywhere; "
            "paint the background black");
}

TEST_CASE("mask: written with its own palette, continued by DAVIS's", "[mask]") {
  const TemporaryFolder folder;
  const Mask mask{3, 2, {0, 1, 2, 7, 254, 0}, {9, 8, 7, 6, 5, 4}};
  write_mask(folder / "m.png", mask);
  const Mask again = read_mask(folder / "m.png");
  CHECK(again.ids == mask.ids);
  REQUIRE(again.palette.size() == 768);
  CHECK(std::equal(mask.palette.begin(), mask.palette.end(), again.palette.begin()));
  const std::vector<uint8_t> davis = davis_palette();
  CHECK(std::equal(davis.begin() + 6, davis.end(), again.palette.begin() + 6));
  CHECK(ids_in(again) == std::vector<int>{1, 2, 7, 254});
  write_mask(folder / "n.png", {3, 2, mask.ids, {}});
  CHECK(read_mask(folder / "n.png").palette == davis);
  // An id 1 next to void stays id 1: written files never use 255.
  CHECK(read_image(folder / "m.png").rgb[3] == 6);
  CHECK_THROWS_AS(write_mask(folder / "o.png", {3, 3, mask.ids, {}}), ShapeError);
}

TEST_CASE("mask: DAVIS's palette", "[mask]") {
  const std::vector<uint8_t> palette = davis_palette();
  const std::map<int, std::vector<int>> known = {
      {0, {0, 0, 0}},   {1, {128, 0, 0}},   {2, {0, 128, 0}},      {6, {0, 128, 128}},
      {9, {192, 0, 0}}, {20, {0, 64, 128}}, {255, {224, 224, 192}}};
  for (const auto& [id, rgb] : known)
    for (int c = 0; c < 3; ++c) CHECK(int(palette[std::size_t(3 * id + c)]) == rgb[std::size_t(c)]);
}

TEST_CASE("sequence: natural order", "[sequence]") {
  const std::vector<std::string> ordered = {
      "1.png",      "01.png",    "2.png",    "10.png",   "a.png",
      "frame2.png", "frame010a", "frame10a", "frame10b", "frame18446744073709551617.png"};
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      INFO(ordered[i] << " < " << ordered[j]);
      if (ordered[i].size() == ordered[j].size() + 1 &&
          ordered[i].find("010a") != std::string::npos)
        continue;  // checked below
      if (ordered[j].size() == ordered[i].size() + 1 &&
          ordered[j].find("010a") != std::string::npos)
        continue;
      CHECK(natural_less(ordered[i], ordered[j]) == (i < j));
    }
  CHECK(natural_less("frame10a", "frame010a"));
  CHECK(!natural_less("frame010a", "frame10a"));
  CHECK(!natural_less("x", "x"));
}

TEST_CASE("sequence: a folder of frames", "[sequence]") {
  const TemporaryFolder folder;
  for (const char* name : {"f10.jpg", "f9.PNG", "f1.bmp", "notes.txt", ".hidden.png", "z.mp4"})
    spill(folder / name, "");
  fs::create_directory(folder / "sub.png");
  const FrameFolder found = list_frames(folder.path);
  REQUIRE(found.frames.size() == 3);
  CHECK(found.frames[0].filename() == "f1.bmp");
  CHECK(found.frames[1].filename() == "f9.PNG");
  CHECK(found.frames[2].filename() == "f10.jpg");
  CHECK(found.ignored == std::vector<std::string>{"notes.txt", "z.mp4"});
  spill(folder / "f9.jpg", "");
  CHECK(file_error([&] { list_frames(folder.path); }) ==
        "list_frames: expected one picture per name in " + folder.path.string() +
            "; found f9.PNG and f9.jpg");
  const TemporaryFolder none;
  spill(none / "a.txt", "");
  CHECK(file_error([&] { list_frames(none.path); }) ==
        "list_frames: expected pictures (JPEG, PNG, BMP, PNM, TGA) in " + none.path.string() +
            "; found none among 1 files");
  CHECK(file_error([&] { list_frames(none / "no"); }) == "list_frames: cannot read the folder " +
                                                             (none / "no").string() +
                                                             ": No such file or directory");
  CHECK(file_error([&] { list_frames(none / "a.txt"); }).ends_with(": Not a directory"));
}

TEST_CASE("davis: sequences with frames and masks, and what is missing by name", "[davis]") {
  const TemporaryFolder root;
  const auto error = [&](const std::string& list) {
    return file_error([&] { read_davis(root.path, list); });
  };
  const fs::path frames = root / "JPEGImages/480p", masks = root / "Annotations/480p";
  CHECK(error("2016/val") ==
        "read_davis: expected frames in " + frames.string() + "; there is no such folder");
  fs::create_directories(frames / "bear");
  CHECK(error("2016/val") ==
        "read_davis: expected masks in " + masks.string() + "; there is no such folder");
  fs::create_directories(masks / "bear");
  const fs::path lists = root / "ImageSets";
  CHECK(error("2016/val") ==
        "read_davis: expected the list " + (lists / "2016/val.txt").string() + "; found no list");
  fs::create_directories(lists / "2016");
  spill(lists / "2016/train.txt", "");
  CHECK(error("2016/val") == "read_davis: expected the list " + (lists / "2016/val.txt").string() +
                                 "; found 2016/train");
  CHECK(error("2016/train") == "read_davis: expected sequence names in " +
                                   (lists / "2016/train.txt").string() + "; found none");
  spill(lists / "2016/val.txt", "goat\r\n\nbear\n");
  CHECK(error("2016/val") == "read_davis: expected the frames of a listed sequence in " +
                                 (frames / "goat").string() + "; there is no such folder");
  fs::create_directories(frames / "goat");
  CHECK(error("2016/val") == "read_davis: expected the masks of a listed sequence in " +
                                 (masks / "goat").string() + "; there is no such folder");
  fs::create_directories(masks / "goat");
  for (const char* name : {"00000", "00001", "00002"})
    for (const char* sequence : {"bear", "goat"})
      spill(frames / sequence / (name + std::string(".jpg")), "");
  CHECK(error("2016/val") == "read_davis: expected a mask of the first frame, " +
                                 (masks / "goat/00000.png").string() + "; there is no such file");
  for (const fs::path name : {"bear/00000.png", "goat/00000.png", "goat/00002.png"})
    spill(masks / name, "");
  std::vector<DavisSequence> found = read_davis(root.path, "2016/val");
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "goat");
  CHECK(found[0].frames.size() == 3);
  CHECK(found[0].masks[1].empty());
  CHECK(found[0].masks[2] == masks / "goat/00002.png");
  CHECK(found[1].name == "bear");
  spill(lists / "2016/files.txt",
        "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png\n"
        "/JPEGImages/480p/bear/00001.jpg /Annotations/480p/bear/00001.png\n");
  found = read_davis(root.path, "2016/files");
  REQUIRE(found.size() == 1);
  CHECK(found[0].name == "bear");
}

TEST_CASE("real data: DAVIS 2016, and masks of every origin", "[davis]") {
  const fs::path davis = shared_dir() / "data/davis2016",
                 multi = shared_dir() / "data/multi-object";
  if (!fs::exists(davis)) return skip("no DAVIS data in " + davis.string());
  const std::vector<DavisSequence> sequences = read_davis(davis, "2016/val-dev");
  CHECK(sequences.size() == 8);
  std::size_t frames = 0;
  for (const DavisSequence& s : sequences) frames += s.frames.size();
  CHECK(frames == 491);
  const Image frame = read_image(sequences[0].frames[0]);
  const Mask mask = read_mask(sequences[0].masks[0]);
  CHECK(frame.width == 854);
  CHECK(frame.height == mask.height);
  CHECK(ids_in(mask) == std::vector<int>{1});
  CHECK(ids_in(read_mask(davis / "Annotations/480p/bear/00077.png")) == std::vector<int>{1});
  if (!fs::exists(multi)) return skip("no multi-object data in " + multi.string());
  const Mask girls = read_mask(multi / "Annotations/davis17-schoolgirls/00000.png");
  CHECK(ids_in(girls) == std::vector<int>{1, 2, 3, 4, 5, 6, 7});
  const std::vector<uint8_t> palette = davis_palette();
  CHECK(std::equal(palette.begin(), palette.begin() + 24, girls.palette.begin()));
  CHECK(ids_in(read_mask(multi / "Annotations/segtrack-girl/00000.png")) == std::vector<int>{1});
}

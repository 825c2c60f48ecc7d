// Hostile files: valid ones of every format that munet reads, damaged at random (flipped, cut,
// repeated, spliced, with extreme lengths), must be read or refused by an Error: never a crash, a
// hang, another exception or memory out of proportion. Meant for the asan preset;
// MUNET_FUZZ_ROUNDS (default 400 per file) makes it longer, MUNET_FUZZ_SEED different.
#include <cstdlib>
#include <functional>

#include "data/davis.h"
#include "data/image.h"
#include "data/mask.h"
#include "data/rle.h"
#include "data/shapes.h"
#include "data/training_files.h"
#include "data/video.h"
#include "data/youtube.h"
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/pictures.h"
#include "tests/support.h"
#include "tests/video_pictures.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// One to four damages, all told by (seed, round).
std::string damaged(std::string bytes, uint64_t seed, uint64_t round) {
  uint64_t draws = 0;
  const auto below = [&](std::size_t n) {
    return std::size_t(random_uniform(seed, round * 64 + draws++) * double(n));
  };
  for (std::size_t times = 1 + below(4); times-- > 0 && !bytes.empty();) {
    // Half of them where the tables are.
    const std::size_t at =
        below(below(2) ? bytes.size() : std::min<std::size_t>(bytes.size(), 512));
    const std::size_t length = 1 + below(std::min<std::size_t>(bytes.size() - at, 32));
    switch (below(8)) {
      case 0:
      case 1:
        bytes[at] = char(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes[at] = char(below(256));
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 5:
        bytes.erase(at, length);
        break;
      case 6: {  // a number at its limits, of 1 to 8 bytes
        const char fill[] = {'\0', '\x7f', '\xff', '\x80', '9'};
        for (std::size_t i = 0; i < std::min<std::size_t>(length, 8); ++i)
          bytes[at + i] = fill[below(5)];
        break;
      }
      default:
        bytes.replace(below(bytes.size()), length, bytes.substr(at, length));
    }
  }
  return bytes;
}

// Reads damaged copies of `bytes`; tells how many were read all the same.
int survive(const std::string& format, const fs::path& path, const std::string& bytes,
            const std::function<void(const fs::path&)>& read, uint64_t share = 1) {
  const uint64_t rounds = setting("MUNET_FUZZ_ROUNDS", 400) / share;
  const uint64_t seed = setting("MUNET_FUZZ_SEED", 7);
  REQUIRE_FALSE(bytes.empty());
  REQUIRE_NOTHROW(read(spill(path, bytes)));
  int read_anyway = 0, refused = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    INFO(format << ", round " << round << " of seed " << seed);
    spill(path, damaged(bytes, seed, round));
    try {
      read(path);
      ++read_anyway;
    } catch (const Error& e) {
      CHECK(std::string(e.what()).size() > 10);
      ++refused;
    } catch (const std::exception& e) {
      FAIL("an exception that is no munet::Error: " << e.what());
    }
  }
  CHECK(refused > 0);  // else nothing was damaged
  return read_anyway;
}

std::vector<uint16_t> ramp(int count, int levels) {
  std::vector<uint16_t> out;
  for (int i = 0; i < count; ++i) out.push_back(uint16_t(i * 7 % levels));
  return out;
}

}  // namespace

TEST_CASE("fuzz: pictures", "[fuzz]") {
  const TemporaryFolder folder;
  const auto read = [](const fs::path& path) { read_image(path); };
  for (const char* name : {"jpeg_420", "jpeg_grey", "jpeg_turned"})
    survive(name, folder / "a.jpg",
            slurp(source_dir() / "tests/golden" / (std::string(name) + ".jpg")), read);

  make_png(folder / "rgb.png", 13, 7, ramp(13 * 7 * 3, 256), {});
  survive("png rgb", folder / "a.png", slurp(folder / "rgb.png"), read);
  make_png(folder / "grey16.png", 13, 7, ramp(13 * 7, 65536),
           {.depth = 16, .color = PNG_COLOR_TYPE_GRAY, .interlaced = true});
  survive("png grey16", folder / "a.png", slurp(folder / "grey16.png"), read);

  std::string pixels;
  for (const uint16_t value : ramp(5 * 3 * 3, 256)) pixels += char(value);
  survive("ppm", folder / "a.ppm", "P6\n5 3\n255\n" + pixels, read);
  const char tga[] = {0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 3, 0, 24, 0};
  survive("tga", folder / "a.tga", std::string(tga, sizeof tga) + pixels, read);
  const char bmp[] = {'B', 'M', 102, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0,  0,
                      5,   0,   0,   0, 3, 0, 0, 0, 1, 0, 24, 0, 0, 0, 0,  0, 48, 0,
                      0,   0,   0,   0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0, 0,  0};
  survive("bmp", folder / "a.bmp", std::string(bmp, sizeof bmp) + pixels + std::string(3, 0), read);
}

TEST_CASE("fuzz: masks", "[fuzz]") {
  const TemporaryFolder folder;
  const auto read = [](const fs::path& path) { read_mask(path); };
  Mask mask{17, 11, std::vector<uint8_t>(17 * 11), {}, false};
  fill_box(mask, 1, 2, 2, 5, 6);
  fill_ellipse(mask, 200, 11, 5, 4, 3);
  write_mask(folder / "ids.png", mask);
  survive("mask", folder / "m.png", slurp(folder / "ids.png"), read);
  make_png(folder / "grey1.png", 13, 7, ramp(13 * 7, 2),
           {.depth = 1, .color = PNG_COLOR_TYPE_GRAY});
  survive("mask of one bit", folder / "m.png", slurp(folder / "grey1.png"), read);
  std::vector<uint16_t> painted;
  for (int i = 0; i < 13 * 7; ++i)
    for (int c = 0; c < 4; ++c) painted.push_back(c == 3 ? 255 : uint16_t(i / 30 == c ? 255 : 0));
  make_png(folder / "painted.png", 13, 7, painted, {.color = PNG_COLOR_TYPE_RGBA});
  survive("painted mask", folder / "m.png", slurp(folder / "painted.png"), read);
}

TEST_CASE("fuzz: lists and tables", "[fuzz]") {
  const TemporaryFolder folder;
  survive("meta.json", folder / "meta.json",
          R"({"videos": {"a1": {"objects": {"1": {"category": "ape", "frames": ["00000"]},
              "3": {"category": "sign"}}}, "b\u00e9": {"objects": {}}}})",
          [](const fs::path& path) { read_categories(path); });
  survive("run lengths", folder / "rle.txt", rle_text({5, 17, 3, 900000, 1, 77, 12345678, 4}),
          [](const fs::path& path) { parse_rle(slurp(path)); });
}

TEST_CASE("fuzz: COCO's instances", "[fuzz]") {
  const TemporaryFolder folder;
  for (const char* name : {"annotations", "train2017"}) fs::create_directory(folder / name);
  write_png_rgb(folder / "train2017/a.jpg", {60, 50, std::vector<uint8_t>(60 * 50 * 3, 90)});
  survive("instances", folder / "annotations/instances_train2017.json",
          R"({"images": [{"id": 9, "file_name": "a.jpg", "width": 60, "height": 50}],
              "categories": [{"id": 17, "name": "cat"}], "annotations": [
              {"image_id": 9, "category_id": 17, "area": 800, "iscrowd": 0, "segmentation":
              [[30, 10, 50, 10.5, 50, 30, 30, 30]]}, {"image_id": 9, "category_id": 17, "area": 998,
              "segmentation": {"size": [50, 60], "counts": "2Vo0`n1"}}]})",
          [&](const fs::path&) {
            const auto set = open_files("coco", folder.path, "", {});
            for (std::size_t i = 0; i < set->items().size(); ++i) set->mask(i, 0);
          });
}

TEST_CASE("fuzz: checkpoints", "[fuzz]") {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.safetensors").string();
  nn::Checkpoint checkpoint;
  checkpoint.tensors["w"] = random_tensor({3, 2, 5, 4}, 1);
  checkpoint.tensors["b.bias"] = random_tensor({7}, 2);
  checkpoint.metadata["munet"] = R"({"backbone": "resnet18"})";
  nn::save_checkpoint(path, checkpoint);
  survive("safetensors", folder / "damaged.safetensors", slurp(path),
          [](const fs::path& p) { nn::load_checkpoint(p.string()); });
}

TEST_CASE("fuzz: saved segmenters", "[fuzz]") {
  const TemporaryFolder folder;
  Segmenter segmenter(write_checkpoint(folder.path.string(), preset("munet18")),
                      {.memory_budget = std::size_t{1} << 20});
  const std::vector<uint8_t> rgb(37 * 21 * 3, 90);
  std::vector<uint8_t> ids(37 * 21, 0);
  for (int i = 0; i < 200; ++i) ids[std::size_t(i)] = uint8_t(i < 90 ? 3 : 17);
  const MaskView mask{ids.data(), 37, 21, 0};
  segmenter.step({rgb.data(), 37, 21, 0}, &mask);
  segmenter.save((folder / "whole").string(), "a note");
  survive("state", folder / "damaged", slurp(folder / "whole"), [&](const fs::path& p) {
    segmenter.load(p.string());
    segmenter.step({rgb.data(), 37, 21, 0});
  });
}

TEST_CASE("fuzz: videos", "[fuzz]") {
  if (!have_ffmpeg()) return;
  const TemporaryFolder folder;
  const std::string frames = quarter_frames(folder / "frames", 4, 32, 32);
  for (const char* kind : {"mp4", "avi", "mkv"}) {
    const fs::path whole = folder / (std::string("whole.") + kind);
    if (!ffmpeg(frames + "-c:v mpeg4 '" + whole.string() + "'")) return skip("no mpeg4 encoder");
    survive(
        kind, folder / (std::string("damaged.") + kind), slurp(whole),
        [](const fs::path& p) {
          VideoReader reader(p);
          VideoFrame frame;
          for (int t = 0; t < 100 && reader.next(frame); ++t) continue;
        },
        5);
  }
}

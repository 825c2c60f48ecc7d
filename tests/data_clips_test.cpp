// Clips from data sets: what they hold for every key, and damaged files on the way.
#include <algorithm>
#include <cstring>
#include <set>

#include "data/pack.h"
#include "data/sheet.h"
#include "data/training_clips.h"
#include "tests/catch.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

ClipOptions small() {
  ClipOptions options;
  options.clip_frames = 3;
  options.crop = 48;
  options.min_pixels = 40;
  return options;
}

std::unique_ptr<ClipSource> open(const std::vector<std::string>& texts, const ClipOptions& options,
                                 uint64_t seed = 1) {
  std::vector<DataPart> parts;
  for (const std::string& text : texts) parts.push_back(parse_data_part(text));
  return open_clips(parts, options, seed);
}

// What every clip promises.
void check_clip(const Clip& clip, const ClipOptions& options) {
  const int t = options.clip_frames, side = options.crop;
  REQUIRE(clip.frames.shape() == Shape{t, side, side, 3});
  REQUIRE(clip.masks.shape() == Shape{t, side, side});
  REQUIRE(clip.objects >= 1);
  REQUIRE(clip.objects <= options.max_objects);
  const std::vector<float> rgb = clip.frames.to_vector<float>();
  REQUIRE(std::all_of(rgb.begin(), rgb.end(), [](float v) { return v >= 0 && v <= 1; }));
  const std::vector<uint8_t> ids = clip.masks.to_vector<uint8_t>();
  std::vector<int> first(256);
  for (int i = 0; i < side * side; ++i) ++first[ids[std::size_t(i)]];
  for (int id = 1; id <= clip.objects; ++id) REQUIRE(first[std::size_t(id)] >= options.min_pixels);
  REQUIRE(*std::max_element(ids.begin(), ids.end()) == clip.objects);
}

bool same(const Clip& a, const Clip& b) {
  return a.name == b.name && a.objects == b.objects &&
         a.frames.to_vector<float>() == b.frames.to_vector<float>() &&
         a.masks.to_vector<uint8_t>() == b.masks.to_vector<uint8_t>();
}

// Videos, cats and a still with two kinds of thing.
struct Data : DavisTree {
  std::string videos = "davis:" + root.string(), cats = "stills:" + (folder / "cats").string();
  Data() : DavisTree(12) {
    for (const char* name : {"a", "b", "c"}) {
      save_jpeg(folder / "cats/images" / (std::string(name) + ".jpg"), waves(120, 90, name[0]));
      save_mask(folder / "cats/masks" / (std::string(name) + ".png"),
                boxes(120, 90, {{2, {10, 10, 50, 50}}, {3, {70, 20, 30, 40}}}));
    }
  }
};

}  // namespace

TEST_CASE("data clips: every key keeps the promises, from any thread", "[clips]") {
  const Data data;
  std::vector<ClipOptions> all(7, small());
  all[1].max_skip = 4, all[1].reverse = 0.5;
  all[2].merge = 1;
  all[3].compose = 1, all[3].compose_background = 0;
  all[4].compose = 1, all[4].compose_background = 1;
  all[5].occlude = 1, all[5].max_objects = 1;
  all[6].resize_low = 0.5, all[6].merge = all[6].compose = all[6].occlude = 0.5;
  for (const ClipOptions& options : all) {
    const auto source = open({data.videos, data.cats + ",share=2"}, options);
    std::vector<Clip> clips;
    for (uint64_t index = 0; index < 24; ++index) {
      clips.push_back(source->clip(index));
      check_clip(clips.back(), options);
    }
    ClipLoader loader(*source, 3, 5);
    for (const Clip& clip : clips) REQUIRE(same(loader.next(), clip));
    CHECK(source->faults().empty());
    CHECK_FALSE(same(clips[0], open({data.videos, data.cats}, options, 2)->clip(0)));
  }
}

TEST_CASE("data clips: videos move on, stills move by the camera", "[clips]") {
  const Data data;
  ClipOptions options = small();
  options.frame_share = options.rotate = options.shear = options.translate = 0;
  options.brightness = options.contrast = options.saturation = options.hue = options.flip = 0;
  options.max_skip = 3;
  const auto video = open({data.videos}, options);
  std::set<std::string> names;
  for (uint64_t index = 0; index < 20; ++index) {
    const Clip clip = video->clip(index);
    names.insert(clip.name);
    const float* frames = clip.frames.data<float>();
    // The waves are the same in every frame; the boxes move over them in the masks alone.
    double difference = 0;
    for (int i = 0; i < 48 * 48 * 3; ++i)
      difference = std::max(difference, double(std::abs(frames[i] - frames[48 * 48 * 3 + i])));
    CHECK(difference < 1e-6);
    const uint8_t* ids = clip.masks.data<uint8_t>();
    CHECK(std::memcmp(ids, ids + 48 * 48, 48 * 48) != 0);
  }
  CHECK(names.size() > 10);
  const auto still = open({data.cats}, options);
  for (uint64_t index = 0; index < 5; ++index) {
    const Clip clip = still->clip(index);
    CHECK(clip.name.starts_with("cats/"));
    const float* frames = clip.frames.data<float>();
    CHECK(std::memcmp(frames, frames + 48 * 48 * 3, 48 * 48 * 12) != 0);
  }
}

TEST_CASE("data clips: another instance is a label more, or none", "[clips]") {
  const Data data;
  ClipOptions plain = small();
  plain.max_objects = 1;
  ClipOptions more = plain;
  more.max_objects = 2;
  more.compose = 1;
  more.compose_background = 0;
  int two = 0;
  const auto labelled = open({data.cats}, more);
  for (uint64_t index = 0; index < 30; ++index) two += labelled->clip(index).objects == 2;
  CHECK(two > 15);
  more.compose_background = 1;
  more.max_objects = 1;
  const auto background = open({data.cats}, more), alone = open({data.cats}, plain);
  int changed = 0;
  for (uint64_t index = 0; index < 30; ++index) {
    CHECK(background->clip(index).objects == 1);
    changed += !same(background->clip(index), alone->clip(index));
  }
  CHECK(changed > 15);
}

TEST_CASE("data clips: shares say how often each part is drawn", "[clips]") {
  const Data data;
  const auto source = open({data.videos + ",share=3", data.cats, "toy,share=2"}, small());
  int videos = 0, cats = 0, toys = 0;
  for (uint64_t index = 0; index < 300; ++index) {
    const std::string name = source->clip(index).name;
    videos += name.starts_with("davis/"), cats += name.starts_with("cats/");
    toys += name.starts_with("toy");
  }
  CHECK(std::abs(videos - 150) < 35);
  CHECK(std::abs(cats - 50) < 25);
  CHECK(std::abs(toys - 100) < 33);
  CHECK(source->summary() ==
        "davis davis 2 videos of 24 frames; stills cats 3 stills; toy: moving "
        "shapes drawn on the fly");
}

TEST_CASE("data clips: stills first, then videos", "[clips]") {
  const Data data;
  ClipOptions options = small();
  options.stills_first = 20;
  options.merge = options.occlude = 0.5;
  const auto source = open({data.videos, data.cats, "toy"}, options);
  int toys = 0;
  for (uint64_t index = 0; index < 60; ++index) {
    const std::string name = source->clip(index).name;
    CHECK(name.starts_with("cats/") == (index < 20));
    toys += name.starts_with("toy");
  }
  CHECK(toys > 5);
  CHECK_THROWS_WITH(open({data.cats}, options),
                    "data: stills_first expects parts of videos and parts of stills; found stills "
                    "alone");
  CHECK_THROWS_WITH(open({data.videos}, options),
                    "data: stills_first expects parts of videos and parts of stills; found videos "
                    "alone");
}

TEST_CASE("data clips: the same from a pack", "[clips]") {
  const Data data;
  std::vector<std::unique_ptr<TrainingSet>> sets;
  for (const std::string& text : {data.videos, data.cats})
    sets.push_back(open_training_set(parse_data_part(text)));
  const std::string path = (data.folder / "all.pack").string();
  write_pack(path, sets, {.side = 480, .quality = 100, .max_bytes = 0, .resume = false});
  const auto packed =
      open({"pack:" + path + ",list=videos", "pack:" + path + ",list=stills"}, small());
  const auto files = open({data.videos, data.cats}, small());
  for (uint64_t index = 0; index < 10; ++index) {
    const Clip a = packed->clip(index), b = files->clip(index);
    CHECK(a.name == b.name);
    CHECK(a.masks.to_vector<uint8_t>() == b.masks.to_vector<uint8_t>());
    CHECK(relative_error(a.frames, b.frames) < 0.03);
  }
}

TEST_CASE("data clips: a damaged file is named, skipped and counted; too many stop", "[clips]") {
  const Data data;
  fs::resize_file(data.frames("duck") / "00003.jpg", 700);
  std::vector<std::string> names;
  for (const int threads : {0, 3}) {
    const auto source = open({data.videos}, small());
    ClipLoader loader(*source, threads, 6);
    std::vector<std::string> drawn;
    for (int i = 0; i < 40; ++i) {
      const Clip clip = loader.next();
      check_clip(clip, small());
      drawn.push_back(clip.name);
      for (const char* range : {"00001-00003", "00002-00004", "00003-00005"})
        CHECK(clip.name != std::string("davis/duck ") + range);
    }
    const std::vector<std::string> faults = source->faults();
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].starts_with("read_image: " + (data.frames("duck") / "00003.jpg").string() +
                                ": expected a whole JPEG; found"));
    if (threads == 0) names = drawn;
    CHECK(drawn == names);
  }
  fs::resize_file(data.frames("duck") / "00004.jpg", 700);
  fs::remove(data.masks("goose") / "00006.png");  // after the set is opened, below
  save_mask(data.masks("goose") / "00006.png", boxes(40, 30, {{1, {2, 2, 20, 20}}}));
  const auto source = open({data.videos}, small());
  std::string text;
  try {
    for (uint64_t index = 0; index < 200; ++index) source->clip(index);
  } catch (const Error& e) {
    text = e.what();
  }
  CHECK(
      text.starts_with("data: 2 files could not be used, more than the 1 that may be skipped; "
                       "one of them: "));
}

TEST_CASE("data clips: a mask of another size, nothing to follow", "[clips]") {
  const Data data;
  save_mask(data.folder / "cats/masks/b.png", boxes(90, 120, {{2, {10, 10, 60, 60}}}));
  const auto cats = open({data.cats}, small());
  for (uint64_t index = 0; index < 20; ++index) CHECK(cats->clip(index).name != "cats/b b");
  REQUIRE(cats->faults().size() == 1);
  CHECK(cats->faults()[0] ==
        "data: cats/b/b: expected a mask of the picture's size 120x90; found 90x120");
  ClipOptions options = small();
  options.min_pixels = 48 * 48 + 1;
  const auto none = open({data.videos}, options);
  CHECK_THROWS_WITH(none->clip(0),
                    "data: expected an object of min_pixels = 2305 pixels in a crop of 48 and "
                    "videos of clip_frames = 3; found none in 100 tries");
}

TEST_CASE("sheets of clips", "[clips]") {
  const Data data;
  const auto source = open({data.videos}, small());
  const Image sheet = clip_sheet(*source, 0, 4, 32);
  CHECK(sheet.width == 3 * 34 - 2);
  CHECK(sheet.height == 4 * 34 - 2);
  CHECK(sheet.rgb[std::size_t((5 * sheet.width + 32) * 3)] == 255);  // the gap
  std::set<int> values(sheet.rgb.begin(), sheet.rgb.end());
  CHECK(values.size() > 50);
}

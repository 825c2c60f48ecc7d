// Training packs: written whole, read back, resumed, kept small, and refused when damaged.
#include "data/pack.h"

#include <fstream>

#include "data/pack_format.h"
#include "data/sha256.h"
#include "data/training_clips.h"
#include "tests/catch.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

using Sets = std::vector<std::unique_ptr<TrainingSet>>;

Sets open_all(const std::vector<std::string>& texts) {
  Sets sets;
  for (const std::string& text : texts) sets.push_back(open_training_set(parse_data_part(text)));
  return sets;
}

// Two videos and two stills.
struct PackData : DavisTree {
  fs::path path = folder / "train.pack";
  std::string videos = "davis:" + root.string(), stills = "stills:" + (folder / "cats").string();
  PackData() {
    for (const char* name : {"a", "b"}) {
      save_jpeg(folder / "cats/images" / (std::string(name) + ".jpg"), waves(120, 90, name[0]));
      save_mask(folder / "cats/masks" / (std::string(name) + ".png"),
                boxes(120, 90, {{2, {10, 10, 50, 50}}, {3, {70, 20, 30, 40}}}));
    }
  }
  PackResult write(const PackOptions& options = {},
                   const std::function<void(std::size_t, std::size_t)>& progress = {}) const {
    return write_pack(path, open_all({videos, stills}), options, progress);
  }
};

double mean_difference(const Image& a, const Image& b) {
  REQUIRE(a.rgb.size() == b.rgb.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / double(a.rgb.size());
}

struct Stop {};

// The pack with another index, and with the header that belongs to it.
std::string with_index(const std::string& pack, const std::string& index) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(pack.data());
  const uint64_t end = read_u64(bytes + 8);
  std::string out = pack.substr(0, end) + index;
  write_u64(reinterpret_cast<uint8_t*>(out.data()) + 16, index.size());
  return out.replace(24, 64, sha256({index.begin(), index.end()}));
}
std::string index_of(const std::string& pack) {
  return pack.substr(read_u64(reinterpret_cast<const uint8_t*>(pack.data()) + 8));
}

void read_all(const fs::path& path) {
  const auto pack = open_pack(path, "", {});
  for (std::size_t i = 0; i < pack->items().size(); ++i)
    for (std::size_t t = 0; t < pack->items()[i].frames.size(); ++t)
      pack->mask(i, t), pack->image(i, t, 1);
}

}  // namespace

TEST_CASE("pack: masks as runs", "[pack]") {
  const Mask mask = boxes(37, 23, {{1, {0, 0, 5, 4}}, {254, {30, 3, 7, 20}}, {9, {3, 10, 20, 9}}});
  const std::string text = pack_mask(mask);
  CHECK(unpack_mask(text, 37, 23).ids == mask.ids);
  CHECK(unpack_mask("", 3, 2).ids == std::vector<uint8_t>(6));
  CHECK_THROWS_WITH(unpack_mask(text, 37, 24), "expected runs of 37x24 pixels");
  CHECK_THROWS_WITH(unpack_mask(text, 37, 22), "expected runs of 37x22 pixels");
  for (const char* bad : {"1", "1 11", "0 11\n", "255 11\n", "x 11\n", " 1\n", "1\n1 "})
    CHECK_THROWS_WITH(unpack_mask(bad, 1, 2), "expected lines of an id and its runs");
}

TEST_CASE("pack: what goes in comes out", "[pack]") {
  const PackData data;
  const PackResult result = data.write();
  CHECK(result.items == 4);
  CHECK(result.frames == 14);
  CHECK(result.bytes == fs::file_size(data.path));
  CHECK_FALSE(fs::exists(data.path.string() + ".part"));
  CHECK_FALSE(fs::exists(data.path.string() + ".part.index"));
  const auto pack = open_pack(data.path, "", {});
  const Sets sets = open_all({data.videos, data.stills});
  REQUIRE(pack->items().size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const TrainingSet& set = *sets[i / 2];
    const TrainingItem &packed = pack->items()[i], &item = set.items()[i % 2];
    CHECK(packed.part == item.part);
    CHECK(packed.name == item.name);
    CHECK(packed.still == item.still);
    CHECK(packed.frames == item.frames);
    for (std::size_t t = 0; t < packed.frames.size(); ++t) {
      CHECK(pack->mask(i, t).ids == set.mask(i % 2, t).ids);
      CHECK(mean_difference(pack->image(i, t, 1).image, set.image(i % 2, t, 1).image) < 3);
    }
  }
  CHECK(open_pack(data.path, "videos", {})->items().size() == 2);
  CHECK(open_pack(data.path, "stills", {"a"})->items().size() == 1);
  CHECK(open_pack(data.path, "cats+davis", {})->items().size() == 4);
  CHECK(open_pack(data.path, "cats", {})->fingerprint() != pack->fingerprint());
  CHECK(file_error([&] { open_pack(data.path, "dogs", {}); }) ==
        "pack: " + data.path.string() +
            ": expected dogs; found cats, davis, and videos or stills of all of them");
  CHECK(file_error([&] { open_pack(data.path, "", {"swan"}); }) ==
        "pack: " + data.path.string() +
            ": expected swan, which is to be left out; there is no such video or still");
}

TEST_CASE("pack: smaller pictures, and a size to stay below", "[pack]") {
  const PackData data;
  const PackResult whole = data.write({.side = 40, .quality = 80});
  const auto pack = open_pack(data.path, "stills", {});
  CHECK(pack->image(0, 0, 1).width == 53);
  CHECK(pack->image(0, 0, 1).height == 40);
  const Mask mask = pack->mask(0, 0);
  CHECK(mask.width == 53);
  CHECK(mask.ids[20 * 53 + 15] == 2);
  for (const uint64_t bytes : {uint64_t(45000), uint64_t(30000)}) {
    const PackResult small = data.write({.max_bytes = bytes});
    CHECK(small.bytes <= bytes);
    CHECK(small.bytes == fs::file_size(data.path));
    CHECK(small.frames == 14);
  }
  CHECK(file_error([&] { data.write({.max_bytes = 1000}); })
            .starts_with("pack: expected 14 frames to fit into 1000 bytes; the smallest pictures, "
                         "128 pixels high at quality 40, take about "));
  CHECK(whole.bytes > 0);
}

TEST_CASE("pack: an interrupted call goes on, to the same bytes", "[pack]") {
  const PackData data;
  data.write();
  const std::string whole = slurp(data.path);
  fs::remove(data.path);
  // Videos of six frames fill no batch; make the data large enough for two.
  for (int i = 0; i < 40; ++i)
    save_video(data.frames("v" + std::to_string(i)), data.masks("v" + std::to_string(i)), 2, i);
  std::string list;
  for (int i = 0; i < 40; ++i) list += "v" + std::to_string(i) + "\n";
  save_text(data.root / "ImageSets/2017/train.txt", list);
  data.write();
  const std::string larger = slurp(data.path);
  fs::remove(data.path);
  const auto stop = [](std::size_t, std::size_t) { throw Stop(); };
  CHECK_THROWS_AS(data.write({}, stop), Stop);
  CHECK_FALSE(fs::exists(data.path));
  // A torn line and bytes of an item that was not noted.
  std::ofstream(data.path.string() + ".part", std::ios::app) << "rest";
  std::ofstream(data.path.string() + ".part.index", std::ios::app) << "{\"part\": \"dav";
  CHECK(file_error([&] { data.write({.quality = 50, .resume = true}); }) ==
        "pack: expected " + data.path.string() +
            ".part.index of the same data, size and quality; found another; begin without "
            "--resume");
  const PackResult result = data.write({.resume = true});
  CHECK(result.resumed > 0);
  CHECK(result.resumed < result.items);
  CHECK(slurp(data.path) == larger);
  CHECK(whole.size() < larger.size());
  CHECK(file_error([&] { data.write({.resume = true}); }) ==
        "pack: expected " + data.path.string() +
            ".part.index to go on with; there is no such file; begin without --resume");
}

TEST_CASE("pack: damaged pictures are left out and named, too many stop it", "[pack]") {
  const PackData data;
  fs::resize_file(data.frames("duck") / "00002.jpg", 500);
  const PackResult result = data.write();
  CHECK(result.frames == 13);
  REQUIRE(result.left_out.size() == 1);
  CHECK(result.left_out[0].find("duck/00002.jpg: expected a whole JPEG") != std::string::npos);
  CHECK(open_pack(data.path, "", {})->items()[0].frames.size() == 5);
  fs::resize_file(data.frames("duck") / "00003.jpg", 500);
  CHECK(file_error([&] { data.write(); })
            .starts_with("pack: 2 frames could not be used, more than the 1 that may be left out; "
                         "the last: read_image: "));
}

TEST_CASE("pack: damage is found, never believed", "[pack]") {
  const PackData data;
  data.write();
  const std::string good = slurp(data.path);
  const fs::path bad = data.folder / "bad.pack";
  const auto open_bad = [&](std::string bytes) {
    spill(bad, bytes);
    return file_error([&] { open_pack(bad, "", {}); });
  };
  const std::string start = "pack: " + bad.string() + ": expected a whole training pack with ";
  const std::string end = "; it is damaged, not finished or no pack";
  CHECK(open_bad("munetpk1") == start + "a header" + end);
  CHECK(open_bad(std::string(200, 'x')) == start + "a header" + end);
  CHECK(open_bad("") == "pack: cannot read " + bad.string() +
                            ": expected a training pack; found no file with contents");
  CHECK(open_bad(good.substr(0, good.size() - 1)) == start + "an index" + end);
  std::string bytes = good;
  bytes[15] = '\x7f';  // the index far outside
  CHECK(open_bad(bytes) == start + "an index" + end);
  bytes = good;
  bytes[bytes.size() - 3] ^= 1;
  CHECK(open_bad(bytes) == start + "an index of its SHA-256" + end);
  CHECK(file_error([&] { open_pack(data.folder / "none", "", {}); }) ==
        "pack: cannot read " + (data.folder / "none").string() + ": No such file or directory");
  CHECK(file_error([&] { open_pack(data.folder.path, "", {}); }) ==
        "pack: cannot read " + data.folder.path.string() +
            ": expected a training pack; found a folder");

  bytes = good;
  bytes[300] ^= 1;  // within the first JPEG
  spill(bad, bytes);
  const auto pack = open_pack(bad, "", {});
  CHECK(file_error([&] { pack->image(0, 0, 1); }) ==
        "pack: " + bad.string() +
            "/davis/duck/00000: expected the bytes of its hash; found others; the pack is "
            "damaged");
  CHECK(pack->image(0, 1, 1).width == 96);
}

TEST_CASE("pack: an index made by a foe", "[pack]") {
  const PackData data;
  data.write();
  const std::string good = slurp(data.path), index = index_of(good);
  const fs::path bad = data.folder / "bad.pack";
  REQUIRE(with_index(good, index) == good);
  const auto refusal = [&](const std::string& from, const std::string& to) {
    const std::size_t at = index.find(from);
    REQUIRE(at != std::string::npos);
    spill(bad, with_index(good, std::string(index).replace(at, from.size(), to)));
    return file_error([&] { open_pack(bad, "", {}); });
  };
  const std::string start = "pack: " + bad.string() + ": expected a whole training pack with ";
  const std::string end = "; it is damaged, not finished or no pack";
  const std::string frame = "[\"00000\",96,64,88,";
  CHECK(refusal("\"format\":1", "\"format\":2") == start + "an index of format 1" + end);
  CHECK(refusal(frame, "[\"00000\",0,64,88,") == start + "pictures of a possible size" + end);
  CHECK(refusal(frame, "[\"00000\",20000,20000,88,") ==
        start + "pictures of a possible size" + end);
  CHECK(refusal(frame, "[\"00000\",96,64,-88,") == start + "whole numbers" + end);
  for (const char* offset : {"87", "9000000000", "18446744073709551615"})
    CHECK(refusal(frame, str("[\"00000\",96,64,", offset, ",")) ==
          start + "pictures and masks inside of the file" + end);
  CHECK(refusal(frame, frame + "18446744073709551615,1,") ==
        start + "pictures and masks inside of the file" + end);
  CHECK(refusal("\"still\":false", "\"still\":7")
            .starts_with(start + "an index of items and frames"));
  CHECK(refusal("\"kinds\":{}", "\"kinds\":{\"255\":\"x\"}") == start + "ids of 1..254" + end);

  // Anything else: read or refused, and nothing but a FileError.
  Rng rng{3, 0};
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    std::string text = index;
    for (int i = 0; i < 3; ++i) {
      const auto at = std::size_t(rng.below(int64_t(text.size())));
      if (rng.uniform() < 0.5)
        text[at] = "0123456789,-[]{}\"xe."[rng.below(20)];
      else
        text.erase(at, std::size_t(1 + rng.below(4)));
    }
    spill(bad, with_index(good, text));
    try {
      read_all(bad);
    } catch (const FileError&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
}

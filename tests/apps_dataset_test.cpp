// `munet segment --dataset`: which frames, which objects, and where results go.
#include <nlohmann/json.hpp>

#include "tests/score_tree.h"
#include "tests/zip_reader.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::string number(int t) { return (t < 10 ? "0000" : "000") + std::to_string(t); }

// The disc of Video as object `disc`; a square at its left edge as `square`; 0: not there.
Mask objects(int t, uint8_t disc, uint8_t square) {
  Mask mask = Video::disc(t);
  for (int y = 0; y < Video::kHeight; ++y)
    for (int x = 0; x < Video::kWidth; ++x) {
      uint8_t& id = mask.ids[std::size_t(y * Video::kWidth + x)];
      id = id ? disc : x < 30 && y > 90 ? square : uint8_t(0);
    }
  return mask;
}

void save_frame(const fs::path& path, int t) {
  fs::create_directories(path.parent_path());
  write_png_rgb(path, Video::picture(t, Video::kWidth, Video::kHeight));
}

struct Sets : Tree {
  Result segment(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {
        "segment", "--dataset", dataset.string(), "-o", results.string(), "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return munet_program(all);
  }
};

// YouTube-VOS: every fifth frame, the first object from the start, the other, whose id leaves a
// hole, later; a last frame that nobody asks for. Beside it all frames.
struct Youtube : Sets {
  fs::path valid = dataset / "valid", all = dataset / "valid_all_frames";
  Youtube() {
    for (const int t : {0, 5, 10, 15})
      save_frame(valid / "JPEGImages/ab" / (number(t) + ".png"), t);
    for (int t = 0; t <= 15; ++t) save_frame(all / "JPEGImages/ab" / (number(t) + ".png"), t);
    save(valid / "Annotations/ab/00000.png", objects(0, 2, 0));
    save(valid / "Annotations/ab/00005.png", objects(5, 0, 7));
    spill(valid / "meta.json", R"({"videos": {"ab": {"objects": {
      "2": {"category": "disc", "frames": ["00000", "00005", "00010"]},
      "7": {"category": "square", "frames": ["00005", "00010"]}}}}})");
  }
};

}  // namespace

TEST_CASE("segment --dataset: DAVIS 2016 and 2017", "[apps]") {
  const Sets tree;
  tree.list("2017/val", "one\ntwo\n");
  tree.list("2016/val", "/JPEGImages/480p/one/00000.jpg /Annotations/480p/one/00000.png\n");
  for (const char* name : {"one", "two", "three"})
    for (int t = 0; t < 3; ++t) {
      save_frame(tree.dataset / "JPEGImages/480p" / name / (number(t) + ".png"), t);
      tree.save(tree.truth(name, t), objects(t, 1, 2));
    }
  const fs::path zip = tree.folder / "results.zip", summary = tree.folder / "speed.json";
  Result result = tree.segment(
      {"--set", "val", "--zip", zip.string(), "--summary", summary.string(), "--size", "64"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.starts_with(tree.results.string() + ": masks of 2 sequences; " + zip.string() +
                               ": 6 files\nframes/s, mean of sequences (total/total): "));
  CHECK(files_in(tree.results) == std::set<std::string>{"one", "two"});
  CHECK(files_in(tree.results / "two") ==
        std::set<std::string>{"00000.png", "00001.png", "00002.png"});
  CHECK(ids_in(read_mask(tree.result("two", 0))) == std::vector{1, 2});
  const std::map<std::string, std::string> packed = read_zip(zip);
  REQUIRE(packed.size() == 6);
  CHECK(packed.at("two/00002.png") == slurp(tree.result("two", 2)));
  const nlohmann::json told = nlohmann::json::parse(slurp(summary));
  CHECK(told.at("settings").at("size") == 64);
  CHECK(told.at("sequences").size() == 2);

  check_error(tree.segment(), "segment: --dataset writes masks into " + tree.results.string() +
                                  ": expected an empty folder or none");
  check_error(
      tree.segment({"--zip", zip.string()}),
      "segment: expected a new file; " + zip.string() + " is there already (--force replaces it)");
  SECTION("what an interrupted run left is completed") {
    fs::remove(tree.result("two", 2));
    const fs::file_time_type before = fs::last_write_time(tree.result("one", 2));
    result = tree.segment({"--resume", "--size", "64"});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(slurp(tree.result("two", 2)) == packed.at("two/00002.png"));
    CHECK(fs::last_write_time(tree.result("one", 2)) == before);
    result = tree.segment({"--resume", "--size", "64"});
    CHECK(result.out == tree.results.string() + ": masks of 2 sequences\n");
  }
  SECTION("2016: one object of all") {
    result = tree.segment({"--set", "2016/val", "--force"});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(ids_in(read_mask(tree.result("one", 0))) == std::vector{1});
  }
  check_error(tree.segment({"--set", "test"}), "find_truth: expected the list test in ");
}

TEST_CASE("segment --dataset: YouTube-VOS", "[apps]") {
  const Youtube tree;
  const fs::path zip = tree.folder / "y.zip", folder = tree.results / "ab";
  const std::set<std::string> asked = {"00000.png", "00005.png", "00010.png"};
  for (const bool all : {false, true}) {
    INFO(all);
    std::vector<std::string> more = {"--set", "val", "--zip", zip.string(), "--force"};
    if (all) more.push_back("--all-frames");
    const Result result = tree.segment(more);
    INFO(result.err);
    REQUIRE(result.status == 0);
    CHECK(files_in(folder) == asked);
    CHECK(ids_in(read_mask(folder / "00000.png")) == std::vector{2});
    CHECK(ids_in(read_mask(folder / "00005.png")) == std::vector{2, 7});
    const std::vector<int> last = ids_in(read_mask(folder / "00010.png"));
    CHECK(std::count(last.begin(), last.end(), 2) == 1);
    CHECK(result.out.find(all ? "; 16 frames of 160x128 at " : "; 4 frames of 160x128 at ") !=
          std::string::npos);
    std::set<std::string> names;
    for (const auto& [name, content] : read_zip(zip)) names.insert(name);
    CHECK(names == std::set<std::string>{"Annotations/ab/00000.png", "Annotations/ab/00005.png",
                                         "Annotations/ab/00010.png"});
    fs::remove(zip);
  }
}

TEST_CASE("segment --dataset: bad input", "[apps]") {
  const Youtube tree;
  SECTION("a set that is not there") {
    check_error(tree.segment({"--set", "train"}),
                "segment: --set expects the lists of DAVIS, " +
                    (tree.dataset / "ImageSets").string() + ", or the set itself, " +
                    (tree.dataset / "train/Annotations").string() + "; there is neither");
  }
  SECTION("no folder of all frames") {
    fs::remove_all(tree.all);
    check_error(tree.segment({"--set", "valid", "--all-frames"}),
                "segment: --all-frames expects the frames in " +
                    (tree.all / "JPEGImages").string() + "; there is no such folder");
  }
  SECTION("a frame that is asked for is missing") {
    fs::remove(tree.valid / "JPEGImages/ab/00010.png");
    check_error(tree.segment({"--set", "valid"}),
                "segment: --dataset expects the frame 00010 of ab, which meta.json asks for, in " +
                    (tree.valid / "JPEGImages/ab").string() + "; there is none");
  }
  SECTION("a sequence that meta.json does not know") {
    spill(tree.valid / "meta.json", R"({"videos": {"x": {"objects": {"1": {"frames": ["0"]}}}}})");
    check_error(tree.segment({"--set", "valid"}),
                "segment: --dataset expects frames of ab, which has masks, in " +
                    (tree.valid / "meta.json").string() + "; there are none");
  }
  SECTION("a broken meta.json") {
    spill(tree.valid / "meta.json", R"({"videos": {"ab": {"objects": {"1": {}}}}})");
    check_error(tree.segment({"--set", "valid"}),
                "read_asked_frames: " + (tree.valid / "meta.json").string() +
                    ": expected meta.json of YouTube-VOS, with videos, their objects by id, and "
                    "the frames of each; ");
  }
  SECTION("no meta.json") {
    fs::remove(tree.valid / "meta.json");
    check_error(tree.segment({"--set", "valid", "--all-frames"}),
                "--all-frames: expected a data set that asks for some of its frames in ");
  }
  SECTION("what does not go together") {
    check_error(tree.segment({"--mask", "m.png"}),
                "--mask: expected one video or folder; given --dataset");
    check_error(munet_program({"segment", "v.mp4", "--mask", "m.png", "-o", "out", "--zip", "a"}),
                "--zip: expected --dataset beside it");
  }
  CHECK_FALSE(fs::exists(tree.results));
}

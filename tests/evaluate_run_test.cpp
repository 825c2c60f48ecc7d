// `munet evaluate --run`: segments and scores in one go, and says how fast that was.
#include <nlohmann/json.hpp>

#include "tests/score_tree.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

// DAVIS 2016 with one sequence: the disc of Video, 4 frames, in black and white.
struct DiscTree : Tree {
  fs::path frames = dataset / "JPEGImages/480p/disc";

  DiscTree() {
    list("2016/val", "disc\n");
    fs::create_directories(frames);
    for (int t = 0; t < 4; ++t) {
      write_png_rgb(frame(t), Video::picture(t, Video::kWidth, Video::kHeight));
      Mask mask = Video::disc(t);
      for (uint8_t& id : mask.ids) id = id ? 255 : 0;
      save(truth("disc", t), mask);
    }
  }
  fs::path frame(int t) const { return frames / ("0000" + std::to_string(t) + ".png"); }
  Result run(const std::string& batch = "1") const {
    return evaluate({"--run", kWeights.string(), "-j", "1", "--batch", batch});
  }
};

}  // namespace

TEST_CASE("evaluate --run: masks, scores and speed", "[apps]") {
  const DiscTree tree;
  const Result result = tree.run();
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(files_in(tree.results / "disc") ==
        std::set<std::string>{"00000.png", "00001.png", "00002.png", "00003.png"});
  const fs::path first = tree.folder / "first.png", other = tree.folder / "other";
  write_mask(first, Video::disc(0));
  REQUIRE(munet_program({"segment", tree.frames.string(), "--mask", first.string(), "-o",
                         other.string(), "--threads", "1", "--weights", kWeights.string()})
              .status == 0);
  for (int t = 0; t < 4; ++t)
    CHECK(read_mask(tree.result("disc", t)).ids ==
          read_mask(other / ("0000" + std::to_string(t) + ".png")).ids);
  const std::string scores = tree.per_sequence();
  CHECK(std::stod(scores.substr(scores.find("disc_1,") + 7)) > 0.8);

  CHECK(result.out.find("frames/s, mean of sequences (total/total): ") != std::string::npos);
  CHECK(result.out.find("; 4 frames of 160x128 at 480, 1 objects/frame, cpu f32, 1 threads, memory "
                        "stm every 5, 2 frames of warm-up; peak ") != std::string::npos);
  const nlohmann::json speed = nlohmann::json::parse(slurp(tree.results / "speed-val.json"));
  CHECK(speed.at("frames") == 4);
  CHECK(speed.at("objects_per_frame") == 1);
  CHECK(speed.at("settings").at("threads") == 1);
  const nlohmann::json& disc = speed.at("sequences").at(0);
  CHECK(disc.at("name") == "disc");
  CHECK(disc.at("size") == std::vector{160, 128});
  CHECK(disc.at("network_seconds") < disc.at("seconds"));
  // One sequence: the mean is the total.
  const double fps = 4 / disc.at("network_seconds").get<double>();
  CHECK(speed.at("frames_per_second").at("mean_of_sequences").get<double>() == Approx(fps));
  CHECK(speed.at("frames_per_second").at("total").get<double>() == Approx(fps));

  check_error(tree.run(), "evaluate: --run writes masks into " + tree.results.string() +
                              ": expected an empty folder or none");
}

TEST_CASE("evaluate --run: frames in batches are the same frames", "[apps]") {
  const DiscTree one, three;
  REQUIRE(one.run().status == 0);
  REQUIRE(three.run("3").status == 0);  // three and the one that is left
  for (int t = 0; t < 4; ++t) {
    const std::vector<uint8_t> a = read_mask(one.result("disc", t)).ids,
                               b = read_mask(three.result("disc", t)).ids;
    REQUIRE(a.size() == b.size());
    int differing = 0;
    for (std::size_t i = 0; i < a.size(); ++i) differing += a[i] != b[i];
    CHECK(differing <= 2);  // rounding
  }
}

TEST_CASE("evaluate --run: the network's options, and trust", "[apps]") {
  const DiscTree tree;
  const Result result =
      tree.evaluate({"--run", kWeights.string(), "-j", "1", "--size", "96", "--memory", "fifo",
                     "--last", "3", "--every", "2", "--motion", "none", "--trust"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const nlohmann::json settings =
      nlohmann::json::parse(slurp(tree.results / "speed-val.json")).at("settings");
  CHECK(settings.at("motion") == "none");
  CHECK(settings.at("memory") == "fifo");
  CHECK(settings.at("last") == 3);
  CHECK(settings.at("size") == 96);
  const std::string trust = slurp(tree.results / "trust-val.csv");
  CHECK(
      trust.starts_with("Sequence,Frame,Object,Trust,Certainty,Agreement,Matching\n"
                        "disc,00000,1,1.0000,1.0000,1.0000,1.0000\ndisc,00001,1,"));
  CHECK(std::count(trust.begin(), trust.end(), '\n') == 5);
  check_error(tree.evaluate({"--trust"}), "--trust requires --run");
  check_error(tree.evaluate({"--motion", "none"}), "--motion requires --run");
}

TEST_CASE("evaluate --run: an object that is annotated later starts there", "[apps]") {
  const DiscTree tree;
  fs::remove_all(tree.dataset / "ImageSets");
  fs::rename(tree.frames, tree.dataset / "JPEGImages/disc");
  fs::remove_all(tree.dataset / "JPEGImages/480p");
  fs::remove_all(tree.dataset / "Annotations");
  for (const int t : {0, 1, 3}) {  // the disc is 7; a square that only frames 1 and 3 have is 4
    Mask mask = Video::disc(t);
    for (int y = 0; y < Video::kHeight; ++y)
      for (int x = 0; x < Video::kWidth; ++x) {
        uint8_t& id = mask.ids[std::size_t(y * Video::kWidth + x)];
        id = id ? 7 : t > 0 && x < 30 && y > 90 ? 4 : 0;
      }
    tree.save(tree.dataset / "Annotations/disc" / ("0000" + std::to_string(t) + ".png"), mask);
  }
  const Result result = tree.run();
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(ids_in(read_mask(tree.result("disc", 0))) == std::vector{7});
  CHECK(ids_in(read_mask(tree.result("disc", 1))) == std::vector{4, 7});
  CHECK(result.out.starts_with(
      "all (each object after its first mask): 1 sequences, 2 objects, 3 masks scored\n"));
}

TEST_CASE("evaluate --run: bad input", "[apps]") {
  const DiscTree tree;
  const auto fails = [&](const std::string& text) {
    const Result result = tree.run();
    INFO(result.err);
    CHECK(result.status == 2);
    CHECK(result.err.ends_with("munet: error: evaluate: " + text + "\n"));
    CHECK(result.out == "");
  };
  SECTION("no frames") {
    fs::remove_all(tree.frames);
    fails("--run expects the frames of disc in " + tree.frames.string() +
          "; there is no such folder");
  }
  SECTION("an annotated frame is missing") {
    fs::remove(tree.frame(2));
    fails("--run expects the frame of " + tree.truth("disc", 2).string() + " in " +
          tree.frames.string() + "; there is none");
  }
  SECTION("a frame of another size than its mask") {
    write_png_rgb(tree.frame(0), Video::picture(0, 162, 128));
    fails(tree.frame(0).string() + ": expected a frame of its mask's size; it is 162x128");
  }
  SECTION("frames of several sizes") {
    write_png_rgb(tree.frame(2), Video::picture(2, 162, 128));
    fails(tree.frame(2).string() + ": expected 160x128 as in the frames before; it is 162x128");
    CHECK(files_in(tree.results / "disc") == std::set<std::string>{"00000.png", "00001.png"});
    return;
  }
  CHECK(files_in(tree.results).empty());
}

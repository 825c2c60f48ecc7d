// The program's work: which masks come out, what it prints, how it stops.
#include <chrono>
#include <sstream>
#include <thread>

#include "tests/program.h"

using namespace munet;
namespace fs = std::filesystem;

TEST_CASE("program: version, help, and arguments that make no sense", "[apps]") {
  CHECK(munet_program({"--version"}).out == "munet 0.1.0\n");
  CHECK(munet_program({"segment", "--help"}).status == 0);
  check_error(munet_program({"segment"}), "INPUT is required");
  const Video video;
  check_error(video.run({"--memory", "elephant"}), "--memory");
  check_error(video.run({"--every", "0"}), "");
  check_error(video.run({"--size", "big"}),
              "--size: expected raw or the shorter side in pixels, 32 or more; given \"big\"");
  check_error(video.run({"--memory-budget", "12XB"}),
              "expected an amount of memory like 512KiB, 64MiB or 1.5GiB; given \"12XB\"");
  CHECK(files_in(video.out).empty());
}

TEST_CASE("segment: a mask for every frame, the first one as it was given", "[apps]") {
  const Video video;
  Mask first = Video::disc(0);
  first.palette = {0, 0, 0, 9, 99, 199};
  write_mask(video.mask, first);
  spill(video.frames / "notes.txt", "not a picture");
  const Result result = video.run();
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(result.out.starts_with("3 masks in " + video.out.string() + ", 1 objects, "));
  CHECK(result.err.starts_with("munet: note: 1 files of " + video.frames.string() +
                               " are not pictures and are left out (notes.txt)\n"));
  CHECK(files_in(video.out) == std::set<std::string>{"frame0.png", "frame1.png", "frame2.png"});
  CHECK(read_mask(video.out / "frame0.png").ids == first.ids);
  for (int t = 1; t < 3; ++t) {
    const Mask mask = read_mask(video.out / ("frame" + std::to_string(t) + ".png"));
    CHECK(mask.width == Video::kWidth);
    CHECK(mask.height == Video::kHeight);
    CHECK(iou(mask, Video::disc(t)) > 0.9);
    CHECK(std::equal(first.palette.begin(), first.palette.end(), mask.palette.begin()));
  }
}

TEST_CASE("segment: further masks bring objects in at their frames", "[apps]") {
  const Video video;
  fs::create_directory(video.folder / "masks");
  Mask later{
      Video::kWidth, Video::kHeight, std::vector<uint8_t>(Video::kWidth * Video::kHeight), {}};
  for (std::size_t i = 0; i < later.ids.size() / 6; ++i) later.ids[i] = 77;
  write_mask(video.folder / "masks/frame1.png", later);
  const std::vector<std::string> more = {"--masks", (video.folder / "masks").string()};
  const Result result = video.run(more);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(ids_in(read_mask(video.out / "frame0.png")) == std::vector<int>{1});
  CHECK(ids_in(read_mask(video.out / "frame1.png")) == std::vector<int>{1, 77});
  CHECK(iou(read_mask(video.out / "frame1.png"), later) < 0.5);  // object 1 went on meanwhile
  write_mask(video.folder / "masks/frame9.png", later);
  check_error(video.run(more), "--masks: expected masks named like the frames; found " +
                                   (video.folder / "masks/frame9.png").string() +
                                   ", and no such frame");
}

TEST_CASE("segment: options reach the network", "[apps]") {
  const Video video(4);
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--size", "raw"},
                                             {"--memory", "fifo"},
                                             {"--every", "2", "--top-k", "5"},
                                             {"--one-piece", "--nearness", "1.5"}}) {
    INFO(more[0]);
    CHECK(video.run(more).status == 0);
    CHECK(iou(read_mask(video.out / "frame3.png"), Video::disc(3)) > 0.9);
  }
  CHECK(video.run({"--size", "64"}).status == 0);  // too coarse for this disc
  CHECK(read_mask(video.out / "frame3.png").width == Video::kWidth);
  const int twice = 2 * std::min(Video::kWidth, Video::kHeight);
  CHECK(video.run({"--size", std::to_string(twice), "--enlarge"}).status == 0);
  CHECK(iou(read_mask(video.out / "frame3.png"), Video::disc(3)) > 0.9);
  check_error(video.run({"--size", "raw", "--enlarge"}),
              "--enlarge: expected --size with the shorter side in pixels; given --size raw");
}

TEST_CASE("segment: Ctrl-C finishes the frame, keeps what is there, and says 130", "[apps]") {
  const Video video(400);
  const Child child(video.arguments());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (files_in(video.out).size() < 2 && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  child.signal(SIGINT);
  const Result result = child.wait();
  INFO(result.err);
  CHECK(result.status == 130);
  CHECK(result.err.ends_with("munet: interrupted; the files written so far are whole\n"));
  const std::set<std::string> files = files_in(video.out);
  CHECK(files.size() >= 2);
  CHECK(files.size() < 400);
  for (const std::string& name : files) {
    CHECK(name.ends_with(".png"));  // no .part
    CHECK(read_mask(video.out / name).ids.size() == 160 * 128);
  }
}

TEST_CASE("info: checkpoints, masks, pictures", "[apps]") {
  const Video video(1);
  Result result = munet_program({"info", kWeights.string()});
  CHECK(result.status == 0);
  for (const char* part :
       {"safetensors, 16.3 MiB", "backbone             resnet18", "mu_tau               0.05",
        "total                     208     8,550,127        8,960"})
    CHECK(result.out.find(part) != std::string::npos);
  result = munet_program({"info", video.mask.string()});
  CHECK(result.out == video.mask.string() +
                          ": mask, 160x128, palette, 1 objects\n"
                          "   id       pixels    share  colour\n"
                          "    0       16,667  81.382%  #000000\n"
                          "    1        3,813  18.618%  #800000\n");
  result = munet_program({"info", video.frame(0).string()});
  CHECK(result.out == video.frame(0).string() + ": picture, 160x128, RGB\n");
  check_error(munet_program({"info", (video.folder / "none").string()}), "info: cannot read ",
              ": No such file or directory");
  spill(video.folder / "text", "hello");
  check_error(munet_program({"info", (video.folder / "text").string()}),
              "read_image: ", "found something else");
}

TEST_CASE("segment --trust: a row per frame and object, and frames to check", "[apps]") {
  const Video video(4);
  const fs::path csv = video.folder / "trust.csv";
  const Result result = video.run({"--trust", csv.string()});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.err.find("munet: note: frames to check first: frame") != std::string::npos);
  std::istringstream lines(slurp(csv));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "Frame,Object,Trust,Certainty,Agreement,Matching");
  std::getline(lines, line);
  CHECK(line == "frame0,1,1.0000,1.0000,1.0000,1.0000");  // it was given
  int rows = 1;
  for (; std::getline(lines, line); ++rows) {
    CHECK(line.starts_with("frame" + std::to_string(rows) + ",1,"));
    const double trust = std::stod(line.substr(9));
    CHECK((trust > 0 && trust < 1));
  }
  CHECK(rows == 4);
}

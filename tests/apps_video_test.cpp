// The program on videos, and everything that it writes besides masks.
#include <sys/resource.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/overlay.h"
#include "data/rle.h"
#include "tests/movie.h"
#include "tests/video_pictures.h"

using namespace munet;
namespace fs = std::filesystem;

TEST_CASE("segment: a video, with everything that can be written", "[apps][video]") {
  const Movie movie;
  if (!movie.made()) return;
  const std::string overlay = (movie.folder / "overlay.mp4").string();
  const std::string green = (movie.folder / "green.mp4").string();
  const std::string rle = (movie.folder / "rle.json").string();
  const std::string soft = (movie.folder / "soft").string();
  const std::string summary = (movie.folder / "summary.json").string();
  const Result result = movie.segment({"--overlay", overlay, "--cutout", green, "--rle", rle,
                                       "--soft", soft, "--soft-bits", "16", "--summary", summary});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(files_in(movie.out) ==
        std::set<std::string>{"00000.png", "00001.png", "00002.png", "00003.png"});
  CHECK(files_in(movie.folder.path) == std::set<std::string>{"frames", "first.png", "movie.mp4",
                                                             "out", "overlay.mp4", "green.mp4",
                                                             "rle.json", "soft", "summary.json"});

  const std::vector<Image> shown = decode(overlay), cut = decode(green);
  REQUIRE(shown.size() == 4);
  REQUIRE(cut.size() == 4);
  const nlohmann::json runs = nlohmann::json::parse(slurp(rle));
  CHECK(runs["size"] == nlohmann::json{128, 160});
  const std::vector<uint8_t> palette = safe_palette();
  for (int t = 0; t < 4; ++t) {
    const std::string name = "0000" + std::to_string(t);
    const Mask mask = movie.result(name + ".png");
    CHECK(iou(mask, Video::disc(t)) > 0.9);
    // The middle of the disc and a corner.
    const Image frame = Video::picture(t, 160, 128);
    uint8_t mixed[3];
    for (int c = 0; c < 3; ++c)
      mixed[c] = uint8_t((at(frame, 66 + 2 * t, 64)[c] + palette[std::size_t(3 + c)]) / 2);
    const Image& painted = shown[std::size_t(t)];
    CHECK(distance(at(painted, 66 + 2 * t, 64), mixed) < 30);
    CHECK(distance(at(painted, 8, 8), at(frame, 8, 8)) < 30);
    constexpr uint8_t kGreen[] = {0, 177, 64};
    CHECK(distance(at(cut[std::size_t(t)], 8, 8), kGreen) < 30);
    CHECK(distance(at(cut[std::size_t(t)], 66 + 2 * t, 64), at(frame, 66 + 2 * t, 64)) < 30);

    const nlohmann::json& run = runs["frames"][std::size_t(t)];
    CHECK(run["name"] == name);
    CHECK(run["index"] == t);
    CHECK(run["seconds"].get<double>() == Approx(0.1 * t).margin(0.001));
    CHECK(run["objects"][0]["id"] == 1);
    CHECK(rle_text(encode_rle(mask).at(1).counts) ==
          run["objects"][0]["segmentation"]["counts"].get<std::string>());

    const Image probability = read_image(fs::path(soft) / "1" / (name + ".png"));
    CHECK(*at(probability, 66 + 2 * t, 64) > 200);
    CHECK(*at(probability, 8, 8) < 50);
    CHECK(int(slurp(fs::path(soft) / "1" / (name + ".png"))[24]) == 16);  // bits
  }

  const nlohmann::json told = nlohmann::json::parse(slurp(summary));
  CHECK(told["frames"] == 4);
  CHECK(told["damaged_frames"] == 0);
  CHECK(told["frames_per_second"].get<double>() <= told["frames_per_second_without_io"]);
  CHECK(told["peak_memory_bytes"].get<int64_t>() > 10'000'000);
  CHECK(told["memory"]["objects"][0]["id"] == 1);
  CHECK(told["settings"]["every"] == 5);
  CHECK(told["weights"]["sha256"].get<std::string>().size() == 64);
}

TEST_CASE("segment: parts of a video, some objects, cut-outs with alpha", "[apps][video]") {
  const Movie movie(6);
  if (!movie.made()) return;
  Mask two = Video::disc(2);
  for (std::size_t i = 0; i < 160 * 8; ++i) two.ids[i] = 7;
  write_mask(movie.mask, two);
  const fs::path cutout = movie.folder / "cutout";
  Result result = movie.segment({"--range", "2:5", "--objects", "1", "--cutout", cutout.string()});
  INFO(result.err);
  CHECK(result.status == 0);
  const std::set<std::string> names = {"00002.png", "00003.png", "00004.png"};
  CHECK(files_in(movie.out) == names);
  CHECK(files_in(cutout) == names);
  CHECK(ids_in(movie.result("00002.png")) == std::vector<int>{1});
  CHECK(iou(movie.result("00004.png"), Video::disc(4)) > 0.9);
  CHECK(int(slurp(cutout / "00003.png")[25]) == 6);  // RGB and alpha

  SECTION("folders have ranges too") {
    result = movie.run({"--range", "4:", "--objects", "1"});
    CHECK(result.status == 0);
    CHECK(fs::exists(movie.out / "frame5.png"));
    CHECK_FALSE(fs::exists(movie.out / "frame3.png"));
  }
  SECTION("ranges and ids that are not there") {
    check_error(movie.segment({"--range", "9:"}), "--range: expected frames of ",
                ", which has 6; given 9 as the first");
    check_error(movie.run({"--range", "9:"}), "--range: expected frames of ",
                ", which has 6; given 9 as the first");
    check_error(movie.segment({"--range", "5:2"}), "--range: expected FIRST:END, ");
    check_error(movie.segment({"--objects", "1,,2"}),
                "--objects: expected ids of 1..254 like 1,3;");
    check_error(movie.run({"--objects", "5"}), "--objects: expected ids of ",
                ", which has 1, 7; given 5");
  }
}

TEST_CASE("segment: nothing is replaced unless asked to", "[apps][video]") {
  const Movie movie;
  if (!movie.made()) return;
  const fs::path overlay = spill(movie.folder / "overlay.mp4", "old");
  check_error(movie.segment({"--overlay", overlay.string()}),
              "segment: expected a new file; " + overlay.string() +
                  " is there already (--force replaces it)");
  CHECK(slurp(overlay) == "old");
  check_error(movie.segment({"--overlay", movie.path.string(), "--force"}),
              "segment: expected an output file of its own; ");
  CHECK(decode(movie.path).size() == 4);
  fs::create_directory(movie.out);
  spill(movie.out / "old.png", "old");
  check_error(movie.segment(), "segment: expected an empty output folder; " + movie.out.string());
  CHECK(files_in(movie.out) == std::set<std::string>{"old.png"});
  CHECK(movie.segment({"--force", "--overlay", overlay.string()}).status == 0);
  CHECK(files_in(movie.out).size() == 5);
  CHECK(decode(overlay).size() == 4);
}

TEST_CASE("segment: interrupted and resumed, it is as if nothing had happened", "[apps][video]") {
  const Movie movie(14);
  if (!movie.made()) return;
  Mask later = Video::disc(1);
  for (std::size_t i = 0; i < 160 * 8; ++i) later.ids[i] = 9;
  fs::create_directory(movie.folder / "later");
  write_mask(movie.folder / "later/00001.png", later);
  const auto arguments = [&](const std::string& name, const std::vector<std::string>& more = {}) {
    const auto at = [&](const std::string& file) {
      return (movie.folder / (name + file)).string();
    };
    std::vector<std::string> all = {"segment",   movie.path.string(),
                                    "--mask",    movie.mask.string(),
                                    "-o",        at("/"),
                                    "--every",   "2",
                                    "--masks",   (movie.folder / "later").string(),
                                    "--rle",     at(".json"),
                                    "--overlay", at(".mp4"),
                                    "--soft",    at("-soft"),
                                    "--trust",   at("-trust.csv")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  REQUIRE(munet_program(arguments("whole")).status == 0);
  CHECK_FALSE(fs::exists(movie.folder / "whole.resume"));
  const fs::path state = movie.folder / "part.resume";
  check_error(munet_program(arguments("part", {"--resume"})),
              "--resume: expected " + state.string() + ", which an interrupted run leaves behind");

  int stopped = 0;
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::size_t before = files_in(movie.folder / "part").size();
    const Child child(arguments(
        "part", stopped ? std::vector<std::string>{"--resume"} : std::vector<std::string>{}));
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (files_in(movie.folder / "part").size() < before + 3 &&
           std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    child.signal(signal);
    const Result result = child.wait();
    INFO(result.err);
    REQUIRE(result.status == 128 + signal);
    const std::size_t done = files_in(movie.folder / "part").size();
    CHECK(result.err.find("munet: note: " + std::to_string(done) +
                          " frames are done; the same command with --resume goes on\n") !=
          std::string::npos);
    CHECK(done > before);
    CHECK(decode(movie.folder / "part.mp4").size() == done);
    CHECK(nlohmann::json::parse(slurp(movie.folder / "part.json"))["frames"].size() == done);
    ++stopped;
  }
  check_error(munet_program(arguments("part", {"--resume", "--size", "raw"})),
              "--resume: expected the same --size as in the interrupted run, 480; given 0");
  const Result result = munet_program(arguments("part", {"--resume"}));
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK_FALSE(fs::exists(state));
  REQUIRE(files_in(movie.folder / "part").size() == 14);
  CHECK(slurp(movie.folder / "part-trust.csv") == slurp(movie.folder / "whole-trust.csv"));
  for (const std::string& name : files_in(movie.folder / "whole"))
    for (const std::string folder : {"", "-soft/1", "-soft/9"}) {
      INFO(folder << " " << name);
      const fs::path whole = movie.folder / ("whole" + folder) / name;
      if (folder == "-soft/9" && name == "00000.png") continue;  // comes in later
      CHECK(slurp(whole) == slurp(movie.folder / ("part" + folder) / name));
      CHECK(slurp(whole).size() > 0);
    }
  CHECK(slurp(movie.folder / "whole.json") == slurp(movie.folder / "part.json"));
  CHECK(decode(movie.folder / "part.mp4").size() == 14);
}

TEST_CASE("segment: an estimate writes nothing", "[apps][video]") {
  const Movie movie(7);
  if (!movie.made()) return;
  const Result result = movie.segment({"--estimate"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(result.out.starts_with("7 frames of 160x128, 1 objects: "));
  CHECK(result.out.find("\nmemory: at most ") != std::string::npos);
  CHECK_FALSE(fs::exists(movie.out));
}

TEST_CASE("segment: damaged frames keep the mask before them", "[apps][video]") {
  const Movie movie(6);
  if (!movie.made() || !have_ffmpeg()) return;
  // Every frame a PNG of its own in a container: the third one is damaged.
  const fs::path path = movie.folder / "movie.mov";
  REQUIRE(ffmpeg("-framerate 10 -start_number 0 -i '" + (movie.frames / "frame%d.png").string() +
                 "' -c:v png '" + path.string() + "'"));
  std::string bytes = slurp(path);
  std::size_t place = 0;
  for (int t = 0; t < 3; ++t) place = bytes.find("IHDR", place + 1);
  bytes.replace(place - 8, 60, 60, 'x');
  spill(path, bytes);
  std::vector<std::string> arguments = movie.arguments(
      {"--overlay", (movie.folder / "o.mp4").string(), "--summary", (movie.folder / "s").string()});
  arguments[1] = path.string();
  const Result result = munet_program(arguments);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(result.err.find("munet: note: " + path.string() + ", frame 2 (0.20 s) is damaged (") !=
        std::string::npos);
  CHECK(files_in(movie.out).size() == 6);
  CHECK(movie.result("00002.png").ids == movie.result("00001.png").ids);
  CHECK(iou(movie.result("00005.png"), Video::disc(5)) > 0.9);
  CHECK(decode(movie.folder / "o.mp4").size() == 6);
  CHECK(nlohmann::json::parse(slurp(movie.folder / "s"))["damaged_frames"] == 1);
}

TEST_CASE("segment: a disk that fills up while encoding", "[apps][video]") {
  const Movie movie(4);
  if (!movie.made()) return;
  // The limit cuts this process's stderr as well, which is a file here: it stays below.
  const fs::path rle = movie.folder / "rle.json", overlay = movie.folder / "o.mp4";
  const Result result = movie.segment({"--overlay", overlay.string(), "--rle", rle.string()}, [] {
    const rlimit limit{1500, 1500};
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.find("munet: error: write_video: cannot write " + overlay.string() +
                        ": File too large\n") != std::string::npos);
  CHECK_FALSE(fs::exists(overlay));
  CHECK_FALSE(fs::exists(overlay.string() + ".part"));
  for (const std::string& name : files_in(movie.out))
    CHECK(movie.result(name).ids.size() == 160 * 128);
  CHECK(files_in(movie.out).size() == 4);
}

TEST_CASE("segment: files that are no videos, names that are no text", "[apps][video]") {
  const Movie movie(2);
  if (!movie.made()) return;
  const fs::path text = spill(movie.folder / "text.mp4", "Dear diary\n");
  std::vector<std::string> arguments = movie.arguments();
  arguments[1] = text.string();
  check_error(munet_program(arguments),
              "read_video: " + text.string() + ": expected a video file; found something else");
  CHECK_FALSE(fs::exists(movie.out));
  const fs::path odd = movie.folder / "caf\xe9: 100% #1.mp4", out = movie.folder / "\xff\xfe";
  fs::rename(movie.path, odd);
  const Result result = munet_program(
      {"segment", odd.string(), "--mask", movie.mask.string(), "-o", out.string(), "--rle",
       (movie.folder / "\xe9.json").string(), "--overlay", (movie.folder / "\xe9.mp4").string(),
       "--summary", (movie.folder / "\xe9.txt").string(), "--threads", "1"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(files_in(out).size() == 2);
  CHECK(nlohmann::json::parse(slurp(movie.folder / "\xe9.json"))["frames"].size() == 2);
  CHECK(decode(movie.folder / "\xe9.mp4").size() == 2);
}

TEST_CASE("segment: frames of 67 million pixels", "[apps][video]") {
  const TemporaryFolder folder;
  if (!have_ffmpeg()) return;
  const fs::path path = folder / "huge.avi", mask = folder / "first.png", out = folder / "out";
  REQUIRE(ffmpeg("-f lavfi -i color=c=gray:size=8192x8192:rate=10 -frames:v 2 -c:v mjpeg '" +
                 path.string() + "'"));
  std::vector<uint16_t> bits(std::size_t{8192} * 8192);
  std::fill(bits.begin(), bits.begin() + std::ptrdiff_t{8192} * 2000, uint16_t{1});
  make_png(mask, 8192, 8192, bits, {1, PNG_COLOR_TYPE_GRAY});
  const Result result = munet_program({"segment", path.string(), "--mask", mask.string(), "-o",
                                       out.string(), "--size", "64", "--threads", "1"});
  INFO(result.err);
  CHECK(result.status == 0);
  REQUIRE(files_in(out) == std::set<std::string>{"00000.png", "00001.png"});
  const Mask last = read_mask(out / "00001.png");
  CHECK(last.width == 8192);
  CHECK(last.height == 8192);
}

TEST_CASE("segment: a frame of one pixel", "[apps][video]") {
  const Video video(1);
  const fs::path frames = video.folder / "one";
  fs::create_directory(frames);
  for (int t = 0; t < 2; ++t)
    write_png_rgb(frames / (std::to_string(t) + ".png"), {1, 1, {200, 10, 10}});
  write_mask(video.mask, {1, 1, {3}, {}});
  std::vector<std::string> arguments = video.arguments();
  arguments[1] = frames.string();
  const Result result = munet_program(arguments);
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(read_mask(video.out / "0.png").ids == std::vector<uint8_t>{3});
  CHECK(read_mask(video.out / "1.png").ids.size() == 1);
}

// From a frame in the middle both ways, times instead of numbers, presets, and live frames.
#include <fcntl.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/movie.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

// The frames of `movie` in the opposite order, as a folder: 00000.png is frame `last`.
fs::path reversed(const Movie& movie, int last) {
  const std::vector<Image> images = decode(movie.path);
  const fs::path folder = movie.folder / "reversed";
  fs::create_directory(folder);
  for (int t = last; t >= 0; --t)
    write_png_rgb(folder / ("0000" + std::to_string(last - t) + ".png"), images[std::size_t(t)]);
  return folder;
}

std::string name(int t) { return (t < 10 ? "0000" : "000") + std::to_string(t) + ".png"; }

void run_with_stdin(const fs::path& input) { dup2(open(input.c_str(), O_RDONLY), STDIN_FILENO); }

}  // namespace

TEST_CASE("segment --from: both ways from the same mask", "[apps][video]") {
  const Movie movie(9);
  if (!movie.made()) return;
  write_mask(movie.mask, Video::disc(5));
  const fs::path film = movie.folder / "film.mp4", rle = movie.folder / "rle.json",
                 soft = movie.folder / "soft";
  const Result result = movie.segment({"--from", "5", "--overlay", film.string(), "--rle",
                                       rle.string(), "--soft", soft.string(), "--every", "2"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.starts_with("9 masks in "));
  REQUIRE(files_in(movie.out).size() == 9);
  CHECK(files_in(soft / "1").size() == 9);
  CHECK(movie.result(name(5)).ids == Video::disc(5).ids);
  CHECK(decode(film).size() == 9);
  const nlohmann::json frames = nlohmann::json::parse(slurp(rle)).at("frames");
  REQUIRE(frames.size() == 9);
  for (std::size_t t = 0; t < 9; ++t) {
    CHECK(frames[t].at("index") == t);
    CHECK(frames[t].at("seconds").get<double>() == Approx(0.1 * double(t)).margin(0.001));
  }
  // Each half is what a run of its own makes of it.
  const fs::path back = movie.folder / "back", forth = movie.folder / "forth";
  std::vector<std::string> arguments = movie.arguments({"--every", "2"});
  arguments[1] = reversed(movie, 5).string();
  arguments[5] = back.string();
  REQUIRE(munet_program(arguments).status == 0);
  arguments[1] = movie.path.string();
  arguments[5] = forth.string();
  arguments.insert(arguments.end(), {"--range", "5:"});
  REQUIRE(munet_program(arguments).status == 0);
  for (int t = 0; t < 9; ++t) {
    INFO(t);
    CHECK(movie.result(name(t)).ids == read_mask(t < 5 ? back / name(5 - t) : forth / name(t)).ids);
    CHECK(iou(movie.result(name(t)), Video::disc(t)) > 0.9);
  }
}

TEST_CASE("segment --from: ranges, times, folders, the ends", "[apps][video]") {
  const Movie movie(7);
  if (!movie.made()) return;
  write_mask(movie.mask, Video::disc(4));
  SECTION("a range, in times") {
    const Result result = movie.segment({"--range", "0.2s:0.6s", "--from", "0.35s"});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(files_in(movie.out) == std::set{name(2), name(3), name(4), name(5)});
    CHECK(movie.result(name(4)).ids == Video::disc(4).ids);
  }
  SECTION("a folder, with further masks on both sides") {
    Mask more = Video::disc(0);
    for (std::size_t i = 0; i < more.ids.size(); ++i) more.ids[i] = i < 160 * 10 ? 9 : 0;
    fs::create_directory(movie.folder / "masks");
    write_mask(movie.folder / "masks/frame2.png", more);
    write_mask(movie.folder / "masks/frame6.png", more);
    const Result result = movie.run({"--from", "4", "--masks", (movie.folder / "masks").string()});
    INFO(result.err);
    CHECK(result.status == 0);
    for (int t = 0; t < 7; ++t) {
      INFO(t);
      const std::vector<int> ids = ids_in(movie.result("frame" + std::to_string(t) + ".png"));
      CHECK(ids.front() == 1);
      if (t == 2 || t == 6) CHECK(ids == std::vector{1, 9});
      if (t > 2 && t < 6) CHECK(ids == std::vector{1});
    }
  }
  SECTION("the first and the last frame") {
    write_mask(movie.mask, Video::disc(0));
    CHECK(movie.segment({"--from", "0"}).status == 0);
    CHECK(files_in(movie.out).size() == 7);
    write_mask(movie.mask, Video::disc(6));
    CHECK(movie.segment({"--from", "6", "--force"}).status == 0);
    CHECK(iou(movie.result(name(0)), Video::disc(0)) > 0.9);
  }
  SECTION("an estimate") {
    const Result result = movie.segment({"--from", "4", "--estimate"});
    CHECK(result.status == 0);
    CHECK(result.out.starts_with("7 frames of 160x128, 1 objects: "));
  }
  SECTION("what is not there") {
    check_error(movie.segment({"--from", "7"}),
                "--from: expected a frame of the range, 0 to 6; given 7");
    check_error(movie.segment({"--from", "1", "--range", "2:4"}),
                "--from: expected a frame of the range, 2 to 1; given 1");
    check_error(movie.segment({"--from", "3s"}),
                "--from: expected a frame of the range, 0 to 6; given 3s");
    check_error(movie.run({"--from", "7"}),
                "--from: expected the number of a frame in 0:7; given 7");
    check_error(movie.run({"--from", "1s"}),
                "--from: expected the number of a frame in 0:7; given 1s");
    check_error(movie.segment({"--from", "now"}),
                "--from: expected a time like 12.5s or the number of a frame, from 0; given "
                "\"now\"");
    check_error(movie.run({"--range", "1s:"}),
                "--range: expected numbers of frames for a folder, which has no times; given 1s");
    check_error(movie.segment({"--range", "5s:2s"}), "--range: expected FIRST:END, ");
  }
}

TEST_CASE("segment --from: interrupted on either way and resumed", "[apps][video]") {
  const Movie movie(16);
  if (!movie.made()) return;
  write_mask(movie.mask, Video::disc(8));
  const auto arguments = [&](const std::string& out) {
    const std::string at = (movie.folder / out).string();
    return std::vector<std::string>{"segment", movie.path.string(),
                                    "--mask",  movie.mask.string(),
                                    "-o",      at,
                                    "--from",  "8",
                                    "--every", "2",
                                    "--rle",   at + ".json"};
  };
  REQUIRE(munet_program(arguments("whole")).status == 0);
  std::vector<std::string> part = arguments("part");
  for (const std::size_t enough : {3, 6, 11}) {  // two stops going back, one going forth
    const Child child(part);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (files_in(movie.folder / "part").size() < enough &&
           std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    child.signal(SIGTERM);
    const Result result = child.wait();
    INFO(result.err);
    REQUIRE(result.status == 128 + SIGTERM);
    CHECK(fs::exists(movie.folder / "part.resume"));
    if (enough == 3) part.push_back("--resume");
  }
  const Result result = munet_program(part);
  INFO(result.err);
  REQUIRE(result.status == 0);
  for (int t = 0; t < 16; ++t)
    CHECK(slurp(movie.folder / "whole" / name(t)) == slurp(movie.folder / "part" / name(t)));
  CHECK(slurp(movie.folder / "whole.json") == slurp(movie.folder / "part.json"));
}

TEST_CASE("segment --preset: what is given beside it comes first", "[apps]") {
  const Video video(2);
  const auto settings = [&](const std::vector<std::string>& more) {
    const std::string summary = (video.folder / "summary.json").string();
    std::vector<std::string> all = {"--summary", summary};
    all.insert(all.end(), more.begin(), more.end());
    CHECK(video.run(all).status == 0);
    const nlohmann::json told = nlohmann::json::parse(slurp(summary)).at("settings");
    return std::pair<int, int>(told.at("size"), told.at("every"));
  };
  CHECK(settings({}) == std::pair(480, 5));
  CHECK(settings({"--preset", "fast"}) == std::pair(240, 10));
  CHECK(settings({"--preset", "accurate"}) == std::pair(0, 5));
  CHECK(settings({"--every", "3", "--preset", "fast"}) == std::pair(240, 3));
  check_error(video.run({"--preset", "best"}), "--preset: best not in {fast,accurate}");
}

TEST_CASE("segment --stdin: raw frames in, ids out as they come", "[apps]") {
  const Video video(4);
  std::string raw, ids;
  for (int t = 0; t < 4; ++t) {
    const Image image = Video::picture(t, Video::kWidth, Video::kHeight);
    raw.append(image.rgb.begin(), image.rgb.end());
  }
  const fs::path input = spill(video.folder / "raw", raw);
  const std::vector<std::string> arguments = {"segment",           "--stdin",   "160x128", "--mask",
                                              video.mask.string(), "--threads", "1"};
  Result result = munet_program(arguments, [&] { run_with_stdin(input); });
  INFO(result.err);
  REQUIRE(result.status == 0);
  REQUIRE(video.run().status == 0);
  for (int t = 0; t < 4; ++t) {
    const Mask mask = read_mask(video.out / ("frame" + std::to_string(t) + ".png"));
    ids.append(mask.ids.begin(), mask.ids.end());
  }
  CHECK(result.out == ids);
  CHECK(result.err.find("4 masks in stdout, 1 objects, ") != std::string::npos);

  SECTION("each mask is there before the next frame is") {
    int in[2], out[2];
    REQUIRE(pipe(in) == 0);
    REQUIRE(pipe(out) == 0);
    const Child child(arguments, [&] {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      close(in[1]);
      close(out[0]);
    });
    close(in[0]);
    close(out[1]);
    for (std::size_t t = 0; t < 4; ++t) {
      const std::size_t size = raw.size() / 4, pixels = ids.size() / 4;
      for (std::size_t done = 0; done < size;) {
        const ssize_t n = write(in[1], raw.data() + t * size + done, size - done);
        REQUIRE(n > 0);
        done += std::size_t(n);
      }
      std::string mask(pixels, ' ');
      for (std::size_t done = 0; done < pixels;) {
        const ssize_t n = read(out[0], mask.data() + done, pixels - done);
        REQUIRE(n > 0);
        done += std::size_t(n);
      }
      CHECK(mask == ids.substr(t * pixels, pixels));
    }
    SECTION("and the end of the stream is the end") {
      close(in[1]);
      CHECK(child.wait().status == 0);
    }
    SECTION("Ctrl-C is heard while nothing comes") {
      child.signal(SIGINT);
      CHECK(child.wait().status == 130);
      close(in[1]);
    }
    close(out[0]);
  }
  SECTION("a frame that is not whole") {
    spill(input, raw.substr(0, raw.size() - 100));
    result = munet_program(arguments, [&] { run_with_stdin(input); });
    CHECK(result.status == 2);
    CHECK(
        result.err.ends_with("munet: error: --stdin: expected frames of 160x128x3 = 61440 bytes; "
                             "the last one, frame 3, has 61340\n"));
    CHECK(result.out == ids.substr(0, ids.size() / 4 * 3));
  }
  SECTION("nothing, and nobody who reads") {
    spill(input, "");
    check_error(munet_program(arguments, [&] { run_with_stdin(input); }),
                "segment: expected at least one frame in stdin; found none");
    spill(input, raw);
    result = munet_program(arguments, [&] {
      run_with_stdin(input);
      int ends[2];
      if (pipe(ends) == 0) dup2(ends[1], STDOUT_FILENO), close(ends[0]), close(ends[1]);
    });
    CHECK(result.status == 2);
    CHECK(result.err.ends_with("segment: cannot write to stdout: Broken pipe\n"));
  }
  SECTION("what does not go together") {
    for (const std::string size : {"160", "160x", "x128", "0x5", "160x128x3", "a"})
      check_error(munet_program({"segment", "--stdin", size, "--mask", "m.png"}),
                  "--stdin: expected WIDTHxHEIGHT like 854x480; given \"" + size + "\"");
    check_error(munet_program({"segment", "v.mp4", "--stdin", "4x4", "--mask", "m.png"}),
                "INPUT: expected one video or folder; given --stdin");
    check_error(munet_program({"segment", "--stdin", "4x4", "--mask", "m.png", "--range", "1:"}),
                "--range: expected one video or folder; given --stdin");
  }
}

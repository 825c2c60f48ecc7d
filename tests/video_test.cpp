// Video files: what the ffmpeg program writes is read as it was meant, and the other way round.
#include "data/video.h"

#include <sys/resource.h>

#include <cmath>

#include "tensor/error.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/video_pictures.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

struct Clip {
  std::vector<std::string> frames;  // read_quarters of each
  std::vector<double> seconds;
  std::vector<std::string> damage;
  VideoInfo info;
};

Clip read_clip(const fs::path& path) {
  VideoReader reader(path);
  Clip clip;
  VideoFrame frame;
  while (reader.next(frame)) {
    CHECK(frame.index == int64_t(clip.frames.size()));
    if (!frame.image.rgb.empty()) {
      CHECK(frame.image.width == reader.info().width);
      CHECK(frame.image.height == reader.info().height);
    }
    clip.frames.push_back(frame.image.rgb.empty() ? "" : read_quarters(frame.image));
    clip.seconds.push_back(frame.seconds);
    clip.damage.push_back(frame.damage);
  }
  clip.info = reader.info();
  return clip;
}

std::string video_error(const fs::path& path) {
  return file_error([&] { read_clip(path); });
}

bool built_with_video() {
  const bool with =
      file_error([] { VideoReader("/nowhere.mp4"); }).find("a build with") == std::string::npos;
  if (!with) skip("no video test: built without FFmpeg's libraries");
  return with;
}

// bytes of `path`, `count` of them from `at` on replaced by a pattern.
void damage(const fs::path& path, std::size_t at, std::size_t count) {
  std::string bytes = slurp(path);
  REQUIRE(at + count < bytes.size());
  for (std::size_t i = 0; i < count; ++i) bytes[at + i] = char(i * 37 + 11);
  spill(path, bytes);
}

}  // namespace

TEST_CASE("video: every codec, frame by frame, odd sizes too", "[video]") {
  if (!built_with_video() || !have_ffmpeg()) return;
  struct Row {
    const char *codec, *file, *options;
    int width, height;
  };
  for (const Row& row :
       std::vector<Row>{{"h264", "a.mp4", "-c:v libx264 -pix_fmt yuv420p", 66, 50},
                        {"h264", "odd.mkv", "-c:v libx264 -pix_fmt yuv444p", 67, 51},
                        {"h264", "sound.mov",
                         "-f lavfi -i sine=duration=1 -c:v libx264 -pix_fmt yuv420p", 66, 50},
                        {"hevc", "a.mp4",
                         "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le", 66, 50},
                        {"vp9", "a.webm", "-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuv420p", 67, 51},
                        {"mpeg4", "a.avi", "-c:v mpeg4 -q:v 2 -bf 2", 66, 50},
                        {"mjpeg", "a.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj422p", 67, 51}}) {
    INFO(row.codec << " " << row.file << " " << row.options);
    const TemporaryFolder folder;
    const std::string input = quarter_frames(folder / "in", 7, row.width, row.height);
    const fs::path path = folder / row.file;
    REQUIRE(ffmpeg(input + row.options + " '" + path.string() + "'"));
    const Clip clip = read_clip(path);
    CHECK(clip.info.codec == row.codec);
    CHECK(clip.info.width == row.width);
    CHECK(clip.info.height == row.height);
    CHECK(clip.info.frames_per_second == Approx(10));
    CHECK(clip.frames ==
          std::vector<std::string>{"RGB0", "RGB1", "RGB2", "RGB3", "RGB4", "RGB5", "RGB6"});
    for (std::size_t t = 0; t < clip.frames.size(); ++t) {
      CHECK(clip.seconds[t] == Approx(0.1 * double(t)).margin(0.002));
      CHECK(clip.damage[t] == "");
    }
  }
}

TEST_CASE("video: rotation, variable frame rate, seeking", "[video]") {
  if (!built_with_video() || !have_ffmpeg()) return;
  const TemporaryFolder folder;
  const std::string input = quarter_frames(folder / "in", 12, 66, 50);
  const fs::path plain = folder / "plain.mp4";
  REQUIRE(ffmpeg(input + "-c:v libx264 -g 4 -pix_fmt yuv420p '" + plain.string() + "'"));
  SECTION("rotation") {
    // What the program itself makes of each file is the reference.
    for (const int angle : {90, 180, 270}) {
      const fs::path path = folder / "turned.mp4", frame = folder / "shown.png";
      REQUIRE(ffmpeg("-i '" + plain.string() + "' -c copy -metadata:s:v:0 rotate=" +
                     std::to_string(angle) + " '" + path.string() + "'"));
      REQUIRE(ffmpeg("-i '" + path.string() + "' -frames:v 1 '" + frame.string() + "'"));
      const Image shown = read_image(frame);
      const Clip clip = read_clip(path);
      INFO(angle);
      CHECK(clip.frames.at(0) == read_quarters(shown));
      CHECK(clip.frames.at(0) != "RGB0");
      CHECK(clip.info.width == shown.width);
      CHECK(clip.info.height == shown.height);
      CHECK(clip.frames.size() == 12);
    }
  }
  SECTION("variable frame rate") {
    const fs::path path = folder / "variable.mkv";
    REQUIRE(ffmpeg(input +
                   "-vf settb=1/1000,setpts='N*N*10' -vsync vfr -enc_time_base 1/1000 -c:v libx264 "
                   "-pix_fmt yuv420p '" +
                   path.string() + "'"));
    const Clip clip = read_clip(path);
    REQUIRE(clip.frames.size() == 12);
    for (std::size_t t = 0; t < 12; ++t) {
      CHECK(clip.seconds[t] == Approx(0.01 * double(t * t)).margin(0.01));
      CHECK(clip.frames[t] == "RGB" + std::to_string(t));
    }
  }
  SECTION("seeking and skipping") {
    VideoReader reader(plain);
    VideoFrame frame;
    for (const int t : {6, 2, 11, 0}) {
      reader.seek(0.1 * t);
      REQUIRE(reader.next(frame));
      CHECK(read_quarters(frame.image) == "RGB" + std::to_string(t));
      CHECK(frame.seconds == Approx(0.1 * t).margin(0.001));
      CHECK(frame.index == -1);
    }
    reader.seek(5);
    CHECK_FALSE(reader.next(frame));
    VideoReader other(plain);
    for (int t = 0; t < 5; ++t) CHECK(other.next(frame, false));
    REQUIRE(other.next(frame));
    CHECK(frame.index == 5);
    CHECK(read_quarters(frame.image) == "RGB5");
  }
}

TEST_CASE("video: damaged frames keep their places", "[video]") {
  if (!built_with_video() || !have_ffmpeg()) return;
  const TemporaryFolder folder;
  const std::string input = quarter_frames(folder / "in", 9, 66, 50);
  SECTION("a picture of its own each: only the damaged one is lost") {
    const fs::path path = folder / "a.mov";
    REQUIRE(ffmpeg(input + "-c:v png '" + path.string() + "'"));
    const std::string bytes = slurp(path);
    std::size_t at = 0;
    for (int t = 0; t <= 4; ++t) at = bytes.find("IHDR", at + 1);
    damage(path, at - 8, 60);
    const Clip clip = read_clip(path);
    REQUIRE(clip.frames.size() == 9);
    for (std::size_t t = 0; t < 9; ++t) {
      CHECK(clip.seconds[t] == Approx(0.1 * double(t)).margin(0.01));
      CHECK(clip.frames[t] == (t == 4 ? "" : "RGB" + std::to_string(t)));
      CHECK((clip.damage[t] != "") == (t == 4));
    }
  }
  SECTION("H.264") {
    const fs::path path = folder / "a.mp4";
    REQUIRE(ffmpeg(input + "-c:v libx264 -g 3 -bf 0 -pix_fmt yuv420p '" + path.string() + "'"));
    const std::string bytes = slurp(path);
    damage(path, bytes.find("mdat") + (bytes.size() - bytes.find("mdat")) / 2, 90);
    const Clip clip = read_clip(path);
    CHECK(clip.frames.size() == 9);
    CHECK(clip.damage.front() == "");
    CHECK(clip.damage.back() == "");
    CHECK(std::count(clip.damage.begin(), clip.damage.end(), "") < 9);
  }
}

TEST_CASE("video: files that are none are one clear sentence", "[video]") {
  if (!built_with_video()) return;
  const TemporaryFolder folder;
  const fs::path text = spill(folder / "text.mp4", "Dear diary, today I made a video.\n");
  CHECK(video_error(text) ==
        "read_video: " + text.string() +
            ": expected a video file; found something else, or one that is cut off (Invalid data "
            "found when processing input)");
  const fs::path none = folder / "none.mp4";
  CHECK(video_error(none) ==
        "read_video: cannot read " + none.string() + ": No such file or directory");
  CHECK(video_error(folder.path).starts_with("read_video: "));
  CHECK(video_error(spill(folder / "empty.mp4", "")).starts_with("read_video: "));
  if (!have_ffmpeg()) return;
  const std::string input = quarter_frames(folder / "in", 9, 66, 50);
  const auto make = [&](const std::string& name, const std::string& options) {
    const fs::path path = folder / name;
    REQUIRE(ffmpeg(options + " '" + path.string() + "'"));
    return path;
  };
  SECTION("cut off, index at the end") {
    const fs::path path = make("cut.mp4", input + "-c:v libx264 -pix_fmt yuv420p");
    spill(path, slurp(path).substr(0, fs::file_size(path) / 2));
    CHECK(video_error(path).find("expected a video file; found something else, or one that is cut "
                                 "off") != std::string::npos);
  }
  SECTION("cut off, index at the start") {
    const fs::path path =
        make("cut.mp4", input + "-c:v libx264 -movflags +faststart -pix_fmt yuv420p");
    spill(path, slurp(path).substr(0, fs::file_size(path) - 200));
    CHECK(video_error(path).starts_with("read_video: " + path.string() +
                                        ": expected a whole video of at least "));
    CHECK(video_error(path).find("; the file is truncated") != std::string::npos);
  }
  SECTION("cut off: the other containers") {
    for (const auto& [name, codec] :
         {std::pair("cut.webm", "libvpx -b:v 1M"), std::pair("cut.mkv", "libx264 -pix_fmt yuv420p"),
          std::pair("cut.avi", "mpeg4")}) {
      INFO(name);
      const fs::path path = make(name, input + "-c:v " + codec);
      const std::string whole = slurp(path);
      CHECK(video_error(path) == "");
      spill(path, whole.substr(0, whole.size() - 100));
      CHECK(video_error(path).starts_with("read_video: " + path.string() +
                                          ": expected a whole video of at least " +
                                          std::to_string(whole.size()) + " bytes; found "));
      CHECK(video_error(path).find("; the file is truncated") != std::string::npos);
    }
  }
  SECTION("only sound") {
    const fs::path path = make("sound.wav", "-f lavfi -i sine=duration=0.1");
    CHECK(
        video_error(path) ==
        "read_video: " + path.string() +
            ": expected a video; found a file without a video track (WAV / WAVE (Waveform Audio))");
  }
  SECTION("an unknown codec") {
    const fs::path path = make("other.avi", input + "-c:v mpeg4");
    std::string bytes = slurp(path);
    for (std::size_t at; (at = bytes.find("FMP4")) != std::string::npos;)
      bytes.replace(at, 4, "Q7Z9");
    spill(path, bytes);
    CHECK(video_error(path).starts_with(
        "read_video: " + path.string() +
        ": expected a codec that this FFmpeg decodes; found an unknown one; "));
  }
  SECTION("no frames") {
    const fs::path path = make("zero.avi", input + "-c:v mjpeg -frames:v 1");
    std::string bytes = slurp(path);
    const std::size_t at = bytes.find("movi");
    REQUIRE(at != std::string::npos);
    spill(path, bytes.substr(0, at + 4));
    CHECK(video_error(path).starts_with("read_video: " + path.string() + ": expected "));
  }
}

TEST_CASE("video: what is written is read again", "[video]") {
  if (!built_with_video()) return;
  const TemporaryFolder folder;
  for (const auto& [width, height] : {std::pair(66, 50), std::pair(67, 51), std::pair(1, 1)}) {
    INFO(width << "x" << height);
    const fs::path path = folder / "out 100%: a.mp4";
    VideoWriter writer(path, width, height, 30);
    for (int t = 0; t < 7; ++t) writer.write(quarters(t, width, height), t * t * 0.02);
    CHECK_FALSE(fs::exists(path));
    writer.finish();
    CHECK_FALSE(fs::exists(path.string() + ".part"));
    const Clip clip = read_clip(path);
    CHECK(clip.info.width == (width + 1) / 2 * 2);
    REQUIRE(clip.frames.size() == 7);
    for (std::size_t t = 0; t < 7; ++t) {
      CHECK(clip.seconds[t] == Approx(double(t * t) * 0.02).margin(0.001));
      if (width > 1) CHECK(clip.frames[t] == "RGB" + std::to_string(t));
    }
    fs::remove(path);
  }
  {
    VideoWriter unfinished(folder / "half.mp4", 66, 50, 30);
    unfinished.write(quarters(0, 66, 50), 0);
    CHECK_THROWS_AS(unfinished.write(quarters(0, 68, 50), 1), ShapeError);
  }
  CHECK(fs::is_empty(folder.path));
  CHECK(file_error([&] { VideoWriter(folder / "no/such/folder.mp4", 66, 50, 30); }) ==
        "write_video: cannot write " + (folder / "no/such/folder.mp4").string() +
            ": No such file or directory");
}

// The program's failures: exit status 2, one line on stderr, and which files lie where afterwards.
#include <sys/resource.h>

#include "nn/checkpoint.h"
#include "tests/movie.h"
#include "tests/video_pictures.h"

using namespace munet;
namespace fs = std::filesystem;

TEST_CASE("segment: bad input is one clear sentence and status 2", "[apps]") {
  const Video video;
  const std::string first = video.frame(0).string();
  SECTION("no such folder") {
    fs::remove_all(video.frames);
    check_error(video.run(), "list_frames: cannot read the folder " + video.frames.string(),
                ": No such file or directory");
  }
  SECTION("no frames") {
    for (int t = 0; t < 3; ++t) fs::remove(video.frame(t));
    check_error(video.run(), "list_frames: expected pictures (JPEG, PNG, BMP, PNM, TGA) in ",
                "; found none among 0 files");
  }
  SECTION("no mask") {
    fs::remove(video.mask);
    check_error(video.run(), "read_mask: cannot read " + video.mask.string(),
                ": No such file or directory");
  }
  SECTION("a mask of another size") {
    write_mask(video.mask, {2, 1, {0, 1}, {}});
    check_error(video.run(), "segment: " + video.mask.string() +
                                 ": expected a mask of the frame's size; it is 2x1, " + first +
                                 " is 160x128");
  }
  SECTION("an empty mask") {
    write_mask(video.mask, {160, 128, std::vector<uint8_t>(160 * 128), {}});
    check_error(video.run(), "segment: " + video.mask.string() +
                                 ": expected at least one object; found only background");
  }
  SECTION("a mask of 300 colours") {
    Image soft{160, 128, std::vector<uint8_t>(160 * 128 * 3)};
    for (int i = 1; i < 300; ++i)
      soft.rgb[std::size_t(3 * i)] = uint8_t(i % 256),
                               soft.rgb[std::size_t(3 * i + 1)] = uint8_t(i / 256);
    write_png_rgb(video.mask, soft);
    check_error(video.run(),
                "read_mask: " + video.mask.string() +
                    ": expected at most 32 flat colours, one per object; found 299",
                "; paint with a hard pencil (anti-aliasing and feathering off) and save as PNG");
  }
  SECTION("a frame that is not a picture") {
    spill(video.frame(0), "hello");
    check_error(video.run(), "read_image: " + first, "found something else");
  }
  SECTION("a truncated PNG") {
    spill(video.frame(0), slurp(video.frame(0)).substr(0, 900));
    check_error(video.run(), "read_image: " + first + ": expected a whole PNG; found ",
                "; the file is truncated or damaged");
  }
  SECTION("a truncated JPEG") {
    const std::string jpeg = slurp(source_dir() / "tests/golden/jpeg_420.jpg");
    spill(video.frame(0), jpeg.substr(0, 900));
    check_error(video.run(), "read_image: " + first + ": expected a whole JPEG; found ",
                "; the file is truncated or damaged");
  }
  SECTION("an output folder that is the input") {
    Video same;
    same.out = same.frames;
    check_error(same.run(), "segment: expected an output folder of its own; ");
    CHECK(files_in(same.frames).size() == 3);
  }
  SECTION("an output folder that cannot be") {
    Video blocked;
    spill(blocked.out, "a file");
    check_error(blocked.run(), "segment: cannot make the folder ");
    CHECK(slurp(blocked.out) == "a file");
  }
  SECTION("a budget that holds not one frame") {
    check_error(video.run({"--memory-budget", "1KiB"}), "");
  }
  CHECK(files_in(video.out).empty());
}

TEST_CASE("segment: videos that cannot be read, nothing is made of them", "[apps][video]") {
  const Movie movie(6);
  if (!movie.made() || !have_ffmpeg()) return;
  const auto check_video = [&](const fs::path& path, const std::string& start,
                               const std::string& end = "") {
    std::vector<std::string> arguments = movie.arguments();
    arguments[1] = path.string();
    check_error(munet_program(arguments), "read_video: " + path.string() + ": expected " + start,
                end);
    CHECK_FALSE(fs::exists(movie.out));
  };
  const auto make = [&](const std::string& name, const std::string& options) {
    const fs::path path = movie.folder / name;
    REQUIRE(ffmpeg("-i '" + movie.path.string() + "' " + options + " '" + path.string() + "'"));
    return path;
  };
  SECTION("cut off, the index at the start") {
    const fs::path path = make("cut.mp4", "-c copy -movflags +faststart");
    spill(path, slurp(path).substr(0, fs::file_size(path) * 3 / 4));
    check_video(path, "a whole video of at least ",
                "; the file is truncated (ffmpeg -i FILE -c copy part.mp4 keeps what is there)");
  }
  SECTION("cut off, the index at the end") {
    const fs::path path = make("cut.mp4", "-c copy");
    spill(path, slurp(path).substr(0, fs::file_size(path) / 2));
    check_video(path, "a video file; found something else, or one that is cut off (");
  }
  SECTION("without frames") {
    check_video(make("zero.mp4", "-c copy -frames:v 0"),
                "a video; found a file without a video track (QuickTime / MOV)");
  }
  SECTION("a codec that nobody knows") {
    const fs::path path = make("other.avi", "-c:v mpeg4");
    std::string bytes = slurp(path);
    for (std::size_t at; (at = bytes.find("FMP4")) != std::string::npos;)
      bytes.replace(at, 4, "Q7Z9");
    spill(path, bytes);
    check_video(path, "a codec that this FFmpeg decodes; found an unknown one",
                "; convert it: ffmpeg -i FILE -c:v libx264 other.mp4");
  }
}

TEST_CASE("segment: bad input in the middle leaves the frames before it whole", "[apps]") {
  const Video video;
  std::string start, end;
  SECTION("a frame of another size") {
    write_png_rgb(video.frame(1), Video::picture(1, 162, 128));
    start = "munet: error: segment: " + video.frame(1).string() +
            ": expected 160x128 as in the frames before; it is 162x128";
  }
  SECTION("a truncated frame") {
    spill(video.frame(1), slurp(video.frame(1)).substr(0, 500));
    start = "munet: error: read_image: " + video.frame(1).string() + ": expected a whole PNG";
  }
  const Result result = video.run();
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.find("\n" + start) != std::string::npos);
  CHECK(files_in(video.out) == std::set<std::string>{"frame0.png"});
  CHECK(read_mask(video.out / "frame0.png").ids == Video::disc(0).ids);
}

TEST_CASE("segment: bad checkpoints", "[apps]") {
  Video video;
  const fs::path bad = video.folder / "bad.safetensors";
  video.weights = bad;
  const auto check_weights = [&](const std::string& start,
                                 const std::vector<std::string>& parts = {}) {
    const Result result = video.run();
    check_error(result, start);
    for (const std::string& part : parts) CHECK(result.err.find(part) != std::string::npos);
    CHECK(result.err.find(bad.string()) != std::string::npos);
    CHECK(files_in(video.out).empty());
  };
  const std::string whole = slurp(kWeights);
  SECTION("missing") { check_weights("", {"No such file"}); }
  SECTION("truncated") {
    spill(bad, whole.substr(0, whole.size() - 1000));
    check_weights("");
  }
  SECTION("not one") {
    spill(bad, "hello, this is no checkpoint at all");
    check_weights("");
  }
  SECTION("offsets out of range or overlapping") {
    const std::string before = "\"data_offsets\":[";
    const std::size_t at = whole.find(before, 8);
    REQUIRE(at != std::string::npos);
    std::string other = whole;
    other[at + before.size()] = '9';  // the first tensor starts elsewhere
    spill(bad, other);
    check_weights("");
  }
  SECTION("tensors missing, in excess and of another shape: all in one sentence") {
    nn::Checkpoint checkpoint = nn::load_checkpoint(kWeights.string());
    const Tensor bias = checkpoint.tensors.at("decoder.pred.bias");
    checkpoint.tensors.erase("decoder.pred.bias");
    checkpoint.tensors["decoder.extra"] = bias;
    checkpoint.tensors["kv_query.key.bias"] = bias;
    nn::save_checkpoint(bad.string(), checkpoint);
    check_weights("", {"decoder.pred.bias", "decoder.extra", "kv_query.key.bias"});
  }
  SECTION("of another model") {
    nn::Checkpoint checkpoint = nn::load_checkpoint(kWeights.string());
    checkpoint.metadata.clear();
    nn::save_checkpoint(bad.string(), checkpoint);
    check_weights("");
  }
}

TEST_CASE("segment: a file that cannot be written leaves nothing half-written", "[apps]") {
  const Video video;
  SECTION("beyond a file size limit, as on a full disk") {
    // The limit would cut this process's stderr as well, which is a file here: it stays below.
    Mask noisy = Video::disc(0);
    for (std::size_t i = 0; i < noisy.ids.size(); ++i)
      noisy.ids[i] = uint8_t(1 + (i * i / 7 + i) % 5);
    write_mask(video.mask, noisy);
    REQUIRE(fs::file_size(video.mask) > 800);
    const Result result = video.run({}, [] {
      const rlimit limit{800, 800};
      setrlimit(RLIMIT_FSIZE, &limit);
    });
    check_error(result, "write_mask: cannot write " + (video.out / "frame0.png").string(),
                ": File too large");
  }
  SECTION("no permission") {
    fs::create_directory(video.out);
    fs::permissions(video.out, fs::perms::owner_read | fs::perms::owner_exec);
    if (getuid() == 0 && access(program_path(), X_OK) == 0) {
      // Root may write anywhere: be nobody, to whom the rest of this folder must be open.
      fs::permissions(video.folder.path, fs::perms::all);
      fs::permissions(video.out,
                      fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    }
    const Result result = video.run({}, [] {
      if (getuid() == 0 && setuid(65534) != 0) _exit(126);
    });
    if (result.status == 127) return skip("no permission test: nobody cannot run the program");
    check_error(result, "write_mask: cannot write " + (video.out / "frame0.png").string(),
                ": Permission denied");
  }
  CHECK(files_in(video.out).empty());
}

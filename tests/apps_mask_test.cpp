// The program before and after segmenting: frames out of videos, first masks, overlays.
#include "data/overlay.h"
#include "data/shapes.h"
#include "data/video.h"
#include "tests/program.h"
#include "tests/video_pictures.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

Mask empty_mask(int width, int height) {
  return {width, height, std::vector<uint8_t>(std::size_t(width * height)), {}};
}

// A film of quarters, 10 frames a second; false (a loud skip) without FFmpeg.
bool make_film(const fs::path& path, int count) {
  try {
    VideoWriter writer(path, 66, 50, 10);
    for (int t = 0; t < count; ++t) writer.write(quarters(t, 66, 50), 0.1 * t);
    writer.finish();
  } catch (const FileError& e) {
    skip(e.what());
    return false;
  }
  return true;
}

}  // namespace

TEST_CASE("shapes: a pixel belongs to a shape if its centre does", "[apps][mask]") {
  const auto check_shape = [](const Mask& mask, int64_t filled, const auto& inside) {
    int64_t count = 0;
    for (int y = 0; y < mask.height; ++y)
      for (int x = 0; x < mask.width; ++x) {
        const bool in = inside(x + 0.5, y + 0.5);
        count += in;
        CHECK(bool(mask.ids[std::size_t(y * mask.width + x)]) == in);
      }
    CHECK(filled == count);
  };
  Mask mask = empty_mask(31, 23);
  check_shape(mask, fill_box(mask, 4, -3.2, 2.7, 12.5, 9.1),
              [](double x, double y) { return x >= -3.2 && x < 9.3 && y >= 2.7 && y < 11.8; });
  mask = empty_mask(31, 23);
  check_shape(mask, fill_ellipse(mask, 4, 25, 9.3, 11, 6.2), [](double x, double y) {
    return std::pow((x - 25) / 11, 2) + std::pow((y - 9.3) / 6.2, 2) < 1;
  });
  mask = empty_mask(31, 23);
  // A triangle with a corner on a line of centres.
  check_shape(mask, fill_polygon(mask, 4, {{3, 4.5}, {27.3, 9.5}, {8.1, 21}}),
              [](double x, double y) {
                const auto left = [&](double x0, double y0, double x1, double y1) {
                  return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0;
                };
                return left(3, 4.5, 27.3, 9.5) && left(27.3, 9.5, 8.1, 21) && left(8.1, 21, 3, 4.5);
              });
  mask = empty_mask(31, 23);
  CHECK(fill_box(mask, 4, 40, 2, 5, 5) == 0);
  CHECK(ids_in(mask).empty());
}

TEST_CASE("mask: shapes in the order given, with ids", "[apps][mask]") {
  const Video video(1);
  const fs::path out = video.folder / "m.png";
  Result result = munet_program({"mask",      video.frame(0).string(),
                                 "--box",     "10,20,30,40",
                                 "--polygon", "60,10",
                                 "100,10",    "80,50",
                                 "--id",      "7",
                                 "--ellipse", "80,64,20,10",
                                 "--box",     "0,0,2,3",
                                 "--id",      "9",
                                 "--polygon", "120,10,150,10,150,30",
                                 "-o",        out.string()});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.starts_with(out.string() + ": 160x128, object 1: 1200 pixels, object 3: "));
  const Mask mask = read_mask(out);
  CHECK(ids_in(mask) == std::vector<int>{1, 3, 5, 7, 9});
  CHECK(int(mask.ids[160 * 20 + 10]) == 1);
  CHECK(int(mask.ids[160 * 12 + 80]) == 7);
  CHECK(int(mask.ids[160 * 64 + 80]) == 3);
  CHECK(int(mask.ids[160 * 2 + 1]) == 9);
  CHECK(int(mask.ids[160 * 11 + 145]) == 5);

  const auto wrong = [&](std::vector<std::string> arguments, const std::string& text) {
    arguments.insert(arguments.begin(), {"mask", video.frame(0).string(), "--force", "-o",
                                         (video.folder / "x.png").string()});
    check_error(munet_program(arguments), text);
    CHECK_FALSE(fs::exists(video.folder / "x.png"));
  };
  wrong({}, "mask: expected a shape: --box, --polygon or --ellipse");
  wrong({"--box", "1,2,3"},
        "--box: expected X,Y,WIDTH,HEIGHT in pixels, like 120,80,60,100; given "
        "\"1,2,3\"");
  wrong({"--ellipse", "1,2,3,a"}, "--ellipse: expected CENTRE_X,CENTRE_Y,RADIUS_X,RADIUS_Y");
  wrong({"--polygon", "1,2", "3,4"}, "--polygon: expected three or more corners");
  wrong({"--id", "3", "--box", "1,2,3,4"}, "--id: expected a shape before it");
  wrong({"--box", "1,2,3,4", "--id", "300"}, "--id");
  wrong({"--box", "500,2,3,4"},
        "--box: expected a shape on the picture, which is 160x128; "
        "500,2,3,4 covers no pixel of it");
  check_error(
      munet_program({"mask", video.frame(0).string(), "--box", "1,2,3,4", "-o", out.string()}),
      "mask: expected a new file; " + out.string() + " is there already");
}

TEST_CASE("frame: by time and by number", "[apps][video]") {
  const TemporaryFolder folder;
  const fs::path film = folder / "f.mp4", out = folder / "f.png";
  if (!make_film(film, 12)) return;
  for (const auto& [at, expected] : {std::pair("0.5s", 5), std::pair("7", 7), std::pair("0s", 0)}) {
    const Result result =
        munet_program({"frame", film.string(), "--at", at, "-o", out.string(), "--force"});
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.out.starts_with(out.string() + ": 66x50, at 0." + std::to_string(expected)));
    CHECK(read_quarters(read_image(out)) == "RGB" + std::to_string(expected));
  }
  const auto wrong = [&](const std::string& at, const std::string& text) {
    check_error(munet_program({"frame", film.string(), "--at", at, "-o", (folder / "x").string()}),
                text);
    CHECK_FALSE(fs::exists(folder / "x"));
  };
  wrong("soon",
        "--at: expected a time like 12.5s or the number of a frame, from 0; given \"soon\"");
  wrong("-1", "--at");
  wrong("5s",
        "--at: expected a frame of " + film.string() + ", which has about 12 in 1.2 s; given 5s");
  wrong("12", "--at: expected a frame of ");
  check_error(munet_program({"frame", film.string(), "-o", out.string()}),
              "frame: expected a new file; " + out.string() + " is there already");
}

TEST_CASE("overlay: films, sheets and single pictures", "[apps][video]") {
  const Video video(14);
  const fs::path masks = video.folder / "masks", film = video.folder / "o.mp4",
                 sheet = video.folder / "o.png";
  fs::create_directory(masks);
  for (int t = 0; t < 14; t += t == 6 ? 2 : 1)
    write_mask(masks / ("frame" + std::to_string(t) + ".png"), Video::disc(t));
  const auto run = [&](const fs::path& frames, const fs::path& of, const fs::path& out,
                       const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"overlay", frames.string(), of.string(), "-o", out.string()};
    all.insert(all.end(), more.begin(), more.end());
    return munet_program(all);
  };
  Result result = run(video.frames, masks, sheet);
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out == sheet.string() + ": 12 frames, 12 of them with a mask\n");
  const Image tiles = read_image(sheet);
  CHECK(tiles.width == 4 * 160);
  CHECK(tiles.height == 3 * 128);

  // The first tile is the overlay of the first frame, which is also what one picture gives.
  const fs::path one = video.folder / "one.png";
  REQUIRE(run(video.frame(0), video.mask, one, {"--opacity", "0.25"}).status == 0);
  OverlayStyle style;
  style.opacity = 0.25;
  CHECK(read_image(one).rgb == overlay(read_image(video.frame(0)), Video::disc(0), style).rgb);
  const Image first = overlay(read_image(video.frame(0)), Video::disc(0));
  for (int y = 0; y < 128; ++y)
    CHECK(std::equal(first.rgb.begin() + y * 480, first.rgb.begin() + (y + 1) * 480,
                     tiles.rgb.begin() + y * tiles.width * 3));

  check_error(run(video.frames, masks, sheet), "overlay: expected a new file; ");
  check_error(run(video.frames, masks, video.folder / "o.gif"),
              "overlay: expected -o NAME.mp4 or NAME.png; given ");
  check_error(run(video.frames, video.frames / "..", film), "overlay: expected masks in ",
              "; found none");
  if (!make_film(video.folder / "f.mp4", 2)) return;
  result = run(video.frames, masks, film, {"--fps", "5", "--range", "3:9"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  VideoReader reader(film);
  VideoFrame frame;
  std::vector<double> seconds;
  const std::vector<uint8_t> palette = safe_palette();
  while (reader.next(frame)) {
    const int t = 3 + int(seconds.size());
    const uint8_t* p = frame.image.rgb.data() + 3 * (64 * 160 + 66 + 2 * t);
    const bool painted = std::abs(p[1] - (60 + palette[4]) / 2) < 15;
    CHECK(painted == (t != 7));  // which has no mask
    seconds.push_back(frame.seconds);
  }
  REQUIRE(seconds.size() == 6);
  CHECK(seconds[5] == Approx(1.0));
}

// `munet view`: its files, and its errors.
#include "tests/program.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

Result view(const Video& video, std::vector<std::string> more = {}) {
  std::vector<std::string> all = {"view", video.frame(0).string(), video.frame(1).string(),
                                  "-o",   video.out.string(),      "--threads",
                                  "1"};
  all.insert(all.end(), more.begin(), more.end());
  return munet_program(all);
}

}  // namespace

TEST_CASE("view: a picture per map, motion also as numbers", "[apps]") {
  const Video video(2);
  const Result result = view(video, {"--pixel", "66,64", "--mask", video.mask.string()});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("uncertainty (1 - U): ") != std::string::npos);
  CHECK(files_in(video.out) ==
        std::set<std::string>{"attention.png", "cost.png", "displacement-kitti.png",
                              "displacement.flo", "displacement.png", "energy.png", "memory-1.png",
                              "pixel.png", "uncertainty.png", "wheel.png", "window.png"});
  for (const std::string& name : files_in(video.out)) {
    if (name == "cost.png" || name == "wheel.png" || name.ends_with(".flo")) continue;
    const Image image = read_image(video.out / name);
    INFO(name);
    CHECK((image.width == Video::kWidth && image.height == Video::kHeight));
  }
  CHECK(fs::file_size(video.out / "displacement.flo") == 12 + Video::kWidth * Video::kHeight * 8);
  const Image cost = read_image(video.out / "cost.png");
  CHECK((cost.width == 400 && cost.height == 400));
}

TEST_CASE("view: bad input writes nothing", "[apps]") {
  const Video video(2);
  SECTION("frames of two sizes") {
    write_png_rgb(video.frame(1), Video::picture(1, 162, 128));
    check_error(view(video), "view: " + video.frame(1).string() +
                                 ": expected 160x128 as in the frame before; it is 162x128");
  }
  SECTION("a pixel outside") {
    check_error(view(video, {"--pixel", "160,3"}),
                "--pixel: expected one of the frame, 160x128; given 160,3");
  }
  SECTION("a pixel that is none") {
    check_error(view(video, {"--pixel", "12"}), "--pixel: expected X,Y in pixels");
  }
  SECTION("a mask of another size") {
    write_mask(video.mask, {3, 2, std::vector<uint8_t>(6, 1), {}});
    check_error(
        view(video, {"--mask", video.mask.string(), "--pixel", "1,1"}),
        "view: " + video.mask.string() + ": expected a mask of the frame's size; it is 3x2");
  }
  SECTION("a mask and no pixel") {
    check_error(view(video, {"--mask", video.mask.string()}), "--mask: expected --pixel");
  }
  SECTION("no such checkpoint") {
    check_error(view(video, {"--weights", (video.folder / "none").string()}), "");
  }
  CHECK(files_in(video.out).empty());
  SECTION("files that are there stay") {
    REQUIRE(view(video).status == 0);
    check_error(view(video), "view: expected an empty output folder; " + video.out.string(),
                " holds files (--force replaces those of the same names)");
    CHECK(view(video, {"--force"}).status == 0);
  }
}

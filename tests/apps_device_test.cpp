// The program on a GPU that the host plays: what a card that fails in the middle leaves behind.
#include <cstdlib>

#include "tests/program.h"

using namespace munet;

namespace {

Result played(const Video& video, const char* name, const char* value) {
  const std::vector<std::string> arguments = video.arguments({"--device", "cuda", "--size", "48"});
  return Child(
             arguments, [=] { setenv(name, value, 1); }, played_path())
      .wait();
}

}  // namespace

TEST_CASE("segment: a card is lost in the middle: the masks so far are whole", "[apps][device]") {
  const Video video(5);
  const Result whole = played(video, "MUNET_PLAYED_REPLAYS", "0");
  REQUIRE(whole.status == 0);
  std::vector<Mask> masks;
  for (int t = 0; t < 5; ++t)
    masks.push_back(read_mask(video.out / ("frame" + std::to_string(t) + ".png")));
  std::filesystem::remove_all(video.out);
  CHECK(munet_program(video.arguments({"--size", "48"})).status == 0);  // on the CPU
  for (int t = 0; t < 5; ++t) {
    const Mask mask = read_mask(video.out / ("frame" + std::to_string(t) + ".png"));
    int64_t others = 0;
    for (std::size_t i = 0; i < mask.ids.size(); ++i) others += mask.ids[i] != masks[t].ids[i];
    CHECK(others < 10);
  }
  std::filesystem::remove_all(video.out);

  const Result lost = played(video, "MUNET_PLAYED_REPLAYS", "5");
  CHECK(lost.status == 2);
  CHECK(lost.err.find("cuda:0: the device is lost: ") != std::string::npos);
  CHECK(lost.err.find("start it again") != std::string::npos);
  // The card may have been given the next frame already when a mask was waited for.
  const int written = int(files_in(video.out).size());
  CHECK((written == 2 || written == 3));
  for (int t = 0; t < written; ++t)
    CHECK(read_mask(video.out / ("frame" + std::to_string(t) + ".png")).ids ==
          masks[std::size_t(t)].ids);
}

TEST_CASE("segment: a card without enough memory says what to lower", "[apps][device]") {
  const Video video(2);
  const Result result = played(video, "MUNET_PLAYED_MEMORY", "30000000");
  CHECK(result.status == 2);
  CHECK(result.err.find("cuda:0: out of memory: ") != std::string::npos);
  CHECK(result.err.find("; lower the frame size, the number of objects or frames in memory") !=
        std::string::npos);
  CHECK(files_in(video.out).empty());
}

TEST_CASE("bench --train: on a card, in half precision, and where memory is short",
          "[apps][device]") {
  const auto bench = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{"bench",    "--train", "--device", "cuda",
                                       "--size",   "32x48",   "--frames", "2",
                                       "--rounds", "1",       "--json",   "--precision"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Child(arguments, {}, played_path()).wait();
  };
  const Result all = bench({"f16"});
  CHECK(all.err == "");
  CHECK(all.out.find("\"recompute\":false") != std::string::npos);
  const double peak = std::stod(all.out.substr(all.out.find("\"peak_mib\":") + 11));
  CHECK(peak > 100);
  const Result none = bench({"f16", "--device-memory", str(int(peak / 2), "MiB")});
  CHECK(none.status == 2);
  CHECK(none.err.find("cuda:0: out of memory: ") != std::string::npos);
  CHECK(munet_program({"bench", "--train", "--device-memory", "1GiB"})
            .err.find("bench: --device-memory is for --train --device cuda; given --device cpu") !=
        std::string::npos);
}

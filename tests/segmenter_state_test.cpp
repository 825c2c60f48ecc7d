// A segmenter that is saved and loaded goes on as if nothing had happened.
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr int kWidth = 53, kHeight = 37;

void step(Segmenter& segmenter, int t, const std::vector<int>& given = {}) {
  std::vector<uint8_t> rgb, ids;
  for (int i = 0; i < kHeight * kWidth * 3; ++i)
    rgb.push_back(uint8_t(200 * random_uniform(9, uint64_t(i / 9 + t))));
  for (int i = 0; i < kHeight * kWidth; ++i) {
    const std::size_t part = std::size_t(i / kWidth / 6);
    ids.push_back(part < given.size() ? uint8_t(given[part]) : 0);
  }
  const MaskView mask{ids.data(), kWidth, kHeight, 0};
  segmenter.step({rgb.data(), kWidth, kHeight, 0}, given.empty() ? nullptr : &mask);
}

bool same(const Segmenter& a, const Segmenter& b) {
  if (a.frames() != b.frames() || a.objects() != b.objects() || a.labels() != b.labels() ||
      a.memory().bytes != b.memory().bytes)
    return false;
  for (const int id : a.objects())
    if (a.probability(id) != b.probability(id)) return false;
  return true;
}

}  // namespace

TEST_CASE("segmenter: saved and loaded, it goes on exactly", "[segmenter]") {
  const TemporaryFolder folder;
  const std::string checkpoint = write_checkpoint(folder.path.string(), preset("munet18"));
  for (SegmenterOptions options : {SegmenterOptions{.shorter_side = 32, .every = 2},
                                   SegmenterOptions{.memory = "fifo", .last = 2}}) {
    Segmenter whole(checkpoint, options);
    for (int t = 0; t < 5; ++t) {
      INFO(options.memory << " after frame " << t);
      // Also right after a mask was given: of the first frame, and of a later one.
      step(whole, t,
           t == 0   ? std::vector<int>{3, 0, 200}
           : t == 3 ? std::vector<int>{0, 0, 0, 7}
                    : std::vector<int>{});
      const std::string path = (folder / "state").string();
      whole.save(path, "so far " + std::to_string(t));
      Segmenter part(checkpoint, options);
      CHECK(part.load(path) == "so far " + std::to_string(t));
      CHECK(same(whole, part));
      Segmenter other(checkpoint, options);
      other.load(path);
      step(other, t + 1);
      step(other, t + 2, {0, 9});
      step(part, t + 1);
      step(part, t + 2, {0, 9});
      CHECK(same(other, part));
      if (t == 4) {
        step(whole, 5);
        step(whole, 6, {0, 9});
        CHECK(same(whole, part));
      }
    }
  }
}

TEST_CASE("segmenter: what cannot be loaded is said, and changes nothing", "[segmenter]") {
  const TemporaryFolder folder;
  const std::string checkpoint = write_checkpoint(folder.path.string(), preset("munet18"));
  const std::string path = (folder / "state").string();
  Segmenter segmenter(checkpoint);
  step(segmenter, 0, {1});
  segmenter.save(path);
  const std::string end =
      "; found something else; it was not saved by a segmenter with these options";
  CHECK_THROWS_WITH(segmenter.load(checkpoint),
                    "segmenter: " + checkpoint + ": expected a saved segmenter" + end);
  Segmenter smaller(checkpoint, {.shorter_side = 16});
  CHECK_THROWS_WITH(smaller.load(path), "segmenter: " + path + ": expected x" + end);
  nn::Checkpoint file = nn::load_checkpoint(path, nn::Layout::plain);
  file.tensors.erase("probability");
  nn::save_checkpoint(path, file, false, nn::Layout::plain);
  CHECK_THROWS_WITH(segmenter.load(path), "segmenter: " + path + ": expected probability" + end);
  CHECK_THROWS_AS(segmenter.load((folder / "none").string()), FileError);
  CHECK(segmenter.frames() == 1);
  CHECK(segmenter.objects() == std::vector<int>{1});
}

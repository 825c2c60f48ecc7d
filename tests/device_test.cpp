// The network on a GPU that the host plays: whole videos, training and every precision against the
// CPU; what may go wrong between the two memories.
#include "autograd/node.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "munet/loss.h"
#include "munet/segmenter.h"
#include "nn/fold.h"
#include "nn/optim.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/software_device.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr int kWidth = 53, kHeight = 37;
constexpr Device kCard{Device::cuda, 0};

// A small video: two discs that move.
struct Video {
  std::vector<unsigned char> rgb, ids;
  explicit Video(int frame) : rgb(kWidth * kHeight * 3), ids(kWidth * kHeight) {
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        const auto disc = [&](int cx, int cy) {
          return (x - cx) * (x - cx) + (y - cy) * (y - cy) < 60;
        };
        const int i = y * kWidth + x;
        ids[i] = disc(14 + frame, 16) ? 3 : disc(38, 20 + frame) ? 9 : 0;
        for (int c = 0; c < 3; ++c)
          rgb[i * 3 + c] = static_cast<unsigned char>(ids[i] ? 60 + 50 * ((ids[i] + c) % 3)
                                                             : (x * 3 + y * 5 + c * 40) % 200);
      }
  }
};

// Probabilities of both objects over four frames, a mask for the second in the third.
std::vector<float> follow(const std::string& checkpoint, const SegmenterOptions& options) {
  Segmenter segmenter(checkpoint, options);
  std::vector<float> all;
  for (int t = 0; t < 4; ++t) {
    const Video video(t);
    const MaskView mask{video.ids.data(), kWidth, kHeight, 0};
    segmenter.step({video.rgb.data(), kWidth, kHeight, 0}, t == 0 || t == 2 ? &mask : nullptr);
    for (int id : {3, 9})
      for (float p : segmenter.probability(id)) all.push_back(p);
    CHECK(segmenter.labels().size() == std::size_t(kWidth * kHeight));
  }
  return all;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  return relative_error(Tensor::from(a, {int64_t(a.size())}), Tensor::from(b, {int64_t(b.size())}));
}

}  // namespace

TEST_CASE("a video on the device is the video on the CPU, in every precision", "[device]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  const std::vector<float> want = follow(path, {});
  SegmenterOptions options;
  options.device = "cuda";
  const int64_t before = software_launches();
  CHECK(difference(follow(path, options), want) < 1e-4);
  CHECK(software_launches() - before > 100);
  options.precision = "bf16";
  CHECK(difference(follow(path, options), want) < 5e-2);
  options.precision = "f16";
  CHECK(difference(follow(path, options), want) < 1e-2);
}

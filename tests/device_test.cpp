// The network on a GPU that the host plays: whole videos, training and every precision against the
// CPU; what may go wrong between the two memories.
#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/shape.h"
#include "munet/segmenter.h"
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

TEST_CASE("recomputation: the same gradients, fewer activations kept", "[device]") {
  // Two frames of a clip on the card: one is memorised, the other is segmented.
  const auto gradients_with = [](bool recompute, std::size_t& kept) {
    Rng rng{7};
    MUNet model(preset("munet18"), rng);
    fill_like_reference(model);
    nn::to(model, kCard);
    model.set_recompute(recompute);
    const Tensor x = random_tensor({2, 48, 64, 3}, 1).to(kCard);
    const Tensor mask = random_tensor({2, 48, 64}, 2, 0, 1).to(kCard);
    const std::size_t before = cuda_backend().memory(kCard).active;
    const KeyValue memory = model.memorize(x.rows(0, 1), mask);
    const QueryFeatures previous = model.encode_query(x.rows(0, 1));
    const QueryFeatures query = model.encode_query(x.rows(1, 1));
    const KeyValue own = model.query_key_value(model.fuse_motion(query, &previous));
    const auto flat = [](const Tensor& map) {
      return reshape(map, Shape{map.dim(0), map.dim(1) * map.dim(2), map.dim(3)});
    };
    const Tensor read =
        memory_read(flat(memory.key), flat(memory.value), reshape(own.key, {12, own.key.dim(3)}));
    const Tensor z = model.decode(read, own.value, query);
    kept = cuda_backend().memory(kCard).active - before;
    backward(z, random_tensor(z.shape(), 3).to(kCard));
    std::vector<float> all;
    for (const nn::NamedTensor& p : nn::parameters(model))
      if (const Tensor g = p.tensor.grad())
        for (float value : g.to_vector<float>()) all.push_back(value);
    return all;
  };
  std::size_t kept = 0, twice = 0;
  const std::vector<float> want = gradients_with(false, kept);
  // A skip's gradient has three parts, which are added in another order.
  CHECK(difference(gradients_with(true, twice), want) < 1e-6);
  CHECK(want.size() > 1000000);
  CHECK(double(twice) < 0.6 * double(kept));
}

TEST_CASE("a card whose memory is full says so, and goes on", "[device]") {
  cuda_backend().limit_memory(kCard, cuda_backend().memory(kCard).active + 1000);
  CHECK_THROWS_AS(Tensor::empty({1000}, DType::f32, kCard), OutOfMemory);
  cuda_backend().limit_memory(kCard, 0);
  CHECK(Tensor::zeros({1000}, DType::f32, kCard).to_vector<float>()[999] == 0);
}

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

// The network on a GPU that the host plays: whole videos, training and every precision against the
// CPU; what may go wrong between the two memories.
#include <functional>
#include <future>

#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/shape.h"
#include "munet/segmenter.h"
#include "tensor/precision.h"
#include "tensor/tally.h"
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
  int width, height;
  std::vector<unsigned char> rgb, ids;
  explicit Video(int frame, int width = kWidth, int height = kHeight)
      : width(width),
        height(height),
        rgb(std::size_t(width * height) * 3),
        ids(std::size_t(width * height)) {
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const auto disc = [&](int cx, int cy) {
          return (x - cx) * (x - cx) + (y - cy) * (y - cy) < 60;
        };
        const int i = y * width + x;
        ids[i] = disc(14 + frame, 16) ? 3 : disc(38, 20 + frame) ? 9 : 0;
        for (int c = 0; c < 3; ++c)
          rgb[i * 3 + c] = static_cast<unsigned char>(ids[i] ? 60 + 50 * ((ids[i] + c) % 3)
                                                             : (x * 3 + y * 5 + c * 40) % 200);
      }
  }
  FrameView frame() const { return {rgb.data(), width, height, 0}; }
  MaskView mask() const { return {ids.data(), width, height, 0}; }
};

// Probabilities of both objects over four frames, a mask for the second in the third.
std::vector<float> follow(const Weights& weights, const SegmenterOptions& options) {
  Segmenter segmenter(weights, options);
  std::vector<float> all;
  for (int t = 0; t < 4; ++t) {
    const Video video(t);
    const MaskView mask = video.mask();
    segmenter.step(video.frame(), t == 0 || t == 2 ? &mask : nullptr);
    for (int id : {3, 9})
      for (float p : segmenter.probability(id)) all.push_back(p);
    check(segmenter.labels().size() == std::size_t(kWidth * kHeight), "a label for every pixel");
  }
  return all;
}
std::vector<float> follow(const std::string& checkpoint, const SegmenterOptions& options) {
  return follow(Weights(checkpoint, options.device, options.precision), options);
}

// A longer one: memory outgrows a bucket, an object goes and comes back, another size follows. What
// the CPU waited for within steps that came without a mask is added to `reads`.
std::vector<float> follow_changes(Segmenter& segmenter, int64_t& reads) {
  std::vector<float> all;
  const auto push = [&](const Video& video, bool given) {
    const MaskView mask = video.mask();
    const int64_t before = software_reads();
    segmenter.step(video.frame(), given ? &mask : nullptr);
    if (!given) reads += software_reads() - before;
    for (int id : segmenter.objects())
      for (float p : segmenter.probability(id)) all.push_back(p);
    for (unsigned char id : segmenter.labels()) all.push_back(id ? 1.f : 0.f);
  };
  for (int t = 0; t < 9; ++t) push(Video(t), t == 0);
  segmenter.remove(9);
  for (int t = 9; t < 12; ++t) push(Video(t), false);
  for (int t = 12; t < 15; ++t) push(Video(t), t == 12);
  segmenter.reset();
  for (int t = 0; t < 4; ++t) push(Video(t, 41, 34), t == 0);
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

TEST_CASE("several videos at once on one card, each from a thread of its own",
          "[device][threads]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  const Weights whole(path, "cuda"), half(path, "cuda", "f16");
  SegmenterOptions often;
  often.every = 1;
  using Result = std::vector<float>;
  const std::vector<std::function<Result()>> videos{[&] { return follow(whole, {}); },
                                                    [&] { return follow(whole, often); },
                                                    [&] { return follow(half, {}); }};
  std::vector<std::future<Result>> at_once;
  for (const auto& video : videos) at_once.push_back(std::async(std::launch::async, video));
  for (std::size_t i = 0; i < videos.size(); ++i) {
    const Result result = at_once[i].get();
    CHECK((result == videos[i]()));
  }
}

TEST_CASE("TF32 is each thread's own choice", "[device][threads]") {
  set_fast_matmul(true);
  CHECK(!std::async(std::launch::async, fast_matmul).get());
  set_fast_matmul(false);
}

TEST_CASE("recordings change with memory, objects and size, and no step reads on the CPU",
          "[device]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  SegmenterOptions options;
  options.every = 1;
  int64_t reads = 0;
  Segmenter on_cpu(path, options);
  const std::vector<float> want = follow_changes(on_cpu, reads);
  options.device = "cuda";
  Segmenter segmenter(path, options);
  clear_tally();
  CHECK(difference(follow_changes(segmenter, reads), want) < 1e-4);
  CHECK(reads == 0);
  const auto times = [](const std::string& part, const char* what) {
    return tallied(str("replay ", part, ": ", what));
  };
  CHECK(times("encode", "replayed") == 13 + 2);
  CHECK(times("memorize", "recorded") == 3);
  // Two objects in 5 and in 10 frames of memory, one in 10 and, once, in 15, two in 15.
  CHECK(times("segment, 53x37", "run as it is") == 5);
  CHECK(times("segment, 53x37", "recorded") == 4);
  CHECK(times("segment, 53x37", "replayed") == 3 + 1);
  CHECK(times("segment, 41x34", "recorded") == 1);
  CHECK(times("segment, 41x34", "replayed") == 1);
}

TEST_CASE("announced frames are the same frames", "[device]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  SegmenterOptions options;
  const std::vector<float> want = follow(path, options);
  for (const char* device : {"cpu", "cuda"}) {
    INFO(device);
    options.device = device;
    Segmenter segmenter(path, options);
    std::vector<float> all;
    const std::vector<Video> video{Video(0), Video(1), Video(2), Video(3)};
    CHECK_THROWS_WITH(segmenter.step_announced(),
                      "segmenter: expected an announced frame; there is none left");
    CHECK_THROWS_WITH(segmenter.announce({video[0].frame(), Video(0, 41, 34).frame()}),
                      "segmenter: expected announced frames of one size; given 53x37 and 41x34");
    for (int t = 0; t < 4; ++t) {
      if (t == 0) segmenter.announce({video[0].frame(), video[1].frame(), video[2].frame()});
      if (t == 2) segmenter.announce({video[3].frame()});
      CHECK(segmenter.announced() == std::size_t(t < 2 ? 3 - t : 4 - t));
      const MaskView mask = video[std::size_t(t)].mask();
      segmenter.step_announced(t == 0 || t == 2 ? &mask : nullptr);
      for (int id : {3, 9})
        for (float p : segmenter.probability(id)) all.push_back(p);
      if (t == 0)
        CHECK_THROWS_WITH(segmenter.step(video[1].frame()),
                          "segmenter: expected step_announced() for 2 announced frames first; "
                          "given another frame");
    }
    CHECK(difference(all, want) < 1e-4);
    segmenter.announce({video[0].frame()});
    segmenter.reset();
    CHECK(segmenter.announced() == 0);
  }
}

TEST_CASE("a lost card is an error in every call, and the process goes on without it", "[device]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  SegmenterOptions options;
  options.device = "cuda";
  const Video first(0), second(1);
  const MaskView mask = first.mask();
  {
    Segmenter segmenter(path, options);
    segmenter.step(first.frame(), &mask);
    software_lose(true);
    const char* text =
        "cuda:0: the device is lost: unspecified launch failure (seen at a kernel); nothing can be "
        "computed on it any more by this process, start it again";
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_WITH(segmenter.step(second.frame()), text);
      CHECK_THROWS_WITH(segmenter.labels(), text);
    }
    CHECK(segmenter.frames() == 1);
    CHECK(segmenter.objects() == std::vector<int>{3, 9});
  }
  CHECK_THROWS_AS(Segmenter(path, options), DeviceError);
  Segmenter other(path);
  other.step(first.frame(), &mask);
  CHECK(other.labels() == first.ids);
  software_lose(false);
}

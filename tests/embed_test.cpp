// What an embedding program relies on: every pixel format, cancelling, seeking, weights that
// several segmenters share, also on threads.
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "munet/pixels.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/storage.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr int kWidth = 53, kHeight = 37;

// Frame t of made-up video `video`: two blobs that move over noise.
std::vector<uint8_t> picture(int video, int t) {
  std::vector<uint8_t> rgb;
  for (int i = 0; i < kHeight; ++i)
    for (int j = 0; j < kWidth; ++j)
      for (int c = 0; c < 3; ++c) {
        const bool blob = std::hypot(i - 12 - t / 2, j - 14 - t) < 8 || std::abs(j - 40) < 7;
        const uint64_t at =
            uint64_t(((video * 99 + t) * kHeight + i) * kWidth + j) * 3 + uint64_t(c);
        rgb.push_back(uint8_t(60 * random_uniform(7, at) + (blob ? 60 + 50 * c : 20 + 9 * video)));
      }
  return rgb;
}

std::vector<uint8_t> first_mask() {
  std::vector<uint8_t> ids;
  for (int i = 0; i < kHeight; ++i)
    for (int j = 0; j < kWidth; ++j)
      ids.push_back(std::hypot(i - 12, j - 14) < 8 ? 3 : std::abs(j - 40) < 7 ? 200 : 0);
  return ids;
}

void step(Segmenter& segmenter, int video, int t) {
  const std::vector<uint8_t> rgb = picture(video, t), ids = first_mask();
  const MaskView mask{ids.data(), kWidth, kHeight, 0};
  segmenter.step({rgb.data(), kWidth, kHeight, 0}, t == 0 ? &mask : nullptr);
}

// The soft masks of both objects after `frames` frames: every bit of the result.
std::vector<float> run(Segmenter& segmenter, int video, int frames) {
  for (int t = 0; t < frames; ++t) step(segmenter, video, t);
  std::vector<float> all = segmenter.probability(3);
  const std::vector<float> second = segmenter.probability(200);
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

struct SharedWeights {
  TemporaryFolder folder;
  std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  Weights weights{path};
};

}  // namespace

TEST_CASE("pixels: BGR, RGBA and BGRA are the same picture, whatever the stride", "[embed]") {
  constexpr int kW = 5, kH = 3;
  std::vector<uint8_t> rgb(kW * kH * 3);
  std::iota(rgb.begin(), rgb.end(), uint8_t(11));
  const struct {
    PixelFormat format;
    int bytes, order[3];
  } formats[] = {{PixelFormat::rgb, 3, {0, 1, 2}},
                 {PixelFormat::bgr, 3, {2, 1, 0}},
                 {PixelFormat::rgba, 4, {0, 1, 2}},
                 {PixelFormat::bgra, 4, {2, 1, 0}}};
  for (const auto& f : formats) {
    for (const int stride : {0, 29, -29}) {
      const int step = stride ? std::abs(stride) : kW * f.bytes;
      std::vector<uint8_t> pixels(std::size_t(step * kH), 0xEE), buffer;
      for (int i = 0; i < kH; ++i)
        for (int j = 0; j < kW; ++j)
          for (int c = 0; c < 3; ++c)
            pixels[std::size_t((stride < 0 ? kH - 1 - i : i) * step + j * f.bytes + f.order[c])] =
                rgb[std::size_t((i * kW + j) * 3 + c)];
      const uint8_t* top = pixels.data() + (stride < 0 ? (kH - 1) * step : 0);
      const RgbRows rows = as_rgb({top, kW, kH, stride, f.format}, buffer);
      INFO("format " << int(f.format) << ", stride " << stride);
      for (int i = 0; i < kH; ++i)
        CHECK(std::equal(rows.rows + i * rows.stride, rows.rows + i * rows.stride + kW * 3,
                         rgb.begin() + i * kW * 3));
    }
  }
}

TEST_CASE("pixels: NV12 follows the equations of both standards", "[embed]") {
  // Pure colours have known code values (BT.601 and BT.709, video range).
  const struct {
    PixelFormat format;
    int y, u, v, rgb[3];
  } rows[] = {{PixelFormat::nv12, 16, 128, 128, {0, 0, 0}},
              {PixelFormat::nv12, 235, 128, 128, {255, 255, 255}},
              {PixelFormat::nv12, 81, 90, 240, {255, 0, 0}},
              {PixelFormat::nv12, 145, 54, 34, {0, 255, 0}},
              {PixelFormat::nv12, 41, 240, 110, {0, 0, 255}},
              {PixelFormat::nv12_709, 63, 102, 240, {255, 0, 0}},
              {PixelFormat::nv12_709, 173, 42, 26, {0, 255, 0}},
              {PixelFormat::nv12_709, 32, 240, 118, {0, 0, 255}}};
  std::vector<uint8_t> buffer;
  for (const auto& row : rows) {
    const uint8_t pixel[] = {uint8_t(row.y), uint8_t(row.u), uint8_t(row.v)};
    as_rgb({pixel, 1, 1, 0, row.format, pixel + 1}, buffer);
    for (int c = 0; c < 3; ++c) CHECK(std::abs(int(buffer[std::size_t(c)]) - row.rgb[c]) <= 2);
  }
  // Odd sizes, strides, each chroma sample for its own four pixels.
  constexpr int kW = 5, kH = 3, kStride = 8;
  std::vector<uint8_t> planes(kStride * (kH + 2), 126);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      planes[std::size_t(kStride * (kH + i) + 2 * j + 1)] = uint8_t(128 + 20 * (3 * i + j));  // V
  as_rgb({planes.data(), kW, kH, kStride, PixelFormat::nv12}, buffer);
  for (int i = 0; i < kH; ++i)
    for (int j = 0; j < kW; ++j) {
      const double red = (126 - 16) / 219. + 1.402 * 20 * (3 * (i / 2) + j / 2) / 224;
      const double expected = 255 * std::min(red, 1.);
      CHECK(std::abs(buffer[std::size_t((i * kW + j) * 3)] - expected) <= 0.51);
    }
}

TEST_CASE("pixels: what cannot be a picture is refused", "[embed]") {
  SharedWeights shared;
  Segmenter s(shared.weights);
  const std::vector<uint8_t> bytes(kWidth * kHeight * 4);
  const auto text = [&](FrameView view) { return text_of([&] { s.step(view); }); };
  CHECK(text({nullptr, kWidth, kHeight}) == "segmenter: the frame has no pixels (null pointer)");
  CHECK(text({bytes.data(), kWidth, kHeight, 100}) ==
        "segmenter: a row of the frame has 159 bytes; given a stride of 100");
  CHECK(text({bytes.data(), kWidth, kHeight, 53, PixelFormat::nv12}) ==
        "segmenter: a row of chroma has 54 bytes; given a stride of 53");
  CHECK(text({bytes.data(), kWidth, kHeight, -54, PixelFormat::nv12}) ==
        "segmenter: nv12 with a negative stride needs the chroma pointer");
  CHECK(text({bytes.data(), kWidth, kHeight, 0, PixelFormat(77)}) ==
        "segmenter: unknown pixel format 77");
  const MaskView mask{bytes.data(), kWidth, kHeight, 52};
  CHECK(text_of([&] {
          s.step({bytes.data(), kWidth, kHeight}, &mask);
        }) == "segmenter: a row of the mask has 53 bytes; given a stride of 52");
  CHECK(s.frames() == 0);
}

TEST_CASE("progress rises; a cancelled step can be pushed again to the same result", "[embed]") {
  SharedWeights shared;
  Segmenter plain(shared.weights), stopped(shared.weights);
  const std::vector<float> expected = run(plain, 0, 4);
  std::vector<double> shares;
  int calls_left = -1;
  stopped.on_progress([&](double share) {
    shares.push_back(share);
    return calls_left < 0 || calls_left-- > 0;
  });
  for (int t = 0; t < 4; ++t) {
    for (int allowed = 0;; ++allowed) {  // stops at the first call, then at the second, ...
      calls_left = allowed;
      shares.clear();
      try {
        step(stopped, 0, t);
        break;
      } catch (const Cancelled&) {
        CHECK(stopped.frames() == t);
      }
    }
    CHECK(shares.size() >= (t == 0 ? 4u : 7u));
    CHECK(std::is_sorted(shares.begin(), shares.end()));
    CHECK((shares.front() > 0 && shares.back() < 1));
  }
  CHECK(stopped.probability(3) ==
        std::vector<float>(expected.begin(), expected.begin() + kWidth * kHeight));
}

TEST_CASE("seek: no motion across the jump, memory stays and follows the numbers", "[embed]") {
  SharedWeights shared;
  Segmenter s(shared.weights), same(shared.weights);
  run(s, 0, 4);
  const std::vector<float> expected = run(same, 0, 5);
  s.seek(4);  // where it is: nothing changes
  step(s, 0, 4);
  CHECK(s.probability(3) == same.probability(3));

  same.seek(5), step(same, 0, 9);
  s.seek(10), step(s, 0, 9);  // the same picture, but not a neighbour
  CHECK(s.objects() == std::vector<int>{3, 200});
  CHECK(s.probability(3) != same.probability(3));
  CHECK(s.memory().objects[0].frames == 1);  // the given one
  step(s, 0, 10);
  CHECK(s.memory().objects[0].frames == 2);  // and frame 10, by its number
  CHECK(s.frames() == 7);

  const TemporaryFolder folder;
  s.seek(2);
  s.save((folder / "state").string());
  Segmenter loaded(shared.weights);
  loaded.load((folder / "state").string());
  step(s, 0, 2), step(loaded, 0, 2);
  CHECK(s.probability(200) == loaded.probability(200));
  CHECK(text_of([&] { s.seek(-1); }) ==
        "segmenter: expected a frame number of at least 0; given -1");
}

TEST_CASE("weights are in memory once; each segmenter adds nothing before its first frame",
          "[embed]") {
  SharedWeights shared;
  const std::size_t before = memory::active();
  std::vector<Segmenter> many;
  for (int i = 0; i < 8; ++i) many.emplace_back(shared.weights);
  CHECK(memory::active() == before);
  CHECK(many[7].memory().weights == shared.weights.bytes());
  const Weights own(shared.path);  // the packed form, and little else
  const std::size_t one = memory::active() - before;
  CHECK(one >= own.bytes());
  CHECK(double(one) < 1.02 * double(own.bytes()));
}

TEST_CASE("eight segmenters on eight threads give the bits of each alone", "[embed][threads]") {
  SharedWeights shared;
  std::vector<std::vector<float>> alone(8), together(8);
  for (int video = 0; video < 8; ++video) {
    Segmenter s(shared.weights);
    alone[std::size_t(video)] = run(s, video, 7);
    REQUIRE((video == 0 || alone[std::size_t(video)] != alone[0]));
  }
  std::vector<std::thread> threads;
  std::atomic<int> waiting{8};
  for (std::size_t video = 0; video < 8; ++video)
    threads.emplace_back([&, video] {
      Segmenter s(shared.weights);
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      together[video] = run(s, int(video), 7);
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t video = 0; video < 8; ++video) CHECK(together[video] == alone[video]);
}

TEST_CASE("a state goes only to the weights it came from", "[embed]") {
  SharedWeights shared;
  const TemporaryFolder folder;
  const std::string state = (folder / "state").string(), other = (folder / "other").string();
  Segmenter s(shared.weights);
  run(s, 0, 2);
  s.save(state);
  nn::Checkpoint checkpoint = nn::load_checkpoint(shared.path);
  checkpoint.tensors["decoder.pred.bias"].data<float>()[0] += 1e-3f;
  nn::save_checkpoint(other, checkpoint);
  Segmenter stranger{other};
  CHECK(text_of([&] { stranger.load(state); }) ==
        "segmenter: " + state + ": it was saved by a segmenter with other weights");
  CHECK(stranger.frames() == 0);

  nn::Checkpoint damaged = nn::load_checkpoint(state, nn::Layout::plain);
  damaged.tensors["bank.3.0.entry"].data<int64_t>()[2] = 5;  // positions
  nn::save_checkpoint(state, damaged, false, nn::Layout::plain);
  CHECK_THROWS_AS(s.load(state), Error);
}

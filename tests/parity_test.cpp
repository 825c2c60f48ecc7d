// With the bootstrap weights against the reference's results in ../shared/parity: every stage of a
// small frame pair, teacher-forced videos, and the start of a free-running one.
#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "data/image.h"
#include "data/mask.h"
#include "munet/frame.h"
#include "munet/model.h"
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "nn/fold.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::string weights() { return (shared_dir() / "weights/munet18-bootstrap.safetensors").string(); }

bool available() {
  if (fs::exists(shared_dir() / "parity")) return true;
  skip("parity with the reference: no folder " + (shared_dir() / "parity").string());
  return false;
}

// P [channels, h*w] as the file has it, in f32.
std::vector<std::vector<float>> channels(const Tensor& stored) {
  const std::vector<float> all = stored.to_vector<float>();
  const std::size_t pixels = std::size_t(stored.dim(1) * stored.dim(2));
  std::vector<std::vector<float>> p;
  for (std::size_t k = 0; k < std::size_t(stored.dim(0)); ++k)
    p.emplace_back(all.begin() + std::ptrdiff_t(k * pixels),
                   all.begin() + std::ptrdiff_t((k + 1) * pixels));
  return p;
}

// Intersection over union of the labels of two P, over all objects together. The stored P is f16,
// where close probabilities tie; ours is rounded alike, so that ties are decided alike.
double label_iou(std::vector<std::vector<float>> a, const std::vector<std::vector<float>>& b) {
  for (std::vector<float>& channel : a)
    for (float& p : channel) p = float(half(p));
  double both = 0, any = 0;
  for (std::size_t i = 0; i < a[0].size(); ++i) {
    std::size_t la = 0, lb = 0;
    for (std::size_t k = 1; k < a.size(); ++k) {
      if (a[k][i] > a[la][i]) la = k;
      if (b[k][i] > b[lb][i]) lb = k;
    }
    both += la == lb && la > 0;
    any += la > 0 || lb > 0;
  }
  return any ? both / any : 1;
}

// Each step gets the reference's soft masks of the frames before. ids: the id of each channel.
void teacher_forced(const fs::path& frames, const fs::path& parity, const std::string& first,
                    const std::vector<int>& ids) {
  const nn::Checkpoint file =
      nn::load_checkpoint((parity / "probability.safetensors").string(), nn::Layout::plain);
  const Mask mask = read_mask((parity / first).string());
  SegmenterOptions options;
  options.shorter_side = 0;
  Segmenter segmenter(weights(), options);
  int compared = 0;
  for (const auto& [name, stored] : file.tensors) {
    INFO(name);
    const fs::path png = frames / (name + ".png"), jpg = frames / (name + ".jpg");
    const Image image = read_image((fs::exists(png) ? png : jpg).string());
    const MaskView view{mask.ids.data(), mask.width, mask.height, 0};
    segmenter.step({image.rgb.data(), image.width, image.height, 0}, compared ? nullptr : &view);
    const auto want = channels(stored);
    std::vector<std::vector<float>> got{std::vector<float>(want[0].size(), 1.f)};
    for (std::size_t k = 0; k < ids.size(); ++k) {
      got.push_back(segmenter.probability(ids[k]));
      for (std::size_t i = 0; i < got[0].size(); ++i) got[0][i] -= got.back()[i];
      segmenter.correct(ids[k], want[k + 1]);
    }
    double worst = 0;
    for (std::size_t k = 0; k < want.size(); ++k)
      for (std::size_t i = 0; i < want[k].size(); ++i)
        worst = std::max(worst, double(std::abs(got[k][i] - want[k][i])));
    CHECK(worst <= 1e-3);
    CHECK(label_iou(got, want) >= 0.999);
    ++compared;
  }
  CHECK(compared >= 4);
}

}  // namespace

TEST_CASE("every stage of a frame pair agrees with PyTorch", "[parity]") {
  if (!available()) return;
  const bool frozen = GENERATE(false, true);
  INFO("frozen: " << frozen);
  const fs::path folder = shared_dir() / "parity/stages";
  const nn::Checkpoint file =
      nn::load_checkpoint((folder / "stages.safetensors").string(), nn::Layout::plain);
  const auto error = [&](const char* name, const Tensor& got) {
    return relative_error(got, channels_last(file.tensors.at(name)));
  };
  const std::unique_ptr<MUNet> model = load_model(weights());
  if (frozen) nn::freeze(*model);
  NoGrad no_grad;
  const Image previous = read_image((folder / "previous.png").string());
  const Image current = read_image((folder / "current.png").string());
  const Mask ids = read_mask((folder / "previous-ids.png").string());
  const FrameGeometry g = frame_geometry(current.width, current.height, 0);
  const auto prepare = [&](const Image& image) {
    return prepare_frame(image.rgb.data(), image.width * 3, g, model->config.pad_order);
  };
  const Tensor x = prepare(current), x_previous = prepare(previous);
  CHECK(error("prepared", x) < 1e-6);
  const QueryFeatures q = model->encode_query(x), q_previous = model->encode_query(x_previous);
  CHECK(error("r2", q.trunk.r2) < 1e-4);
  CHECK(error("r3", q.trunk.r3) < 1e-4);
  CHECK(error("r4", q.trunk.r4) < 1e-4);
  CHECK(error("r4_previous", q_previous.trunk.r4) < 1e-4);

  Tensor masks = Tensor::zeros({2, g.height, g.width});
  for (int64_t i = 0; i < g.height * g.width; ++i)
    if (const int id = ids.ids[std::size_t(i)])
      masks.data<float>()[(id - 1) * g.height * g.width + i] = 1;
  masks = pad_masks(masks, g);
  CHECK(error("mask", masks.view({2, g.padded_height, g.padded_width, 1})) == 0);
  const KeyValue memory = model->memorize(x_previous, masks);
  CHECK(error("memory_key", memory.key) < 1e-4);
  CHECK(error("memory_value", memory.value) < 1e-4);

  // These weights hardly use motion: it is compared itself, not only through what follows.
  const Tensor matched = model->mu_layer->match(q.motion, q_previous.motion);
  CHECK(error("displacement", narrow(matched, 3, 0, 2)) < 1e-4);
  CHECK(error("confidence", narrow(matched, 3, 2, 1)) < 1e-4);
  CHECK(error("motion", model->mu_layer->motion_feature(matched)) < 1e-4);
  const Tensor fused = model->fuse_motion(q, &q_previous);
  CHECK(error("fused", fused) < 1e-4);
  const KeyValue kv = model->query_key_value(fused);
  CHECK(error("query_key", kv.key) < 1e-4);
  CHECK(error("query_value", kv.value) < 1e-4);

  const auto flat = [](const Tensor& t) {
    return t.view({t.dim(0), t.dim(1) * t.dim(2), t.dim(3)});
  };
  const Tensor read =
      memory_read(flat(memory.key), flat(memory.value), flat(kv.key).view({70, 64}));
  CHECK(error("read", read.view({2, 7, 10, 256})) < 1e-4);
  const Tensor z = model->decode(read, kv.value, q);
  CHECK(error("z", z.view({2, 112, 160, 1})) < 1e-4);
  const Tensor logits = soft_aggregate(z);
  CHECK(error("logits", logits) < 1e-4);
  CHECK(error("probability", softmax(logits, -1)) < 1e-4);
}

TEST_CASE("teacher-forced video: one object", "[parity]") {
  if (!available()) return;
  const fs::path folder = shared_dir() / "parity/libby-240p";
  teacher_forced(folder, folder, "first.png", {1});
}

TEST_CASE("teacher-forced video: three objects, ids with holes", "[parity]") {
  if (!available()) return;
  const fs::path folder = shared_dir() / "parity/schoolgirls-3";
  teacher_forced(folder, folder, "first-ids.png", {1, 5, 3});
}

TEST_CASE("free-running video gives the reference's labels", "[parity]") {
  if (!available()) return;
  const fs::path data = shared_dir() / "data/davis2016";
  if (!fs::exists(data)) return skip("free-running parity: no folder " + data.string());
  SegmenterOptions options;
  options.shorter_side = 0;
  Segmenter segmenter(weights(), options);
  for (int t = 0; t < 12; ++t) {
    const std::string number = (t < 10 ? "0000" : "000") + std::to_string(t);
    const Image image = read_image((data / "JPEGImages/480p/libby" / (number + ".jpg")).string());
    const Mask first = read_mask((data / "Annotations/480p/libby/00000.png").string());
    const MaskView view{first.ids.data(), first.width, first.height, 0};
    segmenter.step({image.rgb.data(), image.width, image.height, 0}, t ? nullptr : &view);
    const Mask want =
        read_mask((shared_dir() / "parity/labels/libby" / (number + ".png")).string());
    const std::vector<unsigned char> got = segmenter.labels();
    double both = 0, any = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      both += got[i] && want.ids[i];
      any += got[i] || want.ids[i];
    }
    INFO(number);
    CHECK(both >= 0.999 * any);
  }
}

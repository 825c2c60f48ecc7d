// The whole network against PyTorch's recordings (tests/golden/record.py), every key of its table;
// freezing; gradients through everything; keys and checkpoints.
#include "munet/model.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "autograd/ops.h"
#include "munet/loss.h"
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "nn/fold.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

nn::Checkpoint golden() {
  return nn::load_checkpoint((source_dir() / "tests/golden/networks.safetensors").string(),
                             nn::Layout::plain);
}

// P [3,h,w] of the golden video's last frames as the Segmenter sees them.
std::vector<Tensor> run_golden_video(const nn::Checkpoint& file, const std::string& checkpoint) {
  const Tensor frames = file.tensors.at("frames"), ids = file.tensors.at("first_ids");
  const int h = int(frames.dim(1)), w = int(frames.dim(2));
  SegmenterOptions options;
  options.shorter_side = 0;
  options.every = 2;
  Segmenter segmenter(checkpoint, options);
  std::vector<Tensor> all;
  for (int64_t t = 0; t < frames.dim(0); ++t) {
    const MaskView mask{ids.data<uint8_t>(), w, h, 0};
    segmenter.step({frames.rows(t, 1).data<uint8_t>(), w, h, 0}, t == 0 ? &mask : nullptr);
    const std::vector<float> first = segmenter.probability(1), second = segmenter.probability(2);
    Tensor p = Tensor::empty({3, h, w});
    for (int i = 0; i < h * w; ++i) {
      p.data<float>()[i] = 1 - first[std::size_t(i)] - second[std::size_t(i)];
      p.data<float>()[h * w + i] = first[std::size_t(i)];
      p.data<float>()[2 * h * w + i] = second[std::size_t(i)];
    }
    all.push_back(p);
  }
  return all;
}

}  // namespace

TEST_CASE("every key, through the whole network, as PyTorch", "[model]") {
  const nn::Checkpoint file = golden();
  int compared = 0;
  for (const auto& [name, keys] : file.metadata) {
    if (name == "memory_every") continue;
    INFO(name);
    TemporaryFolder folder;
    const std::string path = write_checkpoint(folder.path.string(), config_from_json(keys, name));
    const std::vector<Tensor> p = run_golden_video(file, path);
    for (int64_t t : {3, 4}) {
      const auto want = file.tensors.find(name + "/P" + std::to_string(t));
      if (want == file.tensors.end()) continue;
      CHECK(relative_error(p[std::size_t(t)], want->second) < 1e-4);
      ++compared;
    }
  }
  CHECK(compared == 17);
}

TEST_CASE("freezing changes no output and thawing brings the old model back", "[model]") {
  Rng rng{3};
  MUNet model(preset("munet18"), rng);
  fill_like_reference(model);
  nn::train(model, false);
  NoGrad no_grad;
  const Tensor x = random_tensor({1, 48, 64, 3}, 1), other = random_tensor({1, 48, 64, 3}, 2);
  const Tensor masks = random_tensor({2, 48, 64}, 3, 0, 1);
  const auto run = [&] {
    const QueryFeatures previous = model.encode_query(other), query = model.encode_query(x);
    const KeyValue memory = model.memorize(other, masks);
    const KeyValue kv = model.query_key_value(model.fuse_motion(query, &previous));
    const auto flat = [](const Tensor& t) {
      return reshape(t, Shape{t.dim(0), t.dim(1) * t.dim(2), t.dim(3)});
    };
    const Tensor key = flat(kv.key);
    const Tensor read = memory_read(flat(memory.key), flat(memory.value),
                                    reshape(key, Shape{key.dim(1), key.dim(2)}));
    return model.decode(read, kv.value, query);
  };
  const Tensor before = run();
  const nn::FreezeSummary summary = nn::freeze(model);
  CHECK(summary.folded ==
        2 * (1 + 12 + 2) + 1);  // two trunks: stem, blocks, projections; the mask's stem
  const Tensor frozen = run();
  CHECK(relative_error(frozen, before) < 2e-5);
  CHECK(relative_error(frozen, before) > 0);  // it did take another way
  nn::thaw(model);
  CHECK(relative_error(run(), before) == 0);
}

TEST_CASE("gradients reach every parameter and are right", "[model]") {
  // In f64, so that differences are sharp; each parameter tensor checked at two random elements.
  Config config = preset("munet18");
  config.key_dim = 5;
  config.value_dim = 7;
  config.decoder_dim = 6;
  config.window = 3;
  config.ref_extra = "others";
  Rng rng{3};
  MUNet model(config, rng);
  fill_like_reference(model);
  nn::train(model, false);
  struct ToDouble : nn::Visitor {
    void tensor(const std::string&, Tensor& value, nn::Role role) override {
      value = value.detach().to(DType::f64);
      if (role == nn::Role::parameter) value.set_requires_grad();
    }
  } to_double;
  to_double.walk(model);

  const Tensor x = random_tensor({1, 32, 48, 3}, 1, -1, 1, DType::f64);
  const Tensor y = random_tensor({1, 32, 48, 3}, 2, -1, 1, DType::f64);
  const Tensor masks = random_tensor({2, 32, 48}, 3, 0, 1, DType::f64);
  Tensors inputs;
  for (const nn::NamedTensor& p : nn::parameters(model)) inputs.push_back(p.tensor);
  REQUIRE(inputs.size() > 100);
  const auto f = [&](const Tensors&) {
    const QueryFeatures previous = model.encode_query(x), query = model.encode_query(y);
    const KeyValue memory = model.memorize(x, masks);
    const KeyValue kv = model.query_key_value(model.fuse_motion(query, &previous));
    const auto flat = [](const Tensor& t) {
      return reshape(t, Shape{t.dim(0), t.dim(1) * t.dim(2), t.dim(3)});
    };
    const Tensor key = flat(kv.key);
    const Tensor read = memory_read(flat(memory.key), flat(memory.value),
                                    reshape(key, Shape{key.dim(1), key.dim(2)}));
    return softmax(soft_aggregate(model.decode(read, kv.value, query)), -1);
  };
  const GradcheckResult result =
      gradcheck(f, inputs, {.step = 1e-6, .tolerance = 1e-4, .seed = 1, .samples = 1});
  CHECK(result.message == "");
  for (const nn::NamedTensor& p : nn::parameters(model)) {
    INFO(p.name);
    CHECK(p.tensor.grad().defined());
  }
}

// The sines from their definition; then what they are for.
TEST_CASE("position cue: keys know where they are, and their product how far apart", "[model]") {
  constexpr int kDepth = 12;
  PositionCue cue(kDepth);
  for (int c = 0; c < 6; ++c) cue.gain.data<float>()[c] = 0.3f + 0.1f * float(c);
  const Tensor key = random_tensor({2, 5, 7, kDepth}, 3), placed = cue(key);
  const auto s = [&](int64_t n, int64_t y, int64_t x, int64_t c) {
    const int64_t at = ((n * 5 + y) * 7 + x) * kDepth + c;
    return double(placed.data<float>()[at]) - double(key.data<float>()[at]);
  };
  const double waves[] = {4, std::sqrt(4.0 * 128), 128};
  for (int64_t y = 0; y < 5; ++y)
    for (int64_t x = 0; x < 7; ++x)
      for (int64_t c = 0; c < 6; ++c) {
        const double angle = 2 * std::acos(-1.0) * double(c < 3 ? x : y) / waves[c % 3];
        CHECK(s(1, y, x, c) == Approx((0.3 + 0.1 * double(c)) * std::sin(angle)).margin(1e-6));
        CHECK(s(1, y, x, c + 6) == Approx((0.3 + 0.1 * double(c)) * std::cos(angle)).margin(1e-6));
      }
  const auto product = [&](int64_t y, int64_t x, int64_t v, int64_t u) {
    double sum = 0;
    for (int64_t c = 0; c < kDepth; ++c) sum += s(0, y, x, c) * s(0, v, u, c);
    return sum;
  };
  CHECK(product(0, 1, 2, 4) == Approx(product(2, 3, 4, 6)).margin(1e-5));
  CHECK(product(1, 1, 1, 1) > product(1, 1, 1, 2) + 0.09);
  const Tensor weaker = cue(key, 0.4);
  for (int64_t i = 0; i < key.numel(); ++i) {
    const double k = double(key.data<float>()[i]);
    CHECK(double(weaker.data<float>()[i]) - k ==
          Approx(0.4 * (double(placed.data<float>()[i]) - k)).margin(1e-6));
  }
  CHECK_THROWS_WITH(cue(key.view({1, 2, 5, 84})),
                    "position_cue: expected keys [n,h,w,12]; given [1, 2, 5, 84]");

  Config config = preset("munet18");
  CHECK_FALSE(config.position_cue);
  CHECK_FALSE(preset("munet50").position_cue);
  config.position_cue = true;
  Rng rng{1};
  MUNet with(config, rng);
  CHECK(nn::state_dict(with).at("position.gain").shape() == Shape{32});
  CHECK(config_from_json(to_json(config), "file") == config);
}

TEST_CASE("keys: JSON there and back, and what is wrong is named", "[model]") {
  for (const char* name : {"munet50", "munet18"})
    CHECK(config_from_json(to_json(preset(name)), "file") == preset(name));
  CHECK(config_from_json("{}", "file") == preset("munet50"));
  const auto text = [](const std::string& json) -> std::string {
    try {
      config_from_json(json, "a.safetensors");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(text("[1]") == "a.safetensors: the model's keys are not a JSON object");
  CHECK(text(R"({"windows": 3})") ==
        "a.safetensors: unknown model key 'windows' (written by a newer munet?)");
  CHECK(text(R"({"window": 4})") == "a.safetensors: model key window is odd; found 4");
  CHECK(text(R"({"window": "4"})") ==
        "a.safetensors: model key window has the wrong type; found \"4\"");
  CHECK(text(R"({"key_dim": 1e12})") != "");
  CHECK(text(R"({"key_dim": 100000000000})") ==
        "a.safetensors: model key key_dim is between -1.07374e+09 and 1.07374e+09; found 1e+11");
  CHECK(text(R"({"key_dim": 7, "position_cue": true})") ==
        "a.safetensors: model key key_dim is even where position_cue is set; found 7");
  CHECK(text(R"({"motion": "flow"})") ==
        "a.safetensors: model key motion is one of full, displacement, none; found 'flow'");
  CHECK(text(R"({"format": 2})") ==
        "a.safetensors: expected model format 1; found 2 (written by a newer munet?)");
  CHECK_THROWS_AS(preset("munet101"), Error);
}

TEST_CASE("checkpoints of another model are refused, with all names at once", "[model]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  CHECK(load_model(path)->config == preset("munet18"));
  nn::Checkpoint file = nn::load_checkpoint(path);
  file.tensors.erase("decoder.pred.bias");
  file.tensors["another.weight"] = Tensor::zeros({2});
  file.tensors["kv_query.key.bias"] = Tensor::zeros({3});
  nn::save_checkpoint(path, file);
  try {
    load_model(path);
    FAIL("loaded");
  } catch (const FileError& e) {
    const std::string text = e.what();
    for (const char* part :
         {path.c_str(), "decoder.pred.bias", "another.weight", "kv_query.key.bias"})
      CHECK(text.find(part) != std::string::npos);
  }
  file.metadata.clear();
  nn::save_checkpoint(path, file);
  CHECK_THROWS_AS(load_model(path), FileError);
}

// The Segmenter's rules: masks with any frame, ids with holes, late and removed objects, budgets.
#include "munet/segmenter.h"

#include <algorithm>
#include <set>

#include "munet/memory_bank.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr int kWidth = 53, kHeight = 37;

// A picture of two moving blobs, and their masks with the given ids.
std::vector<uint8_t> picture(int t) {
  std::vector<uint8_t> rgb;
  for (int i = 0; i < kHeight; ++i)
    for (int j = 0; j < kWidth; ++j)
      for (int c = 0; c < 3; ++c) {
        const bool first = std::abs(i - 12) < 8 && std::abs(j - 14 - t) < 9;
        const bool second = std::abs(i - 25) < 7 && std::abs(j - 38 + t) < 8;
        const double noise =
            40 * random_uniform(9, uint64_t(((t * kHeight + i) * kWidth + j) * 3 + c));
        rgb.push_back(uint8_t(noise + (first ? 150 : second && c == 1 ? 200 : 20)));
      }
  return rgb;
}

std::vector<uint8_t> mask(int first, int second) {
  std::vector<uint8_t> ids;
  for (int i = 0; i < kHeight; ++i)
    for (int j = 0; j < kWidth; ++j) {
      const bool a = std::abs(i - 12) < 8 && std::abs(j - 14) < 9;
      const bool b = std::abs(i - 25) < 7 && std::abs(j - 38) < 8;
      ids.push_back(uint8_t(a ? first : b ? second : 0));
    }
  return ids;
}

struct Video {
  TemporaryFolder folder;
  std::string checkpoint;
  Segmenter segmenter;
  explicit Video(SegmenterOptions options = {}, const Config& config = preset("munet18"))
      : checkpoint(write_checkpoint(folder.path.string(), config)),
        segmenter(checkpoint, options) {}
  void step(int t) {
    const std::vector<uint8_t> rgb = picture(t);
    segmenter.step({rgb.data(), kWidth, kHeight, 0});
  }
  void step(int t, const std::vector<uint8_t>& ids) {
    const std::vector<uint8_t> rgb = picture(t);
    const MaskView view{ids.data(), kWidth, kHeight, 0};
    segmenter.step({rgb.data(), kWidth, kHeight, 0}, &view);
  }
};

}  // namespace

TEST_CASE("the first mask comes back as given, then probabilities sum to one", "[segmenter]") {
  Video v;
  v.step(0, mask(7, 200));  // ids with holes
  CHECK(v.segmenter.objects() == std::vector<int>{7, 200});
  CHECK(v.segmenter.labels() == mask(7, 200));
  v.step(1);
  const std::vector<float> a = v.segmenter.probability(7), b = v.segmenter.probability(200);
  const std::vector<uint8_t> labels = v.segmenter.labels();
  std::set<int> seen(labels.begin(), labels.end());
  for (int id : seen) CHECK((id == 0 || id == 7 || id == 200));
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float background = 1 - a[i] - b[i];
    REQUIRE(background > -1e-5);
    const int want = a[i] > std::max(b[i], background)   ? 7
                     : b[i] > std::max(a[i], background) ? 200
                                                         : 0;
    if (std::abs(std::max({a[i], b[i], background}) - 0.5f) > 1e-3) REQUIRE(int(labels[i]) == want);
  }
  CHECK(text_of([&] { v.segmenter.probability(8); }) == "segmenter: no object 8");
}

TEST_CASE("an order of ids changes names only", "[segmenter]") {
  Video a, b;
  a.step(0, mask(1, 2));
  b.step(0, mask(9, 4));
  for (int t = 1; t < 4; ++t) {
    a.step(t);
    b.step(t);
  }
  const std::vector<float> p = a.segmenter.probability(1), q = b.segmenter.probability(9);
  double worst = 0;
  for (std::size_t i = 0; i < p.size(); ++i) worst = std::max(worst, double(std::abs(p[i] - q[i])));
  CHECK(worst < 1e-4);
}

TEST_CASE("an object that starts late leaves the others their prediction", "[segmenter]") {
  Video v, without;
  v.step(0, mask(3, 0));
  without.step(0, mask(3, 0));
  v.step(1);
  without.step(1);
  without.step(2);
  const std::vector<uint8_t> late = mask(0, 5);
  v.step(2, late);
  CHECK(v.segmenter.objects() == std::vector<int>{3, 5});
  const std::vector<uint8_t> labels = v.segmenter.labels(), alone = without.segmenter.labels();
  const std::vector<float> p = v.segmenter.probability(3), q = without.segmenter.probability(3);
  for (std::size_t i = 0; i < late.size(); ++i) {
    REQUIRE(labels[i] == (late[i] ? 5 : alone[i]));
    REQUIRE(std::abs(p[i] - (late[i] ? 0 : q[i])) < 1e-6);
  }
  v.step(3);
  CHECK(v.segmenter.memory().objects[0].frames == 1);  // frame 2 is not of its schedule
  CHECK(v.segmenter.memory().objects[1].frames == 1);
}

TEST_CASE("a mask given again sets its object right", "[segmenter]") {
  Video v;
  v.step(0, mask(1, 2));
  v.step(1);
  v.step(2, mask(1, 0));  // object 1 anew; 2 keeps its prediction elsewhere
  const std::vector<uint8_t> labels = v.segmenter.labels(), given = mask(1, 0);
  for (std::size_t i = 0; i < labels.size(); ++i) REQUIRE((labels[i] == 1) == (given[i] == 1));
  CHECK(v.segmenter.objects() == std::vector<int>{1, 2});
}

TEST_CASE("objects are removed, a segmenter is reset", "[segmenter]") {
  Video v;
  v.step(0, mask(1, 2));
  v.step(1);
  v.segmenter.remove(1);
  CHECK(v.segmenter.objects() == std::vector<int>{2});
  CHECK(text_of([&] { v.segmenter.remove(1); }) == "segmenter: no object 1");
  v.step(2);
  const std::vector<uint8_t> labels = v.segmenter.labels();
  CHECK(std::count(labels.begin(), labels.end(), 1) == 0);
  v.segmenter.remove(2);
  CHECK(v.segmenter.objects().empty());
  v.step(3);
  const std::vector<uint8_t> nothing = v.segmenter.labels();
  CHECK(std::count(nothing.begin(), nothing.end(), 0) == kWidth * kHeight);
  CHECK(v.segmenter.memory().bytes == 0);

  Video fresh;
  fresh.step(0, mask(1, 2));
  fresh.step(1);
  v.segmenter.reset();
  CHECK(v.segmenter.frames() == 0);
  v.step(0, mask(1, 2));
  v.step(1);
  CHECK(v.segmenter.probability(1) == fresh.segmenter.probability(1));
}

TEST_CASE("frames before the first mask find nothing", "[segmenter]") {
  Video v;
  CHECK(text_of([&] { v.segmenter.labels(); }) == "segmenter: labels before the first step");
  v.step(0);
  v.step(1);
  CHECK(v.segmenter.objects().empty());
  v.step(2, mask(1, 2));
  v.step(3);
  CHECK(v.segmenter.objects().size() == 2);
}

TEST_CASE("the result does not depend on the number of threads", "[segmenter]") {
  const int before = num_threads();
  std::vector<std::vector<float>> all;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Video v;
    v.step(0, mask(1, 2));
    v.step(1);
    v.step(2);
    all.push_back(v.segmenter.probability(2));
  }
  set_num_threads(before);
  CHECK(all[0] == all[1]);
  CHECK(all[0] == all[2]);
}

// Once packed, weights are released: those that no convolution has must stay.
TEST_CASE("every key of the model runs, and does something", "[segmenter]") {
  const auto third = [](const char* keys) {
    Video v({}, config_from_json(keys, "test"));
    v.step(0, mask(1, 2));
    v.step(1);
    v.step(2);
    return v.segmenter.probability(2);
  };
  const std::string common = R"({"backbone": "resnet18", "key_dim": 64, "value_dim": 256,)"
                             R"( "decoder_dim": 96, "window": 9)";
  const std::vector<float> plain = third((common + "}").c_str());
  for (const char* key :
       {R"("position_cue": true)", R"("ref_extra": "others")", R"("share_kv": true)",
        R"("motion": "none")", R"("motion": "displacement")", R"("fusion": "add")",
        R"("border": "exclude")", R"("top_k": 3)", R"("mu_tau": 0.5)", R"("mu_scale": 3.0)",
        R"("mu_sign": 1.0)", R"("pad_order": "normalise_then_pad")"}) {
    INFO(key);
    const std::vector<float> other = third((common + ", " + key + "}").c_str());
    CHECK(std::all_of(other.begin(), other.end(), [](float p) { return p >= 0 && p <= 1; }));
    CHECK((other != plain));
  }
}

TEST_CASE("nearness is a factor on the model's position cue", "[segmenter]") {
  Config config = preset("munet18");
  config.position_cue = true;
  SegmenterOptions options;
  options.nearness = 1.7;
  Video nearer(options, config), plain({}, config), same({}, config);
  const auto model = load_model(plain.checkpoint);
  const Tensor gain = model->position->gain;
  for (int64_t i = 0; i < gain.numel(); ++i) gain.data<float>()[i] *= 1.7f;
  save_model(*model, same.checkpoint);
  same.segmenter = Segmenter(same.checkpoint);
  for (Video* v : {&nearer, &plain, &same}) {
    v->step(0, mask(1, 2));
    v->step(1);
  }
  const std::vector<float> a = nearer.segmenter.probability(1), b = same.segmenter.probability(1);
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(std::abs(a[i] - b[i]) < 1e-5f);
  CHECK(a != plain.segmenter.probability(1));
  CHECK(text_of([&] { Video without(options); }).find("nearness expects weights with a position") !=
        std::string::npos);
}

TEST_CASE("strides are honoured", "[segmenter]") {
  Video packed, strided;
  packed.step(0, mask(1, 2));
  const std::vector<uint8_t> rgb = picture(0), ids = mask(1, 2);
  const int row = kWidth * 3 + 11, mask_row = kWidth + 5;
  std::vector<uint8_t> wide(std::size_t(row * kHeight), 99),
      wide_ids(std::size_t(mask_row * kHeight), 77);
  for (int i = 0; i < kHeight; ++i) {
    std::copy_n(rgb.begin() + i * kWidth * 3, kWidth * 3, wide.begin() + i * row);
    std::copy_n(ids.begin() + i * kWidth, kWidth, wide_ids.begin() + i * mask_row);
  }
  const MaskView view{wide_ids.data(), kWidth, kHeight, mask_row};
  strided.segmenter.step({wide.data(), kWidth, kHeight, row}, &view);
  packed.step(1);
  strided.step(1);
  CHECK(packed.segmenter.probability(1) == strided.segmenter.probability(1));
}

TEST_CASE("a smaller working size still answers at the input's size", "[segmenter]") {
  SegmenterOptions options;
  options.shorter_side = 20;
  Video v(options);
  v.step(0, mask(1, 2));
  CHECK(v.segmenter.labels() == mask(1, 2));
  v.step(1);
  CHECK(v.segmenter.labels().size() == std::size_t(kWidth * kHeight));
  CHECK(v.segmenter.probability(2).size() == std::size_t(kWidth * kHeight));
}

TEST_CASE("correct() replaces what is memorised", "[segmenter]") {
  Video v, same, other;
  for (Video* x : {&v, &same, &other}) {
    x->step(0, mask(1, 2));
    x->step(1);
  }
  same.segmenter.correct(1, same.segmenter.probability(1));
  other.segmenter.correct(1, std::vector<float>(kWidth * kHeight, 0.f));
  for (Video* x : {&v, &same, &other}) x->step(2);
  CHECK(v.segmenter.probability(1) == same.segmenter.probability(1));
  CHECK(v.segmenter.probability(1) != other.segmenter.probability(1));
  CHECK_THROWS_AS(v.segmenter.correct(1, {0.5f}), ShapeError);
  CHECK_THROWS_AS(v.segmenter.correct(3, std::vector<float>(kWidth * kHeight)), Error);
}

TEST_CASE("the byte budget holds; what cannot fit is said before the first frame", "[segmenter]") {
  SegmenterOptions options;
  options.every = 1;
  const std::size_t slot = std::size_t(packed_memory_bytes(3 * 4, 64, 256));
  options.memory_budget = 7 * slot;
  Video v(options);
  v.step(0, mask(1, 2));
  for (int t = 1; t < 9; ++t) {
    v.step(t);
    CHECK(v.segmenter.memory().bytes <= options.memory_budget);
  }
  CHECK(v.segmenter.memory().objects[0].frames == 3);
  CHECK(v.segmenter.memory().budget == options.memory_budget);

  options.memory_budget = 1024;
  Video small(options);
  CHECK(text_of([&] { small.step(0, mask(1, 2)); }) ==
        str("memory: the budget is 1024 bytes; 2 given masks and the previous frame of 2 objects "
            "need ",
            4 * slot, " at this frame size; raise the budget or reduce the frames"));
  CHECK(small.segmenter.frames() == 0);
}

TEST_CASE("memory policies keep the right frames", "[segmenter]") {
  const auto slot = [] { return pack_memory(Tensor::zeros({6, 4}), Tensor::zeros({6, 5})); };
  MemoryBank stm({"stm", 5, 1, 1 << 20}), fifo({"fifo", 1, 3, 1 << 20});
  for (int64_t t = 0; t < 12; ++t) {
    stm.add(1, t, t == 0, slot());
    CHECK(stm.frames(1) == t / 5 + 1 + (t % 5 != 0));  // 0, 5, 10 and the previous one
    stm.forget_transient();
    CHECK(stm.frames(1) == t / 5 + 1);
    fifo.add(1, t, t == 0, slot());
    fifo.forget_transient();
    CHECK(fifo.frames(1) == std::min<int64_t>(t, 3) + 1);
  }
  CHECK(stm.bytes() == 3 * std::size_t(packed_memory_bytes(6, 4, 5)));
  stm.remove(1);
  CHECK(stm.bytes() == 0);
  CHECK_THROWS_AS(MemoryBank({"lru", 5, 1, 0}), Error);
  CHECK_THROWS_AS(MemoryBank({"stm", 0, 1, 0}), Error);
}

TEST_CASE("a refused step leaves the segmenter as it was", "[segmenter]") {
  Video v, undisturbed;
  v.step(0, mask(1, 2));
  undisturbed.step(0, mask(1, 2));
  const std::vector<uint8_t> rgb(30 * 20 * 3), empty(kWidth * kHeight, 255);
  CHECK(text_of([&] {
          v.segmenter.step({rgb.data(), 30, 20, 0});
        }) ==
        "segmenter: expected a frame of 53x37 like those before; given 30x20 (reset() starts a new "
        "video)");
  CHECK(text_of([&] { v.step(1, empty); }) ==
        "segmenter: the given mask names no object (every pixel is 0 or 255)");
  const MaskView small{rgb.data(), 30, 20, 0};
  const std::vector<uint8_t> frame = picture(1);
  CHECK(text_of([&] {
          v.segmenter.step({frame.data(), kWidth, kHeight, 0}, &small);
        }) == "segmenter: expected a mask of the frame's size 53x37; given 30x20");
  CHECK(text_of([&] {
          v.segmenter.step({nullptr, kWidth, kHeight, 0});
        }) == "segmenter: the frame has no pixels (null pointer)");
  v.step(1);
  undisturbed.step(1);
  CHECK(v.segmenter.probability(1) == undisturbed.segmenter.probability(1));
}

TEST_CASE("options are checked", "[segmenter]") {
  TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), preset("munet18"));
  const auto text = [&](const std::function<void(SegmenterOptions&)>& change) {
    SegmenterOptions options;
    change(options);
    return text_of([&] { Segmenter(path, options); });
  };
  CHECK(text([](auto& o) { o.memory = "lru"; }) ==
        "memory: expected policy stm or fifo; given 'lru'");
  CHECK(text([](auto& o) { o.precision = "f8"; }) ==
        "precision: expected f32, tf32, bf16 or f16; given 'f8'");
  CHECK(
      text([](auto& o) { o.precision = "bf16"; }) ==
      "segmenter: the CPU computes in f32; given bf16 (tf32, bf16 and f16 are for --device cuda)");
  CHECK(text([](auto& o) { o.device = "tpu"; }) ==
        "device: expected cpu, cuda or cuda:<number>; given 'tpu'");
  CHECK(text([](auto& o) { o.every = 0; }) == "memory: expected every >= 1 frames; given 0");
  CHECK(text([](auto& o) { o.top_k = -2; }) != "");
  CHECK(text([](auto& o) { o.device = "cuda"; }) != "");
  CHECK_THROWS_AS(Segmenter("/nowhere/model.safetensors"), FileError);
}

TEST_CASE("trust: 1 where the mask was given, else what the soft mask and motion say",
          "[segmenter]") {
  Video v;
  CHECK(text_of([&] { v.segmenter.trust(7); }) == "segmenter: trust before the first step");
  v.step(0, mask(7, 200));
  CHECK(v.segmenter.trust(200).score == 1);
  CHECK(text_of([&] { v.segmenter.trust(3); }) == "segmenter: no object 3");
  v.step(1);
  const std::vector<unsigned char> labels = v.segmenter.labels();
  for (const int id : {7, 200}) {
    const std::vector<float> soft = v.segmenter.probability(id);
    double both = 0, either = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double hard = labels[i] == id;
      both += std::min<double>(hard, soft[i]);
      either += std::max<double>(hard, soft[i]);
    }
    const Trust trust = v.segmenter.trust(id);
    CHECK(trust.certainty == Approx(both / either));
    CHECK((trust.agreement > 0 && trust.agreement < 1));
    CHECK((trust.matching > -1 && trust.matching < 1));
    CHECK((trust.score >= 0 && trust.score <= 1));
  }
  v.step(2, mask(7, 0));  // one of them is set right
  CHECK(v.segmenter.trust(7).score == 1);
  CHECK(v.segmenter.trust(200).agreement < 1);

  SegmenterOptions options;
  options.motion = false;
  Video still(options);
  still.step(0, mask(7, 200));
  still.step(1);
  CHECK(still.segmenter.trust(7).agreement == 1);
  CHECK(still.segmenter.probability(7) != v.segmenter.probability(7));
}

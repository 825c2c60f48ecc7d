// The C functions do what the Segmenter does, and every misuse has its status and text.
#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "munet/munet.h"
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/model_support.h"
#include "tests/support.h"

namespace {

constexpr int kWidth = 45, kHeight = 35;

struct Pictures {
  std::vector<unsigned char> rgb, ids;
  munet_frame frame{};
  munet_mask mask{};
  explicit Pictures(int t = 0) {
    for (int i = 0; i < kHeight * kWidth; ++i) {
      const bool disc = std::hypot(i / kWidth - 15, i % kWidth - 14 - t) < 9;
      for (int c = 0; c < 3; ++c)
        rgb.push_back(uint8_t(90 * munet::random_uniform(5, uint64_t(3 * i + c)) + 120 * disc));
      ids.push_back(disc ? 7 : 0);
    }
    frame.pixels = rgb.data();
    mask.ids = ids.data();
    frame.width = mask.width = kWidth;
    frame.height = mask.height = kHeight;
  }
};

// Weights and one segmenter, given back at the end.
struct Opened {
  TemporaryFolder folder;
  std::string path = write_checkpoint(folder.path.string(), munet::preset("munet18"));
  munet_weights* weights = nullptr;
  munet_segmenter* s = nullptr;
  explicit Opened(const munet_options* options = nullptr) {
    REQUIRE(munet_weights_open(path.c_str(), nullptr, nullptr, &weights) == MUNET_OK);
    REQUIRE(munet_segmenter_create(weights, options, &s) == MUNET_OK);
  }
  ~Opened() {
    munet_segmenter_destroy(s);
    munet_weights_close(weights);
  }
  munet_status push(int t, bool with_mask = false) const {
    const Pictures p(t);
    return munet_segmenter_step(s, &p.frame, with_mask ? &p.mask : nullptr);
  }
};

// The call failed with this status and this text.
void check_fails(munet_status given, munet_status status, const std::string& text) {
  CHECK(given == status);
  CHECK(munet_last_error() == text);
}

}  // namespace

TEST_CASE("c: the same masks as the class", "[c_api]") {
  CHECK(munet_abi_version() == MUNET_ABI_VERSION);
  CHECK(munet_version() == std::string("0.1.0"));
  const Opened c;
  munet::Segmenter cpp{c.path};
  std::vector<unsigned char> ids(kWidth * kHeight), spread(60 * kHeight, 9);
  std::vector<float> soft(kWidth * kHeight);
  for (int t = 0; t < 4; ++t) {
    const Pictures p(t);
    const munet::MaskView mask{p.ids.data(), kWidth, kHeight, 0};
    cpp.step({p.rgb.data(), kWidth, kHeight, 0}, t == 0 ? &mask : nullptr);
    REQUIRE(c.push(t, t == 0) == MUNET_OK);
    CHECK(munet_segmenter_labels(c.s, ids.data(), kWidth, kHeight, 0) == MUNET_OK);
    CHECK(ids == cpp.labels());
    CHECK(munet_segmenter_probability(c.s, 7, soft.data(), kWidth, kHeight) == MUNET_OK);
    CHECK(soft == cpp.probability(7));
    munet_trust trust{-9, -9, -9, -9};
    CHECK(munet_segmenter_trust(c.s, 7, &trust) == MUNET_OK);
    const munet::Trust expected = cpp.trust(7);
    CHECK((trust.score == expected.score && trust.certainty == expected.certainty));
    CHECK((trust.agreement == expected.agreement && trust.matching == expected.matching));
    CHECK((trust.score == 1) == (t == 0));  // its mask was given there
  }
  CHECK(munet_segmenter_labels(c.s, spread.data(), kWidth, kHeight, 60) == MUNET_OK);
  for (int i = 0; i < kHeight * 60; ++i)
    REQUIRE(spread[size_t(i)] == (i % 60 < kWidth ? ids[size_t(i / 60 * kWidth + i % 60)] : 9));

  for (float& value : soft) value = 1 - value;
  cpp.correct(7, soft);
  CHECK(munet_segmenter_correct(c.s, 7, soft.data(), kWidth, kHeight) == MUNET_OK);
  const Pictures p(4);
  cpp.step({p.rgb.data(), kWidth, kHeight, 0});
  CHECK(c.push(4) == MUNET_OK);
  CHECK(munet_segmenter_probability(c.s, 7, soft.data(), kWidth, kHeight) == MUNET_OK);
  CHECK(soft == cpp.probability(7));

  munet_object object{};
  munet_memory memory{};
  size_t count = 0;
  uint64_t bytes = 0;
  int64_t frames = 0;
  CHECK(munet_segmenter_objects(c.s, nullptr, 0, &count) == MUNET_OK);
  CHECK(count == 1);
  CHECK(munet_segmenter_objects(c.s, &object, 1, &count) == MUNET_OK);
  CHECK(munet_segmenter_memory(c.s, &memory) == MUNET_OK);
  CHECK(munet_weights_bytes(c.weights, &bytes) == MUNET_OK);
  CHECK(munet_segmenter_frames(c.s, &frames) == MUNET_OK);
  const munet::MemoryReport report = cpp.memory();
  CHECK((object.id == 7 && object.frames == report.objects[0].frames));
  CHECK((object.bytes == report.bytes && memory.bytes == report.bytes));
  CHECK((memory.budget == uint64_t(1) << 30 && memory.weights == bytes));
  CHECK((bytes == report.weights && frames == 5));

  CHECK(munet_segmenter_remove(c.s, 7) == MUNET_OK);
  CHECK(munet_segmenter_objects(c.s, nullptr, 0, &count) == MUNET_OK);
  CHECK(count == 0);
  CHECK(munet_segmenter_reset(c.s) == MUNET_OK);
  CHECK(munet_segmenter_frames(c.s, &frames) == MUNET_OK);
  CHECK(frames == 0);
}

TEST_CASE("c: a state goes through a file, its note too", "[c_api]") {
  const Opened a, b;  // same weights, read twice
  const std::string path = (a.folder / "state").string();
  REQUIRE(a.push(0, true) == MUNET_OK);
  REQUIRE(a.push(1) == MUNET_OK);
  REQUIRE(munet_segmenter_save(a.s, path.c_str(), "frame 1") == MUNET_OK);
  char note[5];
  REQUIRE(munet_segmenter_load(b.s, path.c_str(), note, sizeof note) == MUNET_OK);
  CHECK(note == std::string("fram"));
  CHECK(a.push(2) == MUNET_OK);
  CHECK(b.push(2) == MUNET_OK);
  std::vector<float> x(kWidth * kHeight), y(x);
  CHECK(munet_segmenter_probability(a.s, 7, x.data(), kWidth, kHeight) == MUNET_OK);
  CHECK(munet_segmenter_probability(b.s, 7, y.data(), kWidth, kHeight) == MUNET_OK);
  CHECK(x == y);
}

TEST_CASE("c: wrong handles", "[c_api]") {
  const Opened c;
  const Pictures p;
  check_fails(munet_segmenter_step(nullptr, &p.frame, nullptr), MUNET_ERROR_HANDLE,
              "segmenter: expected a live handle; given null");
  const std::string gone =
      "segmenter: expected a live handle; given one that was destroyed or never made";
  munet_segmenter* s = nullptr;
  REQUIRE(munet_segmenter_create(c.weights, nullptr, &s) == MUNET_OK);
  REQUIRE(munet_segmenter_destroy(s) == MUNET_OK);
  check_fails(munet_segmenter_step(s, &p.frame, nullptr), MUNET_ERROR_HANDLE, gone);
  check_fails(munet_segmenter_destroy(s), MUNET_ERROR_HANDLE, gone);
  int on_stack = 0;
  check_fails(munet_segmenter_reset(reinterpret_cast<munet_segmenter*>(&on_stack)),
              MUNET_ERROR_HANDLE, gone);
  // One kind is not the other; closed weights make no more segmenters, but theirs go on.
  check_fails(munet_segmenter_reset(reinterpret_cast<munet_segmenter*>(c.weights)),
              MUNET_ERROR_HANDLE, gone);
  munet_weights* weights = nullptr;
  REQUIRE(munet_weights_open(c.path.c_str(), nullptr, nullptr, &weights) == MUNET_OK);
  REQUIRE(munet_segmenter_create(weights, nullptr, &s) == MUNET_OK);
  REQUIRE(munet_weights_close(weights) == MUNET_OK);
  CHECK(munet_segmenter_step(s, &p.frame, &p.mask) == MUNET_OK);
  munet_segmenter* more = nullptr;
  check_fails(munet_segmenter_create(weights, nullptr, &more), MUNET_ERROR_HANDLE,
              "weights: expected a live handle; given one that was destroyed or never made");
  CHECK(more == nullptr);
  CHECK(munet_segmenter_destroy(s) == MUNET_OK);
}

TEST_CASE("c: wrong versions, options and weights", "[c_api]") {
  const Opened c;
  munet_options o{};
  munet_segmenter* s = nullptr;
  const std::string version = "abi_version: this library has 1; the caller was built for ";
  check_fails(munet_options_init(&o, 2), MUNET_ERROR_VERSION, version + "2");
  check_fails(munet_segmenter_create(c.weights, &o, &s), MUNET_ERROR_VERSION, version + "0");
  check_fails(munet_options_init(nullptr, 1), MUNET_ERROR_ARGUMENT,
              "options: expected a pointer; given null");
  REQUIRE(munet_options_init(&o, MUNET_ABI_VERSION) == MUNET_OK);
  o.memory = "lru";
  check_fails(munet_segmenter_create(c.weights, &o, &s), MUNET_ERROR_ARGUMENT,
              "memory: expected policy stm or fifo; given 'lru'");
  o.memory = nullptr;
  check_fails(munet_segmenter_create(c.weights, &o, &s), MUNET_ERROR_ARGUMENT,
              "options: memory: expected a pointer; given null");
  REQUIRE(munet_options_init(&o, MUNET_ABI_VERSION) == MUNET_OK);
  CHECK(o.enlarge == 0);
  o.enlarge = 1;
  o.shorter_side = 0;
  check_fails(munet_segmenter_create(c.weights, &o, &s), MUNET_ERROR_ARGUMENT,
              "segmenter: enlarge expects a shorter side to enlarge to; given 0");
  REQUIRE(munet_options_init(&o, MUNET_ABI_VERSION) == MUNET_OK);
  CHECK(o.one_piece == 0);
  CHECK(o.nearness == 1);
  o.nearness = -1;
  check_fails(munet_segmenter_create(c.weights, &o, &s), MUNET_ERROR_ARGUMENT,
              "segmenter: expected a nearness of 0 to 10; given -1");
  CHECK(s == nullptr);
  check_fails(munet_set_threads(0), MUNET_ERROR_ARGUMENT, "threads: expected 1..256, given 0");

  munet_weights* weights = nullptr;
  check_fails(munet_weights_open(c.path.c_str(), "tpu", nullptr, &weights), MUNET_ERROR_DEVICE,
              "device: expected cpu, cuda or cuda:<number>; given 'tpu'");
  check_fails(munet_weights_open(c.path.c_str(), "cpu", "f16", &weights), MUNET_ERROR_ARGUMENT,
              "segmenter: the CPU computes in f32; given f16 (tf32, bf16 and f16 are for --device "
              "cuda)");
  const std::string absent = (c.folder / "absent").string(), text = (c.folder / "text").string();
  check_fails(munet_weights_open(absent.c_str(), nullptr, nullptr, &weights), MUNET_ERROR_FILE,
              absent + ": cannot be opened: No such file or directory");
  std::ofstream(text) << "weights";
  check_fails(munet_weights_open(text.c_str(), nullptr, nullptr, &weights), MUNET_ERROR_FILE,
              text + ": expected a safetensors file, found 7 bytes");
  check_fails(munet_weights_open(nullptr, nullptr, nullptr, &weights), MUNET_ERROR_ARGUMENT,
              "path: expected a pointer; given null");
  CHECK(weights == nullptr);

  // A model's file whose tensors are another model's.
  munet::nn::Checkpoint mixed = munet::nn::load_checkpoint(c.path);
  munet::Config other = munet::preset("munet18");
  other.key_dim = 32;
  mixed.metadata["munet"] = munet::to_json(other);
  munet::nn::save_checkpoint(text, mixed);
  CHECK(munet_weights_open(text.c_str(), nullptr, nullptr, &weights) == MUNET_ERROR_FILE);
  CHECK(strstr(munet_last_error(), (text + ": load: the state does not fit the module").c_str()));
  CHECK(strstr(munet_last_error(), "kv_query.key.weight (module f32 [32, 3, 3, "));
  CHECK(weights == nullptr);

  // A saved segmenter is no model; and one of other weights is not loaded.
  const std::string state = (c.folder / "state").string();
  REQUIRE(c.push(0, true) == MUNET_OK);
  REQUIRE(munet_segmenter_save(c.s, state.c_str(), nullptr) == MUNET_OK);
  CHECK(munet_weights_open(state.c_str(), nullptr, nullptr, &weights) == MUNET_ERROR_FILE);
  CHECK(strstr(munet_last_error(), "no munet model"));
  const TemporaryFolder folder;
  const std::string path = write_checkpoint(folder.path.string(), other);
  REQUIRE(munet_weights_open(path.c_str(), nullptr, nullptr, &weights) == MUNET_OK);
  REQUIRE(munet_segmenter_create(weights, nullptr, &s) == MUNET_OK);
  check_fails(munet_segmenter_load(s, state.c_str(), nullptr, 0), MUNET_ERROR_FILE,
              "segmenter: " + state + ": it was saved by a segmenter with other weights");
  CHECK(munet_segmenter_destroy(s) == MUNET_OK);
  CHECK(munet_weights_close(weights) == MUNET_OK);
}

TEST_CASE("c: wrong frames, masks, objects and budgets change nothing", "[c_api]") {
  const Opened c;
  Pictures p;
  std::vector<unsigned char> ids(kWidth * kHeight);
  check_fails(munet_segmenter_labels(c.s, ids.data(), kWidth, kHeight, 0), MUNET_ERROR_ARGUMENT,
              "segmenter: labels before the first step");
  munet_trust trust{-9, -9, -9, -9};
  check_fails(munet_segmenter_trust(c.s, 7, &trust), MUNET_ERROR_ARGUMENT,
              "segmenter: trust before the first step");
  REQUIRE(c.push(0, true) == MUNET_OK);
  check_fails(munet_segmenter_step(c.s, nullptr, nullptr), MUNET_ERROR_ARGUMENT,
              "frame: expected a pointer; given null");
  p.frame.width = 44;
  check_fails(munet_segmenter_step(c.s, &p.frame, nullptr), MUNET_ERROR_SIZE,
              "segmenter: expected a frame of 45x35 like those before; given 44x35 (reset() starts "
              "a new video)");
  p.frame.width = kWidth, p.mask.height = 34;
  check_fails(munet_segmenter_step(c.s, &p.frame, &p.mask), MUNET_ERROR_SIZE,
              "segmenter: expected a mask of the frame's size 45x35; given 45x34");
  p.mask.height = kHeight, p.mask.ids = nullptr;
  check_fails(munet_segmenter_step(c.s, &p.frame, &p.mask), MUNET_ERROR_ARGUMENT,
              "segmenter: the mask has no ids (null pointer)");
  p.mask.ids = p.ids.data();
  std::fill(p.ids.begin(), p.ids.end(), uint8_t(255));
  check_fails(munet_segmenter_step(c.s, &p.frame, &p.mask), MUNET_ERROR_ARGUMENT,
              "segmenter: the given mask names no object (every pixel is 0 or 255)");
  p.frame.format = 9;
  check_fails(munet_segmenter_step(c.s, &p.frame, nullptr), MUNET_ERROR_ARGUMENT,
              "segmenter: unknown pixel format 9");
  check_fails(munet_segmenter_remove(c.s, 8), MUNET_ERROR_OBJECT, "segmenter: no object 8");
  std::vector<float> soft(kWidth * kHeight);
  check_fails(munet_segmenter_probability(c.s, 8, soft.data(), kWidth, kHeight), MUNET_ERROR_OBJECT,
              "segmenter: no object 8");
  check_fails(munet_segmenter_trust(c.s, 8, &trust), MUNET_ERROR_OBJECT, "segmenter: no object 8");
  check_fails(munet_segmenter_trust(c.s, 7, nullptr), MUNET_ERROR_ARGUMENT,
              "trust: expected a pointer; given null");
  CHECK((trust.score == -9 && trust.matching == -9));
  check_fails(munet_segmenter_correct(c.s, 7, soft.data(), kHeight, kWidth), MUNET_ERROR_SIZE,
              "segmenter: expected room for the last frame, 45x35; given 35x45");
  check_fails(munet_segmenter_labels(c.s, ids.data(), kWidth, kHeight, 44), MUNET_ERROR_SIZE,
              "segmenter: a row of labels has 45 bytes; given a stride of 44");
  check_fails(munet_segmenter_seek(c.s, -2), MUNET_ERROR_ARGUMENT,
              "segmenter: expected a frame number of at least 0; given -2");
  int64_t frames = 0;
  CHECK(munet_segmenter_frames(c.s, &frames) == MUNET_OK);
  CHECK(frames == 1);

  munet_options o{};
  REQUIRE(munet_options_init(&o, MUNET_ABI_VERSION) == MUNET_OK);
  o.memory_budget = 1000;
  const Opened small(&o);
  CHECK(small.push(0, true) == MUNET_ERROR_BUDGET);
  CHECK(strstr(munet_last_error(), "memory: the budget is 1000 bytes; 1 given mask and the"));
}

TEST_CASE("c: the progress function cancels; nobody enters a segmenter at work", "[c_api]") {
  const Opened c;
  struct Seen {
    const Opened* opened;
    int calls = 0;
    munet_status inside = MUNET_OK, other_thread = MUNET_OK, destroy = MUNET_OK;
  } seen{&c};
  const munet_progress watch = [](void* user, double) {
    Seen& s = *static_cast<Seen*>(user);
    s.inside = munet_segmenter_reset(s.opened->s);
    s.destroy = munet_segmenter_destroy(s.opened->s);
    std::thread([&] { s.other_thread = munet_segmenter_reset(s.opened->s); }).join();
    return ++s.calls == 3 ? 1 : 0;
  };
  REQUIRE(munet_segmenter_on_progress(c.s, watch, &seen) == MUNET_OK);
  check_fails(c.push(0, true), MUNET_CANCELLED, "segmenter: cancelled by the progress function");
  CHECK((seen.inside == MUNET_ERROR_BUSY && seen.other_thread == MUNET_ERROR_BUSY));
  CHECK((seen.destroy == MUNET_ERROR_BUSY && seen.calls == 3));
  CHECK(munet_segmenter_on_progress(c.s, nullptr, nullptr) == MUNET_OK);
  CHECK(c.push(0, true) == MUNET_OK);

  const munet_progress throws = [](void*, double) -> int {
    throw std::string("out of a callback");
  };
  CHECK(munet_segmenter_on_progress(c.s, throws, nullptr) == MUNET_OK);
  check_fails(c.push(1), MUNET_ERROR_INTERNAL, "an exception of unknown type");
}

TEST_CASE("c: errors stay on their thread; every status has a text", "[c_api]") {
  CHECK(munet_segmenter_reset(nullptr) == MUNET_ERROR_HANDLE);
  std::string elsewhere = "?";
  std::thread([&] { elsewhere = munet_last_error(); }).join();
  CHECK(elsewhere.empty());
  CHECK(munet_last_error() == std::string("segmenter: expected a live handle; given null"));
  for (int status = MUNET_OK; status <= MUNET_ERROR_INTERNAL; ++status)
    CHECK(munet_status_text(munet_status(status)) != std::string("unknown status"));
  CHECK(munet_status_text(munet_status(99)) == std::string("unknown status"));
}

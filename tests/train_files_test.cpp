// What training reads and writes beside clips: weights of others, recipes, logs, events, states.
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>

#include "apps/train/events.h"
#include "apps/train/log.h"
#include "apps/train/report.h"
#include "apps/train/start.h"
#include "apps/train/step.h"
#include "data/file.h"
#include "nn/torch_file.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::string golden(const std::string& name) { return source_dir() / "tests/golden" / name; }

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("torch files: both formats, all types, strides", "[train]") {
  for (const std::string name : {"torch_zip.pth", "torch_old.pth"}) {
    INFO(name);
    REQUIRE(nn::is_torch_file(golden(name)));
    const nn::StateDict state = nn::load_torch_file(golden(name), nn::Layout::plain).tensors;
    REQUIRE(state.size() == 8);
    const Tensor& a = state.at("state_dict.a");
    CHECK(a.shape() == Shape{2, 3, 2, 2});
    for (int64_t i = 0; i < 24; ++i) CHECK(a.data<float>()[i] == float(i));
    const Tensor& b = state.at("state_dict.b");
    CHECK(b.shape() == Shape{3, 2, 2, 2});
    CHECK(b.data<float>()[4] == 12);  // b[0,1] = a[1,0]
    for (const auto& [key, dtype] : {std::pair("half", DType::f16),
                                     {"bfloat", DType::bf16},
                                     {"double", DType::f64},
                                     {"long", DType::i64}}) {
      const Tensor& x = state.at(std::string("state_dict.") + key);
      CHECK(x.dtype() == dtype);
      CHECK(x.to_vector<double>() == std::vector<double>{0, 1, 2, 3, 4});
    }
    CHECK(state.at("state_dict.scalar").item() == 2.5);
    CHECK(state.at("state_dict.param").to_vector<float>() == std::vector<float>{1, 2, 3});
    // As convolution weights: [o,c,kh,kw] -> [o,kh,kw,c].
    const Tensor w = nn::load_torch_file(golden(name)).tensors.at("state_dict.a");
    CHECK(w.shape() == Shape{2, 2, 2, 3});
    CHECK(w.data<float>()[1] == 4);
  }
}

TEST_CASE("torch files: code is refused by its name", "[train]") {
  for (const std::string name :
       {"torch_code_zip.pth", "torch_code_old.pth", "torch_code_bare.pth"}) {
    REQUIRE(nn::is_torch_file(golden(name)));
    const std::string text = text_of([&] { nn::load_torch_file(golden(name)); });
    INFO(text);
    CHECK(text.starts_with(golden(name) + ": the pickle names 'posix.system', which is code"));
  }
}

TEST_CASE("torch files: whatever is cut off or changed is read or refused", "[train]") {
  const TemporaryFolder folder;
  for (const std::string name : {"torch_zip.pth", "torch_old.pth"}) {
    const std::string whole = contents(golden(name));
    for (std::size_t i = 0; i < 400; ++i) {
      std::string damaged = whole;
      const uint64_t place = random_bits(7, 2 * i) % whole.size();
      if (i % 2)
        damaged.resize(place);
      else
        damaged[place] = char(random_bits(7, 2 * i + 1));
      std::ofstream(folder / "x.pth", std::ios::binary) << damaged;
      try {
        nn::load_torch_file(folder / "x.pth");
      } catch (const Error&) {
      }
    }
  }
}

TEST_CASE("start: ResNets by name, from .pth and below a prefix", "[train]") {
  Rng rng;
  MUNet model(preset("munet18"), rng);
  const std::string report = load_start(model, golden("torch_resnet18.pth"));
  INFO(report);
  CHECK(report.find("a ResNet, into both encoders; matched 150 tensors; new 1: conv1_m.weight; "
                    "ignored 3: fc.bias, fc.weight, layer4.0.conv1.weight") != std::string::npos);
  for (nn::Module* encoder :
       {static_cast<nn::Module*>(&model.encoder_q), static_cast<nn::Module*>(&model.encoder_r)})
    CHECK(nn::state_dict(*encoder).at("conv1.weight").data<float>()[7] == 1);
  MUNet large(preset("munet50"), rng);
  const std::string second = load_start(large, golden("torch_maskrcnn50.pth"));
  INFO(second);
  CHECK(second.find("new 1: conv1_m.weight; ignored 2: (backbone.fpn.inner_blocks.0.weight), "
                    "(rpn.head.conv.weight)") != std::string::npos);
  CHECK(text_of([&] { load_start(model, golden("torch_zip.pth")); }) ==
        golden("torch_zip.pth") +
            ": expected a munet checkpoint or a ResNet with torchvision's names; found no trunk "
            "(conv1.weight and layer1.0.conv1.weight) among 8 tensors");
  CHECK(text_of([&] {
          load_start(model, golden("torch_maskrcnn50.pth"));
        }).find("layer1.0.conv1") != std::string::npos);
}

TEST_CASE("recipe: JSON there and back, keys, differences", "[train]") {
  Recipe recipe = recipe_preset("ours");
  CHECK(recipe_from_json(to_json(recipe), "here") == recipe);
  set_key(recipe, "lr=3e-5");
  set_key(recipe, "motion=none");
  set_key(recipe, "clip_frames=4");
  CHECK(recipe.lr == 3e-5);
  CHECK(recipe.model.motion == "none");
  CHECK(differences(recipe_preset("ours"), "A", recipe, "B") ==
        std::vector<std::string>{"clip_frames is 3 in A, 4 in B", "lr is 0.0001 in A, 3e-05 in B",
                                 "motion is \"full\" in A, \"none\" in B"});
  CHECK(text_of([&] {
          set_key(recipe, "nothing=1");
        }).starts_with("--set: unknown key 'nothing'; the keys are init, data, clip_frames, "));
  CHECK(text_of([&] { set_key(recipe, "lr"); }) == "--set: expected KEY=VALUE; given \"lr\"");
  CHECK(text_of([&] { set_key(recipe, "lr=fast"); }) ==
        "--set lr=fast: key lr has the wrong type; found \"fast\"");
  CHECK(text_of([&] { set_key(recipe, "crop=100"); }) ==
        "--set crop=100: key crop is a multiple of 16; found 100");
  CHECK(text_of([&] { set_key(recipe, "rollout=up"); }) ==
        "--set rollout=up: key rollout is one of ref_only, recurrent; found 'up'");
  CHECK(text_of([] { recipe_preset("best"); }).starts_with("--preset: expected one of davis17, "));
}

TEST_CASE("recipe: schedules", "[train]") {
  Recipe recipe;
  recipe.lr = 1;
  recipe.steps = 100;
  CHECK(learning_rate(recipe, 70, 0) == 1);
  recipe.warm_up = 10;
  CHECK(learning_rate(recipe, 4, 0) == 0.5);
  recipe.schedule = "step";
  recipe.lr_step = 20;
  CHECK(learning_rate(recipe, 70, 0) == 0.125);
  recipe.schedule = "cosine";
  CHECK(learning_rate(recipe, 50, 0) == Approx(0.5));
  recipe.cosine_minutes = 2;
  CHECK(learning_rate(recipe, 50, 90) == Approx((1 + std::cos(0.75 * 3.14159265358979)) / 2));
}

TEST_CASE("log: rows of an unsaved leg are dropped", "[train]") {
  const TemporaryFolder folder;
  {
    TrainLog log(folder.path, 0);
    for (int64_t step = 1; step <= 7; ++step)
      log.add(LogRow{step, uint64_t(step), 1.5, 0.1 + double(step), 0.5, 2, 1e-4, 0.7, 0.01});
    log.add(ValidationRow{6, 0.5, 0.25});
  }
  TrainLog log(folder.path, 5);
  CHECK(log.rows().size() == 5);
  CHECK(log.validations().empty());
  CHECK(log.rows().back().loss == Approx(5.1).epsilon(1e-9));
  log.add(LogRow{6, 6, 2, 1, 0, 0, 0, 0, 0});
  CHECK(contents(folder / "log.csv").find("\n5,5,1.500,5.1,0.5,2,0.0001,0.7,0.01\n6,6,2.000,1,") !=
        std::string::npos);
  write_report(folder / "report.html", recipe_preset("toy"), log, {{"a.png", "a <clip>"}}, false);
  const std::string page = contents(folder / "report.html");
  CHECK(page.find("<polyline") != std::string::npos);
  CHECK(page.find("a &lt;clip&gt;") != std::string::npos);
}

TEST_CASE("events: checksums as RFC 3720 has them", "[train]") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c("") == 0);
}

// tests/read_events.py shares nothing with the writer; TensorBoard's own reader is used where it
// is installed.
TEST_CASE("events: another reader finds what was written", "[train]") {
  const TemporaryFolder folder;
  {
    EventWriter events(folder.path);
    for (int64_t step = 0; step < 300; step += 100)
      events.scalar("train/loss", step, 1.5 - double(step) / 400);
    events.image("sample", 200, 3, 2, {1, 2, 3});
  }
  const std::string command = "python3 " + (source_dir() / "tests/read_events.py").string() + " " +
                              folder.path.string() + " > " + (folder / "read").string();
  if (std::system("python3 -c '' 2>/dev/null") != 0) return skip("no python3");
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(contents(folder / "read") ==
        "version brain.Event:2\n0 train/loss 1.5\n100 train/loss 1.25\n200 train/loss 1\n"
        "200 sample image 3x2 3 bytes\n");
}

TEST_CASE("state: everything there and back; what is wrong is refused", "[train]") {
  Recipe recipe = recipe_preset("toy");
  recipe.clips.crop = 32;
  recipe.train_bn = true;
  TrainState state(recipe);
  const std::unique_ptr<ClipSource> source = toy_clips(recipe.clips, 1);
  const auto next = [&] { return source->clip(state.clips); };
  train_step(state, next);
  state.seconds = 12.3456789;
  state.data = "toy";
  const TemporaryFolder folder;
  save_state(state, folder / "last.safetensors");
  const std::unique_ptr<TrainState> back = load_state(folder / "last.safetensors");
  CHECK(back->step == 1);
  CHECK(back->clips == 1);
  CHECK(back->seconds == state.seconds);
  CHECK(back->data == "toy");
  CHECK(back->recipe == state.recipe);
  const double a = train_step(state, next).loss,
               b = train_step(*back, [&] { return source->clip(back->clips); }).loss;
  CHECK(a == b);
  for (const bool averaged : {false, true}) {
    const nn::StateDict x = weights(state, averaged), y = weights(*back, averaged);
    for (const auto& [name, tensor] : x) {
      INFO(name);
      CHECK(std::memcmp(tensor.raw(), y.at(name).raw(), std::size_t(tensor.bytes())) == 0);
    }
  }
  // A full disk: the writer cannot finish its temporary file.
  const std::string before = contents(folder / "last.safetensors");
  fs::create_directory(folder / "last.safetensors.part");
  CHECK(text_of([&] {
          save_state(state, folder / "last.safetensors");
        }).starts_with((folder / "last.safetensors.part").string() + ": cannot be opened"));
  CHECK(contents(folder / "last.safetensors") == before);
  const std::string shipped = source_dir() / "munet/weights/munet18.safetensors";
  CHECK(text_of([&] { load_state(shipped); }) ==
        shipped + ": no training checkpoint: its metadata has no key 'train'");
}

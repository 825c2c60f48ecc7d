// `munet train` and `munet export` as their users run them, on drawn shapes.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/train/recipe.h"
#include "apps/train/state.h"
#include "data/metrics.h"
#include "munet/segmenter.h"
#include "nn/checkpoint.h"
#include "tests/program.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

using Arguments = std::vector<std::string>;

// A run that takes a moment: the smallest heads, clips of 32 pixels.
Arguments toy(const fs::path& out, const Arguments& more = {}) {
  Arguments all = {"train", out.string(), "--preset", "toy", "--threads", "1", "--log-every", "1"};
  for (const char* key : {"crop=32", "clip_frames=2", "steps=12", "key_dim=4", "value_dim=8",
                          "decoder_dim=8", "window=3", "min_pixels=10", "train_bn=true", "lr=1e-3"})
    all.insert(all.end(), {"--set", key});
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Arguments resume(const fs::path& out, const Arguments& more = {}) {
  Arguments all = {"train", out.string(), "--resume", "--threads", "1", "--log-every", "1"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The log without the columns of time: step, loss, J, norm and rate of each row, as text.
std::vector<std::string> rows_of(const fs::path& out) {
  std::istringstream log(contents(out / "log.csv"));
  std::vector<std::string> rows;
  std::string line;
  std::getline(log, line);
  while (std::getline(log, line)) {
    std::vector<std::string> cells;
    std::istringstream cut(line);
    for (std::string cell; std::getline(cut, cell, ',');) cells.push_back(cell);
    if (cells.size() == 9)
      rows.push_back(cells[0] + " " + cells[3] + " " + cells[4] + " " + cells[5] + " " + cells[6]);
  }
  return rows;
}

void wait_for_rows(const fs::path& out, std::size_t count) {
  for (int i = 0; i < 6000 && rows_of(out).size() < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  REQUIRE(rows_of(out).size() >= count);
}

// Mean J of the one object over all frames but the first, of the segmenter that `weights` and a
// clip's first mask make.
double segmented_j(const Weights& weights, const Clip& clip) {
  const int64_t frames = clip.frames.dim(0), side = clip.frames.dim(1), area = side * side;
  Segmenter segmenter(weights);
  double j = 0;
  for (int64_t t = 0; t < frames; ++t) {
    const float* rgb = clip.frames.data<float>() + 3 * t * area;
    const uint8_t* truth = clip.masks.data<uint8_t>() + t * area;
    std::vector<uint8_t> pixels(std::size_t(3 * area));
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = uint8_t(std::lround(255 * rgb[i]));
    const MaskView given{truth, int(side), int(side)};
    segmenter.step({pixels.data(), int(side), int(side)}, t == 0 ? &given : nullptr);
    const auto object = [&](const std::vector<uint8_t>& ids) {
      return region_of(ids, int(side), int(side), 1);
    };
    if (t > 0)
      j += region_similarity(object({truth, truth + area}), object(segmenter.labels())) /
           double(frames - 1);
  }
  return j;
}

}  // namespace

TEST_CASE("train: killed and resumed, the losses are those of a run in one go", "[train]") {
  const TemporaryFolder folder;
  const fs::path whole = folder / "whole", broken = folder / "broken";
  const Result straight = munet_program(toy(whole, {"--loader-threads", "0"}));
  INFO(straight.err);
  REQUIRE(straight.status == 0);
  CHECK(straight.out.find("projected: ") != std::string::npos);
  {
    const Child child(toy(broken, {"--loader-threads", "3", "--save-every", "5"}));
    wait_for_rows(broken, 7);
    child.signal(SIGKILL);
    CHECK(child.wait().status == 128 + SIGKILL);
  }
  const Result other = munet_program(resume(broken, {"--set", "lr=1e-5", "--set", "motion=none"}));
  check_error(other, "train: --resume goes on as the run was begun, but lr is 0.001 in " +
                         (broken / "last.safetensors").string() +
                         ", 1e-05 in the options; motion is \"full\" in ");
  const Result resumed = munet_program(resume(broken, {"--loader-threads", "1"}));
  INFO(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(rows_of(broken) == rows_of(whole));
  CHECK(rows_of(whole).size() == 12);
  CHECK(contents(broken / "final.safetensors") == contents(whole / "final.safetensors"));
  for (const char* name : {"report.html", "validation.csv", "last.safetensors"})
    CHECK(fs::exists(broken / name));
  check_error(munet_program(toy(whole)),
              "train: " + whole.string() + " holds a run already; --resume goes on with it");

  // The weights alone: averaged and plain, whole and in parts.
  const fs::path last = whole / "last.safetensors", out = folder / "w.safetensors";
  const Result halves =
      munet_program({"export", last.string(), "-o", out.string(), "--half", "--part-size", "4MiB"});
  INFO(halves.err);
  CHECK(halves.status == 0);
  CHECK(halves.out.find("averaged weights after step 12, F16") != std::string::npos);
  CHECK(!fs::exists(out));
  std::string joined;
  for (int i = 0; fs::exists(out.string() + ".0" + std::to_string(i)); ++i) {
    CHECK(fs::file_size(out.string() + ".0" + std::to_string(i)) <= 4u << 20);
    joined += contents(out.string() + ".0" + std::to_string(i));
  }
  std::ofstream(out, std::ios::binary) << joined;
  const nn::StateDict averaged = nn::load_checkpoint(out).tensors,
                      final = nn::load_checkpoint(whole / "final.safetensors").tensors;
  CHECK(averaged.size() == final.size());
  for (const auto& [name, tensor] : averaged)
    CHECK(relative_error(tensor.to(DType::f32), final.at(name)) < 1e-3);
  CHECK(munet_program({"export", last.string(), "-o", (folder / "p").string(), "--plain"})
            .out.find("plain weights after step 12, F32") != std::string::npos);
}

TEST_CASE("train: SIGTERM saves and leaves with 0, --minutes ends in time", "[train]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "run";
  {
    const Child child(toy(out));
    wait_for_rows(out, 1);
    child.signal(SIGTERM);
    const Result result = child.wait();
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.out.find("the same command with --resume goes on") != std::string::npos);
  }
  CHECK(fs::exists(out / "last.safetensors"));
  const auto start = std::chrono::steady_clock::now();
  const Result timed = munet_program(resume(out, {"--minutes", "0.001"}));
  CHECK(timed.status == 0);
  CHECK(timed.out.find("stopped after step ") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

// On shapes that it has not seen, by the file that is left, as every user of a checkpoint has them.
TEST_CASE("train: the toy preset follows new shapes with J > 0.8", "[train]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "toy";
  const Result run = munet_program({"train", out.string(), "--preset", "toy"});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Weights weights((out / "final.safetensors").string());
  const Recipe recipe = recipe_preset("toy");
  const std::unique_ptr<ClipSource> clips = toy_clips(recipe.clips, recipe.seed + 12344);
  constexpr int kClips = 60;
  double j = 0;
  for (uint64_t i = 0; i < kClips; ++i) j += segmented_j(weights, clips->clip(i)) / kClips;
  CHECK(j > 0.8);
}

TEST_CASE("train: a loss that is not a number stops the run and keeps the clip", "[train]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "run";
  const Result result = munet_program(
      toy(out, {"--set", "lr=1000", "--set", "warm_up=0", "--set", "schedule=constant", "--set",
                "train_bn=false", "--save-every", "1"}));
  INFO(result.err);
  CHECK(result.status == 2);
  CHECK(result.err.find("of step ") != std::string::npos);
  CHECK(result.err.find("; the clip is in " + (out / "bad-clip.safetensors").string() +
                        ", the run as it was last saved in ") != std::string::npos);
  const nn::Checkpoint clip = nn::load_checkpoint(out / "bad-clip.safetensors", nn::Layout::plain);
  CHECK(clip.tensors.at("frames").shape() == Shape{2, 32, 32, 3});
  CHECK(clip.tensors.at("masks").dtype() == DType::u8);
  CHECK(clip.metadata.at("name").starts_with("toy clip "));
  // What it was before the step: nothing in it is infinite.
  const std::unique_ptr<TrainState> last = load_state(out / "last.safetensors");
  CHECK(result.err.find("of step " + std::to_string(last->step + 1) + " is ") != std::string::npos);
  for (const auto& [name, tensor] : weights(*last, false)) {
    INFO(name);
    const std::vector<double> values = tensor.to(DType::f64).to_vector<double>();
    CHECK(std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
  }
}

TEST_CASE("train: a damaged frame is named and skipped; too many stop the run", "[train]") {
  const TemporaryFolder folder;
  const DavisTree davis(8);
  save_text(davis.root / "ImageSets/2017/train.txt", "duck\n");
  const Arguments data = {"--data", "davis:" + davis.root.string(), "--save-every", "4"};
  fs::resize_file(davis.frames("duck") / "00003.jpg", 500);
  const Result one = munet_program(toy(folder / "one", data));
  INFO(one.out << one.err);
  CHECK(one.status == 0);
  CHECK(one.out.find("skipped: read_image: " + (davis.frames("duck") / "00003.jpg").string() +
                     ": expected a whole JPEG; found") != std::string::npos);
  CHECK(rows_of(folder / "one").size() == 12);
  for (const int t : {1, 4, 6}) fs::resize_file(davis.frames("duck") / (number(t) + ".jpg"), 500);
  const Result many = munet_program(toy(folder / "many", data));
  INFO(many.out << many.err);
  CHECK(many.status == 2);
  CHECK(
      many.err.starts_with("munet: error: data: 2 files could not be used, more than the 1 that "
                           "may be skipped; one of them: "));
  fs::remove(davis.root / "ImageSets/2017/train.txt");
  check_error(munet_program(toy(folder / "none", data)),
              "read_davis: expected the list " +
                  (davis.root / "ImageSets/2017/train.txt").string() + "; found 2016/train");
}

TEST_CASE("train: a full disk leaves the old checkpoint", "[train]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "run";
  REQUIRE(munet_program(toy(out, {"--minutes", "0.00001"})).status == 0);
  const std::string before = contents(out / "last.safetensors");
  const Result full = munet_program(resume(out, {"--save-every", "1"}), [] {
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  INFO(full.err);
  CHECK(full.status == 2);
  CHECK(full.err.find("last.safetensors.part: cannot be written: File too large") !=
        std::string::npos);
  CHECK(contents(out / "last.safetensors") == before);
  CHECK(!fs::exists(out / "last.safetensors.part"));
}

TEST_CASE("train: what it refuses", "[train]") {
  const TemporaryFolder folder;
  const std::string out = folder / "run";
  check_error(munet_program({"train", out}), "train: expected --preset; given none");
  check_error(munet_program({"train", out, "--preset", "ours"}),
              "train: expected --data KIND:PATH; given none");
  check_error(munet_program({"train", out, "--resume"}), out + "/last.safetensors: cannot be");
  check_error(munet_program(toy(out, {"--validate", "nowhere"})),
              "--validate: expected DATASET[@SET]:NAME[,NAME...]; given \"nowhere\"");
  check_error(munet_program(toy(out, {"--init", source_dir() / "tests/golden/torch_code_zip.pth"})),
              (source_dir() / "tests/golden/torch_code_zip.pth").string() +
                  ": the pickle names 'posix.system'");
}

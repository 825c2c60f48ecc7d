// The commands of apps/train/README.md, in short, on made-up trees.
#include <fstream>
#include <sstream>

#include "munet/model.h"
#include "nn/checkpoint.h"
#include "tests/program.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

// Blocks of shell after <!-- run -->.
std::vector<std::string> blocks(const fs::path& readme) {
  std::vector<std::string> found;
  std::ifstream file(readme);
  bool marked = false, inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "<!-- run -->") {
      marked = true;
    } else if (marked && line == "```sh") {
      inside = true;
      found.emplace_back();
    } else if (inside && line == "```") {
      marked = inside = false;
    } else if (inside) {
      found.back() += line + "\n";
    }
  }
  return found;
}

void make_trees(const fs::path& root) {
  const DavisTree davis(4);
  fs::copy(davis.root, root / "DAVIS", fs::copy_options::recursive);
  save_text(root / "DAVIS/ImageSets/2017/val.txt", "goose\n");
  save_video(root / "YTVOS/train/JPEGImages/00a", root / "YTVOS/train/Annotations/00a", 4);
  save_text(root / "YTVOS/train/meta.json",
            R"({"videos": {"00a": {"objects": {"1": {"category": "duck"}}}}})");
  const Mask mask = boxes(96, 64, {{1, {10, 8, 40, 40}}});
  const auto still = [&](const char* picture, const char* grey) {
    save_jpeg(root / picture, waves(96, 64, 1));
    save_grey(root / grey, mask, {{0, 0}, {1, 255}});
  };
  still("MSRA10K/MSRA10K_Imgs_GT/Imgs/1.jpg", "MSRA10K/MSRA10K_Imgs_GT/Imgs/1.png");
  still("ECSSD/images/1.jpg", "ECSSD/ground_truth_mask/1.png");
  still("PASCAL-S/Imgs/1.jpg", "PASCAL-S/GT/1.png");
  save_jpeg(root / "VOC2012/JPEGImages/1.jpg", waves(96, 64, 2));
  save_mask(root / "VOC2012/SegmentationObject/1.png", mask);
  save_text(root / "VOC2012/ImageSets/Segmentation/trainval.txt", "1\n");
  save_jpeg(root / "COCO/train2017/1.jpg", waves(96, 64, 3));
  save_text(
      root / "COCO/annotations/instances_train2017.json",
      R"({"images": [{"id": 1, "file_name": "1.jpg", "width": 96, "height": 64}],)"
      R"("categories": [{"id": 1, "name": "duck"}],)"
      R"("annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 1600,)"
      R"("segmentation": [[10, 8, 50, 8, 50, 48, 10, 48]]}]})");
  Rng rng{1};
  MUNet model(preset("munet18"), rng);  // the short form has this backbone
  const nn::StateDict trunk = nn::state_dict(model.encoder_q);
  nn::StateDict detector;
  for (const auto& [name, tensor] : trunk) detector["backbone.body." + name] = tensor;
  nn::save_checkpoint(root / "resnet50.pth", {trunk, {}});
  nn::save_checkpoint(root / "maskrcnn50.pth", {detector, {}});
}

}  // namespace

TEST_CASE("train: every command of its README runs", "[train]") {
  const TemporaryFolder folder;
  make_trees(folder.path);
  const std::vector<std::string> found = blocks(source_dir() / "apps/train/README.md");
  REQUIRE(found.size() >= 4);
  const std::string short_form =
      "--threads 1 --set backbone=resnet18 --set key_dim=4 --set value_dim=8 --set decoder_dim=8 "
      "--set clip_frames=2 --set crop=32 --set min_pixels=10 --set steps=1";
  std::string script =
      "set -e; cd " + folder.path.string() +
      "; munet() { case \"$*\" in *→*) stages=' --set steps=2 --set stills_first=1';; "
      "*) stages=;; esac; if [ $1 = train ]; then " +
      program_path() + " \"$@\" " + short_form + "$stages; else " + program_path() +
      " \"$@\"; fi; }\n";
  for (const std::string& block : found) script += block;
  save_text(folder / "script", script);
  const int status = std::system(
      ("bash " + (folder / "script").string() + " > " + (folder / "out").string() + " 2>&1")
          .c_str());
  std::ifstream out(folder / "out");
  INFO(std::string(std::istreambuf_iterator<char>(out), {}));
  CHECK(status == 0);
  for (const char* run : {"1", "1v2", "2", "3-1", "3-2", "4a", "4b", "4c", "4d", "4f"})
    CHECK(fs::exists(folder / ("runs/" + std::string(run) + "/final.safetensors")));
  CHECK(fs::exists(folder / "results/1/global_results-val.csv"));
}

// Readers of training data: each layout, and trees that are not as expected.
#include "data/training_clips.h"
#include "data/training_files.h"
#include "tests/catch.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<TrainingSet> open(const std::string& text) {
  return open_training_set(parse_data_part(text));
}

std::vector<std::string> names_of(const TrainingSet& set) {
  std::vector<std::string> names;
  for (const TrainingItem& item : set.items()) names.push_back(item.name);
  return names;
}

int64_t count_of(const Mask& mask, int id) {
  return std::count(mask.ids.begin(), mask.ids.end(), uint8_t(id));
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("training data: parts as text", "[training]") {
  const DataPart part = parse_data_part("pack:a/b.pack,share=0.25,list=x+y,without=bear+car-turn");
  CHECK(part.kind == "pack");
  CHECK(part.path == "a/b.pack");
  CHECK(part.list == "x+y");
  CHECK(part.share == 0.25);
  CHECK(part.without == Names{"bear", "car-turn"});
  CHECK(to_string(part) == "pack:a/b.pack,list=x+y,share=0.25,without=bear+car-turn");
  CHECK(to_string(parse_data_part("toy")) == "toy");
  const auto error = [](const std::string& text) {
    try {
      parse_data_part(text);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(error("kitti:x") ==
        "data: expected KIND:PATH with a kind of toy, pack, davis, youtube, folders, msra10k, "
        "ecssd, pascal-s, voc2012, coco, stills; given 'kitti:x'");
  CHECK(error("davis") == "data: expected davis:PATH; given 'davis'");
  CHECK(error("davis:x,share=0") == "data: expected a share above 0; given 'davis:x,share=0'");
  CHECK(error("davis:x,limit=3") ==
        "data: expected list=NAME, share=NUMBER or without=NAME+NAME after a comma; given "
        "'davis:x,limit=3'");
}

TEST_CASE("training data: DAVIS of both years", "[training]") {
  const DavisTree tree(5);
  const auto both = open("davis:" + tree.root.string());
  CHECK(names_of(*both) == Names{"duck", "goose"});
  CHECK(both->items()[0].part == "davis");
  CHECK(both->items()[0].frames.size() == 5);
  CHECK_FALSE(both->items()[0].still);
  CHECK(ids_in(both->mask(0, 2)) == std::vector<int>{1, 4});
  CHECK(count_of(both->mask(0, 2), 1) == 30 * 40);
  CHECK(both->image(0, 0, 1).image.width == 96);
  const auto one = open("davis:" + tree.root.string() + ",list=2016/train");
  CHECK(names_of(*one) == Names{"duck"});
  CHECK(ids_in(one->mask(0, 0)) == std::vector<int>{1});
  CHECK(count_of(one->mask(0, 0), 1) == 30 * 40 + 20 * 25);
  CHECK(names_of(*open("davis:" + tree.root.string() + ",without=duck")) == Names{"goose"});
  CHECK(both->fingerprint() != one->fingerprint());
  const std::string root = tree.root.string();
  CHECK(file_error([&] { open("davis:" + root + ",without=swan"); }) ==
        "data: expected swan, which is to be left out, in davis; there is no such video or still");
  CHECK(file_error([&] { open("davis:" + root + ",list=2017/tarin"); }) ==
        "read_davis: expected the list " + root +
            "/ImageSets/2017/tarin.txt; found 2016/train, "
            "2017/train");
  CHECK(file_error([&] { open("davis:" + root + "/nowhere"); }) ==
        "data: expected a data set in " + root + "/nowhere; there is no such folder");
}

TEST_CASE("training data: missing masks and missing frames are left out and told", "[training]") {
  const DavisTree tree(6);
  fs::remove(tree.masks("duck") / "00003.png");
  fs::remove(tree.frames("duck") / "00005.jpg");
  const auto set = open("davis:" + tree.root.string());
  CHECK(set->items()[0].frames == Names{"00000", "00001", "00002", "00004"});
  REQUIRE(set->notices().size() == 2);
  CHECK(set->notices()[0] == "duck: 1 masks in " + tree.masks("duck").string() +
                                 " have no frame in " + tree.frames("duck").string() +
                                 " and are left out");
  CHECK(set->notices()[1] ==
        "duck: 1 of 5 frames have no mask in " + tree.masks("duck").string() + " and are left out");
}

TEST_CASE("training data: YouTube-VOS: late objects, ids with holes, ids of no kind",
          "[training]") {
  const TemporaryFolder folder;
  const fs::path train = folder / "ytvos/train";
  for (int t = 0; t < 4; ++t) {
    save_jpeg(train / "JPEGImages/003234408d" / (number(5 * t) + ".jpg"), waves(96, 64, 1));
    Boxes all{{1, {5, 5, 20, 20}}, {9, {70, 5, 20, 20}}};
    if (t >= 2) all[5] = {30, 30, 20, 20};
    save_mask(train / "Annotations/003234408d" / (number(5 * t) + ".png"), boxes(96, 64, all));
  }
  save_text(train / "meta.json",
            R"({"videos": {"003234408d": {"objects": {"1": {"category": "penguin"},)"
            R"("5": {"category": "dog", "frames": ["00010", "00015"]}}},)"
            R"("0043f083b5": {"objects": {"1": {"category": "sedan"}}}}})");
  for (const char* path : {"/ytvos", "/ytvos/train"}) {
    const auto set = open("youtube:" + folder.path.string() + path);
    CHECK(names_of(*set) == Names{"003234408d"});
    CHECK(set->items()[0].kinds == std::map<int, std::string>{{1, "penguin"}, {5, "dog"}});
    CHECK(ids_in(set->mask(0, 0)) == std::vector<int>{1});  // 9 is not in meta.json: unlabelled
    CHECK(ids_in(set->mask(0, 3)) == std::vector<int>{1, 5});
    CHECK(set->notices() == Names{"0043f083b5: meta.json lists it, but it has no folder of frames; "
                                  "left out"});
  }
  CHECK(file_error([&] { open("youtube:" + folder.path.string()); }) ==
        "data: expected YouTube-VOS's frames in " + folder.path.string() +
            "/JPEGImages; found folders ytvos in " + folder.path.string());
}

TEST_CASE("training data: plain folders of videos", "[training]") {
  const TemporaryFolder folder;
  save_video(folder / "JPEGImages/walk", folder / "Annotations/walk", 4);
  save_jpeg(folder / "JPEGImages/alone/1.jpg", waves(40, 30, 0));
  const auto set = open("folders:" + folder.path.string());
  CHECK(names_of(*set) == Names{"walk"});
  CHECK(set->notices() ==
        Names{"alone: no masks in " + (folder / "Annotations/alone").string() + "; left out"});
  fs::remove_all(folder / "Annotations/walk");
  CHECK(file_error([&] { open("folders:" + folder.path.string()); }) ==
        "data: expected videos with masks in " + folder.path.string() +
            "; found none; the first problem: alone: no masks in " +
            (folder / "Annotations/alone").string() + "; left out");
}

TEST_CASE("training data: saliency sets", "[training]") {
  const TemporaryFolder folder;
  const Image picture = waves(80, 60, 2);
  // Soft edges: 3 has half of the grey, so it belongs to the object, 2 does not.
  const Mask mask =
      boxes(80, 60, {{1, {10, 10, 30, 30}}, {2, {45, 5, 10, 10}}, {3, {40, 10, 5, 30}}});
  const std::map<int, int> grey{{0, 3}, {1, 255}, {2, 100}, {3, 160}};
  const auto check_set = [&](const std::string& text) {
    const auto set = open(text);
    REQUIRE(set->items().size() == 1);
    CHECK(set->items()[0].still);
    const Mask read = set->mask(0, 0);
    CHECK(count_of(read, 1) == 35 * 30);
    CHECK(count_of(read, 0) == 80 * 60 - 35 * 30);
    CHECK(set->image(0, 0, 1).width == 80);
  };
  save_jpeg(folder / "msra/MSRA10K_Imgs_GT/Imgs/7.jpg", picture);
  save_grey(folder / "msra/MSRA10K_Imgs_GT/Imgs/7.png", mask, grey);
  check_set("msra10k:" + (folder / "msra").string());
  check_set("msra10k:" + (folder / "msra/MSRA10K_Imgs_GT").string());
  save_jpeg(folder / "ecssd/images/0001.jpg", picture);
  save_grey(folder / "ecssd/ground_truth_mask/0001.png", mask, grey);
  check_set("ecssd:" + (folder / "ecssd").string());
  save_jpeg(folder / "pascal/datasets/imgs/pascal/1.jpg", picture);
  save_grey(folder / "pascal/datasets/masks/pascal/1.png", mask, grey);
  check_set("pascal-s:" + (folder / "pascal").string());
  save_jpeg(folder / "pascal2/Imgs/1.jpg", picture);
  save_grey(folder / "pascal2/GT/1.png", mask, grey);
  check_set("pascal-s:" + (folder / "pascal2").string());
  save_jpeg(folder / "ecssd/images/0002.jpg", picture);
  const auto set = open("ecssd:" + (folder / "ecssd").string());
  CHECK(set->items().size() == 1);
  CHECK(set->notices() ==
        Names{"0002: expected " + (folder / "ecssd/ground_truth_mask/0002.png").string() +
              "; there is no such file; left out"});
  CHECK(file_error([&] { open("ecssd:" + (folder / "pascal").string()); }) ==
        "data: expected ECSSD in " + (folder / "pascal").string() +
            " (images and ground_truth_mask); found folders datasets");
}

TEST_CASE("training data: VOC 2012, void borders and small objects are background", "[training]") {
  const TemporaryFolder folder;
  save_jpeg(folder / "JPEGImages/2007_000032.jpg", waves(80, 60, 3));
  save_jpeg(folder / "JPEGImages/unlisted.jpg", waves(80, 60, 3));
  save_mask(folder / "SegmentationObject/2007_000032.png",
            boxes(80, 60, {{1, {10, 10, 30, 30}}, {2, {50, 10, 20, 24}}, {255, {40, 10, 5, 30}}}));
  save_text(folder / "ImageSets/Segmentation/trainval.txt", "2007_000032\n");
  const auto set = open("voc2012:" + folder.path.string());
  CHECK(names_of(*set) == Names{"2007_000032"});
  CHECK(ids_in(set->mask(0, 0)) == std::vector<int>{1});  // 2 has 480 pixels
  CHECK(file_error([&] { open("voc2012:" + folder.path.string() + ",list=train"); }) ==
        "data: expected the list " + (folder / "ImageSets/Segmentation/train.txt").string() +
            "; found trainval");
}

TEST_CASE("training data: COCO's polygons, run lengths and crowds", "[training]") {
  const TemporaryFolder folder;
  const auto annotate = [&](const std::string& annotations) {
    save_text(folder / "annotations/instances_train2017.json",
              R"({"info": {"year": 2017}, "licenses": [{"id": 1}], "images": [)"
              R"({"id": 9, "file_name": "000000000009.jpg", "width": 60, "height": 50},)"
              R"({"id": 5, "file_name": "missing.jpg", "width": 60, "height": 50}],)"
              R"("categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],)"
              R"("annotations": [)" +
                  annotations + "]}");
  };
  save_jpeg(folder / "train2017/000000000009.jpg", waves(60, 50, 4));
  // Columns 0..19 of all 50 rows but the first two pixels: a runs' list and its text.
  const std::string list = "[2, 998, 2000]", text = "\"2Vo0`n1\"";
  const auto annotation = [](const std::string& shape, int category, int area, int image = 9) {
    return R"({"bbox": [0, 0, 1, 1], "image_id": )" + std::to_string(image) +
           R"(, "category_id": )" + std::to_string(category) + R"(, "area": )" +
           std::to_string(area) + R"(, "segmentation": )" + shape + "}";
  };
  const std::string polygons =
      "[[30, 10, 50, 10, 50, 30, 30, 30], [30, 35, 50, 35, 50, 45, 30, 45]]";
  annotate(annotation(polygons, 18, 600) + "," +
           annotation(R"({"size": [50, 60], "counts": )" + list + "}", 17, 998) + "," +
           annotation("[[0, 0, 4, 0, 4, 4]]", 17, 8) + "," + annotation(polygons, 17, 600, 5));
  auto set = open("coco:" + folder.path.string());
  CHECK(names_of(*set) == Names{"000000000009"});
  CHECK(set->items()[0].kinds == std::map<int, std::string>{{1, "cat"}, {2, "dog"}});
  Mask mask = set->mask(0, 0);
  CHECK(count_of(mask, 1) == 998);
  CHECK(count_of(mask, 2) == 20 * 20 + 20 * 10);
  CHECK(mask.ids[0] == 0);
  CHECK(mask.ids[60] == 0);  // runs go down the column
  CHECK(mask.ids[120] == 1);
  CHECK(set->notices().size() == 1);
  annotate(annotation(R"({"size": [50, 60], "counts": )" + text + "}", 17, 998));
  CHECK(count_of(open("coco:" + folder.path.string())->mask(0, 0), 1) == 998);

  std::string crowd = annotation(polygons, 18, 600);
  crowd.insert(1, R"("iscrowd": 1, )");
  annotate(annotation(R"({"size": [50, 60], "counts": [0, 3000]})", 17, 3000) + "," + crowd);
  mask = open("coco:" + folder.path.string())->mask(0, 0);
  CHECK(count_of(mask, 1) == 3000 - 600);  // the crowd is on top, and background

  annotate(annotation(R"({"size": [50, 60], "counts": [0, 3001]})", 17, 3000));
  const std::string file = (folder / "annotations/instances_train2017.json").string();
  CHECK(file_error([&] { open("coco:" + folder.path.string()); }) ==
        "data: " + file +
            ": expected COCO's instances (images, annotations, categories); runs of "
            "60x50 pixels in all");
  save_text(file, "{\"images\": [");
  CHECK(file_error([&] {
          open("coco:" + folder.path.string());
        }).starts_with("data: " + file + ": expected COCO's instances"));
  CHECK(file_error([&] { open("coco:" + folder.path.string() + ",list=val2017"); }) ==
        "data: expected COCO's " + (folder / "annotations/instances_val2017.json").string() +
            "; found folders annotations, train2017 in " + folder.path.string());
}

TEST_CASE("training data: stills with ids, and other kinds of picture", "[training]") {
  const TemporaryFolder folder;
  write_png_rgb((fs::create_directories(folder / "images"), folder / "images/a.png"),
                waves(200, 160, 1));
  save_mask(folder / "masks/a.png",
            boxes(200, 160, {{3, {10, 10, 60, 50}}, {7, {100, 9, 50, 40}}}));
  const auto set = open("stills:" + folder.path.string());
  CHECK(ids_in(set->mask(0, 0)) == std::vector<int>{3, 7});
  const ScaledImage half = set->image(0, 0, 0.5), most = set->image(0, 0, 0.6);
  CHECK(half.width == 200);
  CHECK(half.image.width == 100);
  CHECK(half.image.height == 80);
  CHECK(most.image.width == 200);
}

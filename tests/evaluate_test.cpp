// `munet evaluate` as its users run it: made-up trees, each rule, each kind of bad input, and the
// reference's masks of real sequences.
#include "tests/score_tree.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPerfect = "Sequence,J-Mean,F-Mean\nduck_1,1.000,1.000\nduck_2,1.000,1.000\n";

// The tree of davis_tree.txt: each sequence's objects move right and down.
void make_recorded_tree(const Tree& tree) {
  const std::vector<std::string> lines = golden_lines("davis_tree.txt");
  std::string names;
  for (std::size_t at = 0; at < lines.size();) {
    const std::vector<std::string> head = fields(lines[at++]);
    const std::string name = head[0];
    const int width = std::stoi(head[2]), height = std::stoi(head[3]);
    names += name + "\n";
    std::map<int, std::string> objects[2];
    for (; at < lines.size() && std::isdigit(lines[at][0]); ++at)
      for (std::size_t which : {0, 1})
        objects[which][std::stoi(fields(lines[at])[0])] = fields(lines[at])[which + 1];
    for (int t = 0; t < std::stoi(head[1]); ++t)
      for (std::size_t which : {0, 1}) {
        const Mask large = shapes(objects[which], width + 99, height + 99);
        Mask mask = shapes({}, width, height);
        for (int y = t / 2; y < height; ++y)
          for (int x = t; x < width; ++x)
            mask.ids[std::size_t(y * width + x)] =
                large.ids[std::size_t((y - t / 2) * large.width + x - t)];
        std::string stem = std::to_string(t);
        stem.insert(0, 5 - stem.size(), '0');
        const fs::path folder = which ? tree.results : tree.dataset / "Annotations/480p";
        tree.save(folder / name / (stem + ".png"), mask);
      }
  }
  tree.list("2017/val", names);
}

}  // namespace

TEST_CASE("evaluate: both CSV files equal those of DAVIS's own program", "[apps]") {
  const Tree tree;
  make_recorded_tree(tree);
  for (const char* jobs : {"1", "3"}) {
    const Result result = tree.evaluate({"-j", jobs});
    CHECK(result.status == 0);
    CHECK(result.err ==
          "munet: warning: gamma: id 2 below the largest, but annotated nowhere; scored all the "
          "same, as by DAVIS\n");
    CHECK(result.out.starts_with(
        "val (DAVIS 2017 semi-supervised): 3 sequences, 8 objects, 62 masks scored\n"));
    for (const std::string file : {"global_results-val.csv", "per-sequence_results-val.csv"})
      CHECK(slurp(tree.results / file) == slurp(source_dir() / "tests/golden" / ("davis_" + file)));
  }
}

TEST_CASE("evaluate: what is printed, and where files go", "[apps]") {
  const SmallTree tree;
  const fs::path out = tree.folder / "scores" / "new";
  const Result result = tree.evaluate({"-o", out.string(), "--per-frame", "--set", "2017/val"});
  CHECK(result.err == "");
  CHECK(result.out ==
        "val (DAVIS 2017 semi-supervised): 1 sequences, 2 objects, 6 masks scored\n\n"
        "Sequence  J-Mean  F-Mean\nduck_1    1.0000  1.0000\nduck_2    1.0000  1.0000\n\n"
        "J&F-Mean  J-Mean  J-Recall  J-Decay  F-Mean  F-Recall  F-Decay\n"
        "  1.0000  1.0000    1.0000   0.0000  1.0000    1.0000   0.0000\n\n" +
            (out / "global_results-val.csv").string() + "\n" +
            (out / "per-sequence_results-val.csv").string() + "\n" +
            (out / "per-frame_results-val.csv").string() + "\n");
  CHECK(files_in(tree.results) == std::set<std::string>{"duck"});
  CHECK(slurp(out / "per-sequence_results-val.csv") == kPerfect);
  const std::string frames = slurp(out / "per-frame_results-val.csv");
  CHECK(frames.starts_with(
      "Sequence,Frame,J,F\nduck_1,00001,1.000000000,1.000000000\nduck_1,00002,"));
  CHECK(std::count(frames.begin(), frames.end(), '\n') == 7);
}

TEST_CASE("evaluate: DAVIS 2017 scores neither the first nor the last frame", "[apps]") {
  const SmallTree tree;
  const Mask nothing = shapes({});
  tree.save(tree.result("duck", 0), nothing);
  fs::remove(tree.result("duck", 4));
  CHECK(tree.evaluate().status == 0);
  CHECK(tree.per_sequence() == kPerfect);
  tree.save(tree.result("duck", 1), nothing);
  tree.save(tree.result("duck", 3), shapes({{1, "e 10 10 6 7"}}));
  CHECK(tree.evaluate().err == "");
  CHECK(tree.per_sequence() == "Sequence,J-Mean,F-Mean\nduck_1,0.667,0.667\nduck_2,0.333,0.333\n");
}

TEST_CASE("evaluate: ids that are not scored", "[apps]") {
  const SmallTree tree;
  SECTION("extra ones in the results") {
    tree.save(tree.result("duck", 2),
              shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}, {9, "r 0 0 1 1"}}));
    tree.save(tree.result("duck", 3),
              shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}, {4, "r 0 0 1 1"}}));
    CHECK(tree.evaluate().err ==
          "munet: warning: duck: ids 4, 9 in the results, not in the truth; not scored\n");
  }
  SECTION("annotated later") {
    tree.save(tree.truth("duck", 2),
              shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}, {3, "r 0 0 1 1"}}));
    CHECK(tree.evaluate().err ==
          "munet: warning: duck: id 3 annotated, but not in the first mask; not scored, as by "
          "DAVIS\n");
  }
  SECTION("void: background in the truth, and where it is all there is") {
    tree.save(tree.truth("duck", 2),
              shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}, {255, "r 0 0 5 1"}}));
    tree.save(tree.truth("duck", 3), shapes({{255, "r 0 0 5 1"}}));
    tree.save(tree.result("duck", 3), shapes({}));
    CHECK(tree.evaluate().err == "");
  }
  CHECK(tree.per_sequence() == kPerfect);
}

TEST_CASE("evaluate: DAVIS 2016 makes one object of all", "[apps]") {
  const SmallTree tree;
  tree.list("2016/train", "/JPEGImages/480p/duck/00000.jpg /Annotations/480p/duck/00000.png\n");
  for (int t = 0; t < 5; ++t)  // the right pixels, by other ids; black and white; other numbers
    tree.save(tree.result("duck", t), t % 2 ? shapes({{1, "e 10 10 6 7 r 22 5 31 20"}})
                                            : shapes({{255, "e 10 10 6 7 r 22 5 31 20"}}));
  const Result result = tree.evaluate({"--set", "train"});
  CHECK(result.err == "");
  CHECK(result.out.starts_with(
      "train (DAVIS 2016, one object per sequence): 1 sequences, 1 objects, 3 masks scored\n"));
  CHECK(tree.per_sequence("train") == "Sequence,J-Mean,F-Mean\nduck_1,1.000,1.000\n");
}

TEST_CASE("evaluate: black and white truth and results are one object", "[apps]") {
  const SmallTree tree;
  for (int t = 0; t < 5; ++t) {
    tree.save(tree.truth("duck", t), shapes({{255, t == 2 ? "" : "e 10 10 6 7"}}));
    tree.save(tree.result("duck", t), shapes({{t == 1 ? 1 : 255, t == 2 ? "" : "e 10 10 6 7"}}));
  }
  CHECK(tree.evaluate().err == "");
  CHECK(tree.per_sequence() == "Sequence,J-Mean,F-Mean\nduck_1,1.000,1.000\n");
}

TEST_CASE("evaluate: a tree of another kind", "[apps]") {
  const Tree tree;
  const bool nested = GENERATE(false, true);
  const fs::path truth = tree.dataset / (nested ? "Annotations" : "");
  // Object 6 from the start, object 2 from the third annotated frame on, which are 0, 5, 10, 15.
  const std::map<int, std::string> one = {{6, "e 10 10 6 7"}},
                                   two = {{6, "e 10 10 6 7"}, {2, "r 22 5 31 20"}};
  for (const int t : {0, 5, 10, 15}) {
    const std::string name = "frame" + std::to_string(t) + ".png";
    tree.save(truth / "lake" / name, shapes(t < 10 ? one : two));
    if (t > 0) tree.save(tree.results / "lake" / name, shapes(one));
  }
  const Result result = tree.evaluate({"--per-frame"});
  CHECK(result.err == "");
  CHECK(result.out.starts_with(
      "all (each object after its first mask): 1 sequences, 2 objects, 4 masks scored\n"));
  CHECK(tree.per_sequence("all") ==
        "Sequence,J-Mean,F-Mean\nlake_2,0.000,0.000\nlake_6,1.000,1.000\n");
  CHECK(slurp(tree.results / "per-frame_results-all.csv") ==
        "Sequence,Frame,J,F\nlake_2,frame15,0.000000000,0.000000000\n"
        "lake_6,frame5,1.000000000,1.000000000\nlake_6,frame10,1.000000000,1.000000000\n"
        "lake_6,frame15,1.000000000,1.000000000\n");
}

TEST_CASE("evaluate: one folder of masks", "[apps]") {
  const Tree tree;
  for (const char* name : {"a.png", "b.png"}) {
    tree.save(tree.dataset / name, SmallTree::both());
    tree.save(tree.results / name, SmallTree::both());
  }
  CHECK(tree.evaluate().err == "");
  CHECK(tree.per_sequence("all") ==
        "Sequence,J-Mean,F-Mean\ndataset_1,1.000,1.000\ndataset_2,1.000,1.000\n");
}

TEST_CASE("evaluate: bad input is one clear sentence, and no file is written", "[apps]") {
  const SmallTree tree;
  const std::string results = tree.results.string(), dataset = tree.dataset.string();
  std::vector<std::string> more;
  std::string start, end;
  SECTION("no data set") {
    fs::remove_all(tree.dataset);
    start = "find_truth: expected a data set in " + dataset + "; there is no such folder";
  }
  SECTION("no such list") {
    tree.list("2016/train", "duck\n");
    more = {"--set", "test"};
    start = "find_truth: expected the list test in " + dataset +
            "/ImageSets; found 2016/train, 2017/val";
  }
  SECTION("an empty list") {
    tree.list("2017/val", "\n");
    start =
        "find_truth: expected sequence names in " + dataset + "/ImageSets/2017/val.txt; found none";
  }
  SECTION("a list for a tree without") {
    fs::remove_all(tree.dataset / "ImageSets");
    more = {"--set", "val"};
    start = "find_truth: expected the lists of sets in " + dataset +
            "/ImageSets to look for val; there is no such folder; without --set all sequences are "
            "scored";
  }
  SECTION("no masks of that resolution") {
    more = {"--resolution", "1080p"};
    start =
        "find_truth: expected masks in " + dataset + "/Annotations/1080p; there is no such folder";
  }
  SECTION("a sequence without truth") {
    tree.list("2017/val", "duck\nswan\n");
    start = "find_truth: expected the masks of swan, which " + dataset +
            "/ImageSets/2017/val.txt lists, in " + dataset +
            "/Annotations/480p/swan; there is no such folder";
  }
  SECTION("no results") {
    fs::remove_all(tree.results);
    start = "evaluate: expected masks in " + results + "; there is no such folder";
  }
  SECTION("a sequence without results") {
    fs::rename(tree.results / "duck", tree.results / "goose");
    start = "evaluate: expected the masks of duck in " + results +
            "/duck; there is no such folder; " + results +
            " holds goose; segment the sequence, or score a --set without it";
  }
  SECTION("missing frames") {
    fs::remove(tree.result("duck", 2));
    fs::remove(tree.result("duck", 3));
    start = "evaluate: expected the mask " + tree.result("duck", 2).string() +
            "; there is no such file (2 missing in all); " + results +
            "/duck holds 00000.png ... 00004.png; segment every annotated frame and name its mask "
            "like the truth's";
  }
  SECTION("a result of another size") {
    tree.save(tree.result("duck", 2), shapes({{1, "e 10 10 6 7"}}, 20, 15));
    start = "evaluate: " + tree.result("duck", 2).string() + ": expected 40x30, the size of " +
            tree.truth("duck", 2).string() + "; it is 20x15; masks are scored at the truth's size";
  }
  SECTION("black and white for two objects") {
    tree.save(tree.result("duck", 2), shapes({{255, "e 10 10 6 7"}}));
    start =
        "evaluate: " + tree.result("duck", 2).string() +
        ": expected ids of the objects 1, 2; found black and white only, which cannot tell them "
        "apart";
  }
  SECTION("colours turned into grey") {
    for (int t = 0; t < 5; ++t)
      tree.save(tree.result("duck", t), shapes({{38, "e 10 10 6 7"}, {75, "r 22 5 31 20"}}));
    start =
        "evaluate: expected the ids 1, 2 in " + results +
        "/duck; found 38, 75; if colours were turned into grey, save masks with a palette or as "
        "ids";
  }
  SECTION("colours instead of ids") {
    write_png_rgb(tree.result("duck", 2), {2, 1, {0, 0, 0, 128, 0, 0}});
    start = "evaluate: " + tree.result("duck", 2).string() +
            ": expected ids, in a palette or grey PNG; found colours; save masks with a palette "
            "(index 0 = background)";
  }
  SECTION("a truncated result") {
    const std::string whole = slurp(tree.result("duck", 2));
    spill(tree.result("duck", 2), whole.substr(0, whole.size() - 20));
    start = "read_image: " + tree.result("duck", 2).string() + ": expected a whole PNG; found ";
    end = "; the file is truncated or damaged";
  }
  SECTION("no object in the first mask") {
    tree.save(tree.truth("duck", 0), shapes({}));
    start = "evaluate: " + tree.truth("duck", 0).string() +
            ": expected at least one object in the first mask; found only background";
  }
  SECTION("too few frames") {
    for (const int t : {2, 3, 4}) fs::remove(tree.truth("duck", t));
    start = "evaluate: expected 3 annotated frames or more of duck; found 2 in " + dataset +
            "/Annotations/480p/duck";
  }
  SECTION("an output folder that cannot be") {
    spill(tree.folder / "file", "a file");
    more = {"-o", (tree.folder / "file").string()};
    start = "evaluate: cannot make the folder " + (tree.folder / "file").string() + ": ";
  }
  check_error(tree.evaluate(more), start, end);
  for (const std::string& name : files_in(tree.results)) CHECK(!name.ends_with(".csv"));
}

TEST_CASE("evaluate: bad input in a tree of another kind", "[apps]") {
  const Tree tree;
  fs::create_directories(tree.dataset / "Annotations");
  fs::create_directories(tree.results);
  const std::string all = (tree.dataset / "Annotations").string();
  SECTION("empty") {
    check_error(tree.evaluate(),
                "find_truth: expected masks (PNG) or folders of them in " + all + "; found none");
  }
  SECTION("no object in time") {
    tree.save(tree.dataset / "Annotations/a.png", shapes({}));
    tree.save(tree.dataset / "Annotations/b.png", SmallTree::both());
    check_error(tree.evaluate(), "evaluate: expected an object to score in " + all +
                                     "; found none before the last annotated frame");
  }
  SECTION("a missing frame") {
    tree.save(tree.dataset / "Annotations/lake/a.png", SmallTree::both());
    tree.save(tree.dataset / "Annotations/lake/b.png", SmallTree::both());
    fs::create_directories(tree.results / "lake");
    check_error(tree.evaluate(),
                "evaluate: expected the mask " + (tree.results / "lake/b.png").string() +
                    "; there is no such file; segment every annotated frame of lake "
                    "and name its mask like the truth's");
  }
}

TEST_CASE("evaluate: the reference's masks of real sequences score what their card says",
          "[apps]") {
  const fs::path davis = shared_dir() / "data/davis2016", labels = shared_dir() / "parity/labels";
  if (!fs::exists(davis) || !fs::exists(labels)) return skip("no ../shared/data, ../shared/parity");
  const Tree tree;
  tree.list("2016/short", "libby\nhorsejump-high\n");
  fs::create_directory_symlink(davis / "Annotations", tree.dataset / "Annotations");
  const fs::path out = tree.folder / "out";
  const Result result =
      munet_program({"evaluate", labels.string(), "--dataset", tree.dataset.string(), "--set",
                     "short", "-o", out.string()});
  CHECK(result.err == "");
  CHECK(result.out.find("\nlibby_1           0.6905  0.8038\n") != std::string::npos);
  CHECK(result.out.find("\nhorsejump-high_1  0.6841  0.7392\n") != std::string::npos);
}

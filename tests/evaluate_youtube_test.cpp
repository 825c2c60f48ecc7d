// `munet evaluate --seen`: YouTube-VOS's means over seen and unseen categories.
#include "tests/score_tree.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

// Two sequences: a dog (1) and a cat (2); a dog (5). The second dog is found in one of two masks,
// the cat never.
struct YoutubeTree : Tree {
  fs::path meta = dataset / "meta.json", training = folder / "training.json";

  YoutubeTree() {
    const Mask pets = shapes({{1, "e 10 10 6 7"}, {2, "r 22 5 31 20"}});
    const Mask dog = shapes({{5, "e 10 10 6 7"}});
    for (const char* name : {"00000.png", "00005.png", "00010.png"}) {
      save(dataset / "Annotations/a" / name, pets);
      save(results / "a" / name, shapes({{1, "e 10 10 6 7"}}));
      save(dataset / "Annotations/b" / name, dog);
      save(results / "b" / name, name == std::string("00005.png") ? shapes({}) : dog);
    }
    spill(meta, R"({"videos": {
      "a": {"objects": {"1": {"category": "dog", "frames": ["00000"]}, "2": {"category": "cat"}}},
      "b": {"objects": {"5": {"category": "dog"}}}}})");
    spill(training, R"({"videos": {"x": {"objects": {"1": {"category": "dog"}}}}})");
  }
  Result run() const { return evaluate({"--seen", training.string()}); }
};

}  // namespace

TEST_CASE("evaluate: seen and unseen categories", "[apps]") {
  const YoutubeTree tree;
  const Result result = tree.run();
  CHECK(result.err == "");
  const std::string csv =
      "Overall,J_seen,J_unseen,F_seen,F_unseen\n0.3750,0.7500,0.0000,0.7500,0.0000\n";
  CHECK(slurp(tree.results / "youtube_results-all.csv") == csv);
  CHECK(result.out.find("\n\n" + csv) != std::string::npos);
}

// The row has the columns' order of the paper's Table 3, per cent.
TEST_CASE("report: a run in the table of seen and unseen categories", "[apps]") {
  const YoutubeTree tree;
  const fs::path page = tree.folder / "report.html";
  const auto report = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "report", tree.results.string(), "--dataset",    tree.dataset.string(),
        "-o",     page.string(),         "--no-pictures"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return munet_program(arguments);
  };
  const Result result = report({"--seen", tree.training.string()});
  REQUIRE(result.err == "");
  CHECK(slurp(page).find("<td>measured</td><td></td><td></td><td>0.0</td><td>0.0</td><td>75.0</td>"
                         "<td>75.0</td><td>37.5</td>") != std::string::npos);
  CHECK(slurp(page).find("No measured row") == std::string::npos);
  REQUIRE(report({"--force"}).status == 0);
  CHECK(slurp(page).find("No measured row") != std::string::npos);
}

TEST_CASE("evaluate: categories that are missing or broken", "[apps]") {
  const YoutubeTree tree;
  const std::string meta = tree.meta.string();
  std::string start, end;
  SECTION("no meta.json") {
    fs::remove(tree.meta);
    start = "read_categories: cannot read " + meta;
  }
  SECTION("not JSON") {
    spill(tree.meta, "{\"videos\": ");
    start = "read_categories: " + meta +
            ": expected meta.json of YouTube-VOS, with videos, their objects by id, and the "
            "category of each; ";
  }
  SECTION("an object without a category") {
    spill(tree.meta, R"({"videos": {"a": {"objects": {"1": {}}}}})");
    start = "read_categories: " + meta + ": expected meta.json of YouTube-VOS";
  }
  SECTION("an id that is no number") {
    spill(tree.meta, R"({"videos": {"a": {"objects": {"one": {"category": "dog"}}}}})");
    start = "read_categories: " + meta + ": expected meta.json of YouTube-VOS";
  }
  SECTION("nothing in it") {
    spill(tree.meta, R"({"videos": {}})");
    start = "read_categories: " + meta + ": expected objects; found none";
  }
  SECTION("an object that it does not know") {
    spill(tree.meta, R"({"videos": {"a": {"objects": {"1": {"category": "dog"}}}}})");
    start = "evaluate: " + meta +
            ": expected a category of object 2 of a, which is annotated; found none";
  }
  SECTION("nothing unseen") {
    spill(tree.training, slurp(tree.meta));
    start = "evaluate: expected objects of seen and of unseen categories; found no unseen one by " +
            tree.training.string();
  }
  const Result result = tree.run();
  check_error(result, start, end);
  for (const std::string& name : files_in(tree.results)) CHECK(!name.ends_with(".csv"));
}

// `munet report`: one page, whole or not at all.
#include <sys/resource.h>

#include "tests/score_tree.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

// DAVIS 2016 with one sequence of 12 frames, and two runs: the truth, and the truth of the frame
// before.
struct ReportTree : Tree {
  fs::path other = folder / "other", page = folder / "page.html";

  ReportTree() {
    list("2016/val", "disc\n");
    const fs::path frames = dataset / "JPEGImages/480p/disc";
    fs::create_directories(frames);
    for (int t = 0; t < 12; ++t) {
      const std::string name = std::to_string(100 + t);
      write_png_rgb(frames / (name + ".png"), Video::picture(t, Video::kWidth, Video::kHeight));
      Mask mask = Video::disc(t), late = Video::disc(std::max(0, t - 4));
      for (Mask* m : {&mask, &late})
        for (uint8_t& id : m->ids) id = id ? 255 : 0;
      save(dataset / "Annotations/480p/disc" / (name + ".png"), mask);
      save(results / "disc" / (name + ".png"), mask);
      save(other / "disc" / (name + ".png"), late);
    }
  }
  Result report(const std::vector<std::string>& more = {},
                const std::function<void()>& before = {}) const {
    std::vector<std::string> all = {
        "report", results.string(), other.string(), "--dataset", dataset.string(),
        "-o",     page.string(),    "-j",           "1"};
    all.insert(all.end(), more.begin(), more.end());
    return munet_program(all, before);
  }
};

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("report: one page that needs nothing else", "[apps]") {
  const ReportTree tree;
  spill(tree.results / "trust-val.csv",
        "Sequence,Frame,Object,Trust,Certainty,Agreement,Matching\n"
        "disc,101,1,0.9,0.9,0.9,0.9\ndisc,102,1,0.25,0.3,0.9,0.9\n");
  spill(
      tree.results / "speed-val.json",
      R"({"frames_per_second": {"mean_of_sequences": 4.25, "total": 4}, "settings": {"memory": "stm"}})");
  const Result result = tree.report();
  INFO(result.err);
  REQUIRE(result.status == 0);
  const std::string page = slurp(tree.page);
  CHECK(page.starts_with("<!doctype html>"));
  CHECK(page.ends_with("</html>\n"));
  for (const char* outside : {"http:", "https:", "src=\"/", "<script", "<link", "url("})
    CHECK(page.find(outside) == std::string::npos);
  CHECK(count(page, "<svg") == count(page, "</svg>"));
  CHECK(count(page, "data:image/jpeg;base64,") > 20);
  CHECK(page.find("prefers-color-scheme:dark") != std::string::npos);
  for (const char* there :
       {"Table 2", "Table 3", "Table 4", ">81.1<", "(sic)", "J over time", "Search window",
        "Failures", "Side by side", "frame step 1 and 5", "Check first: 102 (0.25)", ">4.25<"}) {
    INFO(there);
    CHECK(page.find(there) != std::string::npos);
  }
  // Every row of the paper's tables says where it is from; ours are set off.
  CHECK(count(page, "<td>published</td>") == 65);
  CHECK(count(page, "<td>measured</td>") == 4);
  CHECK(count(page, "<tr class=\"measured\">") == 4);
  CHECK(page.find("<td>results</td><td>measured</td><td></td><td></td><td>100.0</td>") !=
        std::string::npos);

  CHECK(tree.report().err.ends_with(" is there already (--force replaces it)\n"));
  CHECK(tree.report({"--force", "--no-pictures"}).status == 0);
  const std::string bare = slurp(tree.page);
  CHECK(bare.find("image/jpeg") == std::string::npos);
  CHECK(bare.find("<svg") != std::string::npos);
}

TEST_CASE("report: a data set of masks alone", "[apps]") {
  const ReportTree tree;
  fs::remove_all(tree.dataset / "JPEGImages");
  REQUIRE(tree.report().status == 0);
  const std::string page = slurp(tree.page);
  CHECK(page.find("image/jpeg") == std::string::npos);
  CHECK(page.find("so no pictures: disc") != std::string::npos);
}

TEST_CASE("report: bad input is one clear sentence, and there is no page", "[apps]") {
  const ReportTree tree;
  SECTION("no such run") {
    fs::remove_all(tree.other);
    check_error(tree.report(),
                "evaluate: expected masks in " + tree.other.string() + "; there is no such folder");
  }
  SECTION("a sequence is missing") {
    fs::rename(tree.other / "disc", tree.other / "disk");
    check_error(tree.report(),
                "evaluate: expected the masks of disc in " + (tree.other / "disc").string());
  }
  SECTION("masks of another size") {
    tree.save(tree.other / "disc/105.png", {4, 3, std::vector<uint8_t>(12, 1), {}});
    check_error(tree.report(), "evaluate: " + (tree.other / "disc/105.png").string() +
                                   ": expected 160x128, the size of ");
  }
  SECTION("a speed file that is none") {
    spill(tree.results / "speed-val.json", "{\"frames_per_second\": ");
    check_error(tree.report(), "report: " + (tree.results / "speed-val.json").string() +
                                   ": expected an object with settings and frames_per_second");
  }
  SECTION("a trust file that is none") {
    const fs::path trust = spill(tree.results / "trust-val.csv", "Frame,Object\n101,1\n");
    check_error(tree.report(),
                "report: " + trust.string() + ", line 1: expected the columns Frame, Object, Trust",
                "found \"Frame,Object\"");
  }
  SECTION("a trust file that is damaged") {
    const fs::path trust =
        spill(tree.results / "trust-val.csv",
              "Frame,Object,Trust,Certainty,Agreement,Matching\n101,1,high,1,1,1\n");
    check_error(tree.report(), "report: " + trust.string() + ", line 2: ");
  }
  SECTION("a disk that is full") {
    const Result result = tree.report({}, [] {
      const rlimit limit{9000, 9000};
      setrlimit(RLIMIT_FSIZE, &limit);
    });
    CHECK(result.status == 2);
    CHECK(result.err.ends_with("munet: error: report: cannot write " + tree.page.string() +
                               ": File too large\n"));
  }
  CHECK_FALSE(fs::exists(tree.page));
  CHECK_FALSE(fs::exists(tree.page.string() + ".part"));
}

// Identity switches, as `munet evaluate --switches` counts them, on a made-up pair that meets.
#include "tests/score_tree.h"

using namespace munet;

namespace {

constexpr const char* kLeft = "r 2 4 12 24";
constexpr const char* kRight = "r 24 4 34 24";

// Two sequences of seven frames; "alone" has one object, whose result is elsewhere throughout.
struct Meeting : Tree {
  Meeting() {
    list("2017/val", "pair\nalone\n");
    for (int t = 0; t < 7; ++t) {
      save(truth("pair", t), shapes({{1, kLeft}, {2, kRight}}));
      save(truth("alone", t), shapes({{1, kLeft}}));
      save(result("alone", t), shapes({{1, kRight}}));
    }
    const std::map<int, std::string> found[] = {
        {{1, kLeft}, {2, kRight}},
        {{1, kLeft}, {2, kRight}},         // as it should be
        {{1, kRight}, {2, kLeft}},         // exchanged: one frame, though two objects
        {{1, "r 2 4 34 24"}},              // 1 takes 2 along, as much as itself: no switch
        {{1, "r 6 4 34 24"}},              // more of 2 than of itself
        {{2, "r 13 4 23 24"}},             // 1 lost, 2 on the background: no switch
        {{1, kRight}, {2, "r 2 4 3 24"}},  // the last frame is not scored
    };
    for (int t = 0; t < 7; ++t) save(result("pair", t), shapes(found[t]));
  }
};

}  // namespace

TEST_CASE("evaluate: identity switches are counted in frames", "[apps]") {
  const Meeting tree;
  const Result result = tree.evaluate({"--switches"});
  INFO(result.err);
  CHECK(result.status == 0);
  CHECK(slurp(tree.results / "switches_results-val.csv") == "Sequence,Frames,Switched\npair,5,2\n");
  CHECK(result.out.find("\n\nIdentity switches: 2 of 5 frames in 1 sequences of several "
                        "objects\n\n") != std::string::npos);
  CHECK(tree.evaluate().out.find("Identity") == std::string::npos);
}

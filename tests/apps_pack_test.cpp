// `munet pack` on small made-up data sets.
#include "tests/program.h"
#include "tests/training_trees.h"

using namespace munet;
namespace fs = std::filesystem;

TEST_CASE("munet pack: says what it packed, chooses a size, replaces nothing", "[apps][pack]") {
  const DavisTree tree;
  const std::string data = "davis:" + tree.root.string(),
                    out = (tree.folder / "train.pack").string();
  fs::remove(tree.masks("goose") / "00002.png");
  const Result result = munet_program({"pack", data, "-o", out, "--size", "48"});
  CHECK(result.status == 0);
  CHECK(result.out.starts_with(out + ": 2 videos and stills, 11 frames, shorter side 48, quality "
                                     "90, "));
  CHECK(result.err == "munet: notice: goose: 1 of 6 frames have no mask in " +
                          tree.masks("goose").string() +
                          " and are left out\npacked 11 of 11 frames\n");
  check_error(munet_program({"pack", data, "-o", out}),
              "pack: expected a new file; " + out + " is there already (--force replaces it)");
  const Result small =
      munet_program({"pack", "pack:" + out, "-o", out + "2", "--max-size", "0.02MB"});
  CHECK(small.status == 0);
  CHECK(fs::file_size(out + "2") <= 20000);
}

TEST_CASE("munet pack: bad input is one sentence", "[apps][pack]") {
  const TemporaryFolder folder;
  const std::string out = (folder / "a.pack").string();
  check_error(munet_program({"pack", "toy", "-o", out}),
              "pack: expected data in files; given toy, which needs no pack");
  check_error(munet_program({"pack", "coco:" + folder.path.string(), "-o", out}),
              "data: expected COCO's " + folder.path.string() +
                  "/annotations/instances_train2017.json; found 0 files in " +
                  folder.path.string());
  CHECK(files_in(folder.path).empty());
}

// What the program says to people who do not know it yet.
#include <cstdlib>

#include "tests/program.h"

namespace fs = std::filesystem;

TEST_CASE("help: munet alone says what to do first", "[apps]") {
  const Result result = munet_program({});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  for (const char* part :
       {"munet frame walk.mp4", "munet mask f.png --box", "munet segment walk.mp4"})
    CHECK(result.out.find(part) != std::string::npos);
}

TEST_CASE("help: every subcommand has an example", "[apps]") {
  const std::string all = munet_program({"--help"}).out;
  for (const std::string name :
       {"segment", "frame", "mask", "overlay", "evaluate", "view", "report", "info", "bench",
        "pack", "train", "export", "completion"}) {
    INFO(name);
    CHECK(all.find("\n  " + name + " ") != std::string::npos);
    const Result result = munet_program({name, "--help"});
    CHECK(result.status == 0);
    CHECK(result.out.find("Example") != std::string::npos);
    CHECK(result.out.find("munet " + name + " ") != std::string::npos);
  }
  const std::string everything = munet_program({"--help-all"}).out;
  for (const char* part : {"--memory-budget", "--polygon", "--opacity", "--per-frame"})
    CHECK(everything.find(part) != std::string::npos);
}

TEST_CASE("help: the option or subcommand that was meant", "[apps]") {
  check_error(munet_program({"segmnet", "v.mp4"}),
              "segmnet is no subcommand of munet; did you mean segment?");
  check_error(munet_program({"fly"}), "fly is no subcommand of munet (munet --help lists them)");
  check_error(munet_program({"segment", "v.mp4", "--maks", "m.png", "-o", "out"}),
              "--maks is no option of munet segment; did you mean --mask?");
  check_error(munet_program({"segment", "v.mp4", "--mask", "m.png", "--ovrelay=a.mp4"}),
              "--ovrelay is no option of munet segment; did you mean --overlay?");
  check_error(munet_program({"segment", "v.mp4", "--mem", "4GiB"}),
              "--mem is no option of munet segment; did you mean --memory?");
  check_error(munet_program({"frame", "v.mp4", "--output", "f.png"}),
              "--output is no option of munet frame; did you mean --out?");
  check_error(munet_program({"frame", "v.mp4", "--sepia"}),
              "--sepia is no option of munet frame (munet frame --help lists them)");
  check_error(munet_program({"frame", "v.mp4", "w.mp4", "-o", "f.png"}),
              "munet frame has no use for \"w.mp4\" (munet frame --help lists what it takes)");
  check_error(munet_program({"frame", "v.mp4"}),
              "--out is required (munet frame --help lists the options)");
}

TEST_CASE("help: completion for bash", "[apps]") {
  const Result script = munet_program({"completion", "bash"});
  REQUIRE(script.status == 0);
  const TemporaryFolder folder;
  const fs::path file = spill(folder / "munet.bash", script.out);
  const auto completed = [&](const std::string& words) {
    const fs::path out = folder / "out";
    spill(folder / "run", "source '" + file.string() + "'\nCOMP_WORDS=(" + words +
                              ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_munet\n"
                              "printf '%s\\n' \"${COMPREPLY[@]}\" >'" +
                              out.string() + "'\n");
    REQUIRE(std::system(("bash -u '" + (folder / "run").string() + "'").c_str()) == 0);
    return slurp(out);
  };
  CHECK(completed("munet seg") == "segment\n");
  CHECK(completed("munet segment v.mp4 --ov") == "--overlay\n");
  CHECK(completed("munet segment v.mp4 --memory ''") == "stm\nfifo\n");
  CHECK(completed("munet mask f.png --po") == "--polygon\n");
  CHECK(completed("munet segment v") == "\n");  // files: bash's own
  check_error(munet_program({"completion", "fish"}), "SHELL: fish not in {bash,zsh}");
  const std::string zsh = munet_program({"completion", "zsh"}).out;
  CHECK(zsh.find("bashcompinit\n") != std::string::npos);
  CHECK(zsh.ends_with("\n" + script.out));
}

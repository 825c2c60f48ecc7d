// The program: one subcommand per file. Every failure is one line on stderr and exit status 2.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "apps/bench.h"
#include "apps/evaluate.h"
#include "apps/frame.h"
#include "apps/info.h"
#include "apps/interrupt.h"
#include "apps/mask.h"
#include "apps/overlay.h"
#include "apps/pack.h"
#include "apps/segment.h"
#include "apps/train/command.h"
#include "tensor/error.h"

int main(int argc, char** argv) {
  // Beyond a file size limit write() then fails, like on a full disk, instead of ending the
  // program.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("Follows objects through a video: give it the frames and the first mask.", "munet");
  app.set_version_flag("--version", "munet " MUNET_VERSION);
  add_segment(app);
  add_frame(app);
  add_mask(app);
  add_overlay(app);
  add_evaluate(app);
  add_info(app);
  add_bench(app);
  add_pack(app);
  add_train(app);
  add_export(app);
  try {
    app.parse(argc, argv);
    munet::check(!app.get_subcommands().empty(),
                 "expected a subcommand: segment, frame, mask, overlay, evaluate, info, bench, "
                 "pack, train or export; to "
                 "begin: "
                 "munet frame VIDEO -o f.png, munet mask f.png --box X,Y,WIDTH,HEIGHT -o m.png, "
                 "munet segment VIDEO --mask m.png -o masks --overlay film.mp4");
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "munet: error: %s (munet --help lists the options)\n", e.what());
  } catch (const Interrupted& interrupted) {
    std::fprintf(stderr, "munet: interrupted; the files written so far are whole\n");
    return 128 + interrupted.signal;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "munet: error: out of memory\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "munet: error: %s\n", e.what());
  }
  return 2;
}

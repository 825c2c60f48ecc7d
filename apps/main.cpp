// The program: one subcommand per file. Every failure is one line on stderr and exit status 2.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "apps/bench.h"
#include "apps/evaluate.h"
#include "apps/frame.h"
#include "apps/help.h"
#include "apps/info.h"
#include "apps/interrupt.h"
#include "apps/mask.h"
#include "apps/overlay.h"
#include "apps/pack.h"
#include "apps/report/command.h"
#include "apps/segment.h"
#include "apps/train/command.h"
#include "apps/view.h"
#include "tensor/error.h"

int main(int argc, char** argv) {
  // Beyond a file size limit write() then fails, like on a full disk, instead of ending the
  // program.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);  // likewise where nobody reads stdout any more
  CLI::App app("Follows objects through a video: give it the frames and the first mask.", "munet");
  app.set_version_flag("--version", "munet " MUNET_VERSION);
  app.set_help_all_flag("--help-all", "Print the help of every subcommand and exit");
  add_segment(app);
  add_frame(app);
  add_mask(app);
  add_overlay(app);
  add_evaluate(app);
  add_view(app);
  add_report(app);
  add_info(app);
  add_bench(app);
  add_pack(app);
  add_train(app);
  add_export(app);
  add_completion(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) std::fputs(first_steps().c_str(), stdout);
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "munet: error: %s\n", explain(app, e).c_str());
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

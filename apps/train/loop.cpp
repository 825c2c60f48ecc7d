// Files are written between steps only; whatever happens, last.safetensors is whole.
#include "apps/train/loop.h"

#include <chrono>
#include <cstdio>

#include "apps/interrupt.h"
#include "apps/train/log.h"
#include "apps/train/step.h"
#include "apps/units.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  Run(TrainState& state, const ClipSource& source, const RunOptions& options)
      : state_(state),
        options_(options),
        loader_(source, options.loader_threads, 4, state.clips),
        log_(options.out, state.step) {}

  Ending operator()() {
    catch_interrupts();
    while (state_.step < state_.recipe.steps) {
      if (interrupted()) return stop(Ending::interrupted);
      if (options_.minutes > 0 && seconds_since(start_) + slowest_ > 60 * options_.minutes)
        return stop(Ending::out_of_time);
      step();
      if (state_.step % options_.log_every == 0) write_log();
      if (state_.step % options_.save_every == 0) save();
    }
    save();
    nn::save_checkpoint(
        (options_.out / "final.safetensors").string(),
        {weights(state_, state_.ema.has_value()), {{"munet", to_json(state_.recipe.model)}}});
    return Ending::finished;
  }

 private:
  void step() {
    const Clock::time_point start = Clock::now();
    StepReport report;
    try {
      report = train_step(state_, [&] { return loader_.next(); });
    } catch (const NotFinite& bad) {
      explain(bad);
    }
    const double took = seconds_since(start);
    state_.seconds += took;
    slowest_ = std::max(slowest_, took + save_seconds_);
    const double share = 1.0 / double(options_.log_every);
    row_.loss += share * report.loss;
    row_.j += share * report.j;
    row_.norm += share * report.norm;
    row_.lr = report.lr;
    interval_ += took;
  }

  void write_log() {
    row_.step = state_.step;
    row_.clips = state_.clips;
    row_.seconds = state_.seconds;
    row_.clips_per_second = double(options_.log_every * state_.recipe.accumulate) / interval_;
    row_.waiting = (loader_.seconds_waited() - waited_) / interval_;
    waited_ = loader_.seconds_waited();
    log_.add(row_);
    const double left =
        double(state_.recipe.steps - state_.step) * interval_ / double(options_.log_every);
    std::printf("%s\n", line_of(row_, state_.recipe.steps, left).c_str());
    std::fflush(stdout);
    row_ = {};
    interval_ = 0;
  }

  void save() {
    const Clock::time_point start = Clock::now();
    save_state(state_, options_.out / "last.safetensors");
    save_seconds_ = std::max(save_seconds_, seconds_since(start));
    saved_ = state_.step;
  }

  Ending stop(Ending why) {
    if (saved_ != state_.step) save();
    return why;
  }

  [[noreturn]] void explain(const NotFinite& bad) const {
    const fs::path dump = options_.out / "bad-clip.safetensors";
    nn::save_checkpoint(
        dump.string(),
        {{{"frames", bad.clip.frames}, {"masks", bad.clip.masks}}, {{"name", bad.clip.name}}},
        false, nn::Layout::plain);
    throw Error(str("train: ", bad.what(), "; the clip is in ", dump.string(),
                    saved_ >= 0 ? str(", the run as it was after step ", saved_, " in ",
                                      (options_.out / "last.safetensors").string())
                                : ", nothing was saved before"));
  }

  TrainState& state_;
  const RunOptions& options_;
  ClipLoader loader_;
  TrainLog log_;
  const Clock::time_point start_ = Clock::now();
  LogRow row_;
  double interval_ = 0, waited_ = 0, slowest_ = 0, save_seconds_ = 0;
  int64_t saved_ = -1;  // step of last.safetensors, as far as this leg knows
};

}  // namespace

Ending run_training(TrainState& state, const ClipSource& source, const RunOptions& options) {
  return Run(state, source, options)();
}

// Files are written between steps only; whatever happens, last.safetensors is whole.
#include "apps/train/loop.h"

#include <chrono>
#include <cstdio>

#include "apps/interrupt.h"
#include "apps/train/report.h"
#include "apps/train/sample.h"
#include "apps/train/step.h"
#include "apps/train/validate.h"
#include "apps/train/watch.h"
#include "apps/units.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kClipsAhead = 4;
constexpr int64_t kProjectAfter = 3;  // steps that tell how long all will take

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  Run(TrainState& state, const ClipSource& source, const RunOptions& options)
      : state_(state),
        options_(options),
        truth_(validation_truth(state.recipe)),
        loader_(source, options.loader_threads, kClipsAhead, state.clips),
        watch_(options.out, state.recipe, state.step, options.log_every) {}

  Ending operator()() {
    catch_interrupts();
    const int64_t first = state_.step, steps = state_.recipe.steps;
    try {
      while (state_.step < steps) {
        if (interrupted()) return stop(Ending::interrupted);
        if (options_.minutes > 0 &&
            seconds_since(start_) + slowest_ + save_ > 60 * options_.minutes)
          return stop(Ending::out_of_time);
        step();
        if (state_.step == first + kProjectAfter) project(first);
        if (due(state_.recipe.validate_every)) validate_now();
        if (due(options_.save_every)) save();
      }
    } catch (const Interrupted&) {  // in the middle of a validation
      return stop(Ending::interrupted);
    }
    stop(Ending::finished);
    save_weights("final.safetensors");
    return Ending::finished;
  }

 private:
  bool due(int64_t every) const { return every > 0 && state_.step % every == 0; }

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
    slowest_ = std::max(slowest_, took);
    watch_.step(state_, report, took, loader_.seconds_waited());
    if (due(options_.report_every)) watch_.sample(state_, report);
  }

  void project(int64_t first) const {
    const double each = seconds_since(start_) / double(state_.step - first);
    std::printf("projected: %.2f s a step, %s for the %lld steps to come\n", each,
                format_seconds(each * double(state_.recipe.steps - state_.step)).c_str(),
                (long long)(state_.recipe.steps - state_.step));
    std::fflush(stdout);
  }

  void validate_now() {
    if (truth_.sequences.empty()) return;
    save_weights("candidate.safetensors");
    const ValidationScore score = validate(
        truth_, state_.recipe, options_.out / "candidate.safetensors", options_.out / "validation");
    const double mean = (score.j + score.f) / 2;
    std::printf("validation after step %lld: %s%s\n", (long long)state_.step,
                line_of(score).c_str(), mean > state_.best ? "; the best so far" : "");
    std::fflush(stdout);
    watch_.validated(state_.step, score);
    if (mean <= state_.best) return;
    state_.best = mean;
    state_.best_step = state_.step;
    fs::rename(options_.out / "candidate.safetensors", options_.out / "best.safetensors");
  }

  void save_weights(const std::string& name) {
    nn::save_checkpoint(
        (options_.out / name).string(),
        {weights(state_, state_.ema.has_value()), {{"munet", to_json(state_.recipe.model)}}});
  }

  void save() {
    const Clock::time_point start = Clock::now();
    save_state(state_, options_.out / "last.safetensors");
    save_ = std::max(save_, seconds_since(start));
    saved_ = state_.step;
  }

  Ending stop(Ending why) {
    if (saved_ != state_.step) save();
    watch_.end(state_);
    return why;
  }

  [[noreturn]] void explain(const NotFinite& bad) const {
    const fs::path dump = options_.out / "bad-clip.safetensors";
    nn::save_checkpoint(
        dump.string(),
        {{{"frames", bad.clip.frames}, {"masks", bad.clip.masks}}, {{"name", bad.clip.name}}},
        false, nn::Layout::plain);
    const fs::path last = options_.out / "last.safetensors";
    throw Error(str("train: ", bad.what(), "; the clip is in ", dump.string(),
                    fs::exists(last) ? str(", the run as it was last saved in ", last.string())
                                     : ", nothing was saved before"));
  }

  TrainState& state_;
  const RunOptions& options_;
  const Truth truth_;
  ClipLoader loader_;
  Watch watch_;
  const Clock::time_point start_ = Clock::now();
  double slowest_ = 0, save_ = 0;  // seconds of a step and of saving, at most
  int64_t saved_ = -1;             // step of last.safetensors, as far as this leg knows
};

}  // namespace

Ending run_training(TrainState& state, const ClipSource& source, const RunOptions& options) {
  return Run(state, source, options)();
}

#include "apps/train/watch.h"

#include <cstdio>

#include "apps/train/sample.h"
#include "data/file.h"
#include "data/png.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {
constexpr std::size_t kSamples = 6;  // in the report; older pictures are removed
}

Watch::Watch(const fs::path& out, const Recipe& recipe, int64_t step, int64_t log_every)
    : out_(out), log_every_(log_every), log_(out, step), events_(out) {
  fs::create_directories(out / "samples");
  write_report(out / "report.html", recipe, log_, samples_, true);
}

void Watch::step(const TrainState& state, const StepReport& report, double seconds, double waited) {
  row_.loss += report.loss;
  row_.j += report.j;
  row_.norm += report.norm;
  interval_ += seconds;
  ++steps_;
  if (state.step % log_every_ != 0) return;
  const double steps = double(steps_);
  row_ = {state.step,
          state.clips,
          state.seconds,
          row_.loss / steps,
          row_.j / steps,
          row_.norm / steps,
          report.lr,
          steps * state.recipe.accumulate / interval_,
          (waited - waited_) / interval_};
  waited_ = waited;
  log_.add(row_);
  const std::pair<const char*, double> curves[] = {{"loss", row_.loss},
                                                   {"J", row_.j},
                                                   {"gradient_norm", row_.norm},
                                                   {"learning_rate", row_.lr},
                                                   {"clips_per_second", row_.clips_per_second},
                                                   {"waiting", row_.waiting}};
  for (const auto& [name, value] : curves)
    events_.scalar(std::string("train/") + name, state.step, value);
  const double left = double(state.recipe.steps - state.step) * interval_ / steps;
  std::printf("%s\n", line_of(row_, state.recipe.steps, left).c_str());
  std::fflush(stdout);
  row_ = {};
  steps_ = 0;
  interval_ = 0;
}

void Watch::sample(const TrainState& state, const StepReport& report) {
  const Image picture = sample_picture(report.clip, report.found.labels);
  char name[48];
  std::snprintf(name, sizeof name, "samples/%08lld.png", (long long)state.step);
  const std::vector<uint8_t> png = encode_png(picture.width, picture.height, picture.rgb);
  write_file("train", out_ / name, png);
  events_.image("train/sample", state.step, picture.width, picture.height, png);
  char caption[96];
  std::snprintf(caption, sizeof caption, "step %lld, J %.3f: ", (long long)state.step,
                report.found.j);
  samples_.push_back({name, caption + report.clip.name});
  if (samples_.size() > kSamples) {
    fs::remove(out_ / samples_.front().picture);
    samples_.erase(samples_.begin());
  }
  write_report(out_ / "report.html", state.recipe, log_, samples_, true);
}

void Watch::validated(int64_t step, const ValidationScore& score) {
  log_.add(ValidationRow{step, score.j, score.f});
  events_.scalar("validation/J", step, score.j);
  events_.scalar("validation/F", step, score.f);
  for (const SequenceScore& sequence : score.sequences)
    events_.scalar("validation/J&F/" + sequence.name, step, (sequence.j + sequence.f) / 2);
}

void Watch::end(const TrainState& state) {
  write_report(out_ / "report.html", state.recipe, log_, samples_, false);
}

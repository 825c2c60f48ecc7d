// Everything about a run that somebody may look at: the terminal, tables, TensorBoard, the report.
#pragma once

#include "apps/train/events.h"
#include "apps/train/log.h"
#include "apps/train/report.h"
#include "apps/train/step.h"
#include "apps/train/validate.h"

class Watch {
 public:
  // step: where this leg begins; every log_every-th step ends an interval.
  Watch(const std::filesystem::path& out, const Recipe& recipe, int64_t step, int64_t log_every);

  // After a step that took so many seconds; waited: for data, since the leg began.
  void step(const TrainState& state, const StepReport& report, double seconds, double waited);
  // The step's last clip as a picture, and the report anew.
  void sample(const TrainState& state, const StepReport& report);
  void validated(int64_t step, const ValidationScore& score);
  void end(const TrainState& state);

 private:
  const std::filesystem::path out_;
  const int64_t log_every_;
  TrainLog log_;
  EventWriter events_;
  std::vector<Sample> samples_;
  LogRow row_;         // sums over the interval so far
  int64_t steps_ = 0;  // of it
  double interval_ = 0, waited_ = 0;
};

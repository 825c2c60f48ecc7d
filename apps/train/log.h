// What a run says: lines for people, a table for programs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

struct LogRow {
  int64_t step = 0;    // the last one of the interval; all but val_* are means over it
  uint64_t clips = 0;  // since the start of the run
  double seconds = 0;  // likewise, of training
  double loss = 0, j = 0, norm = 0, lr = 0;
  double clips_per_second = 0, waiting = 0;  // waiting: share of the time that data took
};
struct ValidationRow {
  int64_t step = 0;
  double j = 0, f = 0;
};

// OUT/log.csv and OUT/validation.csv, appended to and flushed row by row.
class TrainLog {
 public:
  // Rows after `step` are of a leg that was not saved: they are dropped.
  TrainLog(const std::filesystem::path& out, int64_t step);
  void add(const LogRow& row);
  void add(const ValidationRow& row);
  const std::vector<LogRow>& rows() const { return rows_; }
  const std::vector<ValidationRow>& validations() const { return validations_; }

 private:
  std::vector<LogRow> rows_;
  std::vector<ValidationRow> validations_;
  std::ofstream table_, validation_table_;
};

// "step 120/60000  loss 0.5123  J 0.712  ...  1:05:11 left"; left: seconds; if negative nothing is
// said of it.
std::string line_of(const LogRow& row, int64_t steps, double left);

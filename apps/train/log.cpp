// Numbers are written with all their digits, so that two runs can be compared to the bit.
#include "apps/train/log.h"

#include <cstdio>
#include <sstream>

#include "apps/units.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

constexpr const char* kHeader = "step,clips,seconds,loss,j,norm,lr,clips_per_second,waiting";
constexpr const char* kValidationHeader = "step,j,f";

std::string text_of(const LogRow& row) {
  char text[320];
  std::snprintf(text, sizeof text, "%lld,%llu,%.3f,%.9g,%.6g,%.9g,%.9g,%.4g,%.4g",
                (long long)row.step, (unsigned long long)row.clips, row.seconds, row.loss, row.j,
                row.norm, row.lr, row.clips_per_second, row.waiting);
  return text;
}

std::string text_of(const ValidationRow& row) {
  char text[120];
  std::snprintf(text, sizeof text, "%lld,%.6g,%.6g", (long long)row.step, row.j, row.f);
  return text;
}

std::vector<double> numbers(const std::string& line) {
  std::vector<double> values;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');)
    values.push_back(std::strtod(cell.c_str(), nullptr));
  return values;
}

// Rows up to `step` of the table that is there, if it is one.
std::vector<std::vector<double>> kept_rows(const fs::path& path, const char* header, int64_t step,
                                           std::size_t columns) {
  std::vector<std::vector<double>> rows;
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != header) return rows;
  while (std::getline(file, line)) {
    std::vector<double> row = numbers(line);
    if (row.size() == columns && int64_t(row[0]) <= step) rows.push_back(std::move(row));
  }
  return rows;
}

template <class Row>
void write_row(std::ofstream& table, const fs::path& path, const Row& row) {
  table << text_of(row) << "\n" << std::flush;
  check<FileError>(table.good(), path.string(), ": cannot be written");
}

}  // namespace

TrainLog::TrainLog(const fs::path& out, int64_t step) {
  for (const auto& v : kept_rows(out / "log.csv", kHeader, step, 9))
    rows_.push_back({int64_t(v[0]), uint64_t(v[1]), v[2], v[3], v[4], v[5], v[6], v[7], v[8]});
  for (const auto& v : kept_rows(out / "validation.csv", kValidationHeader, step, 3))
    validations_.push_back({int64_t(v[0]), v[1], v[2]});
  table_.open(out / "log.csv");
  validation_table_.open(out / "validation.csv");
  table_ << kHeader << "\n";
  validation_table_ << kValidationHeader << "\n";
  for (const LogRow& row : rows_) write_row(table_, "log.csv", row);
  for (const ValidationRow& row : validations_) write_row(validation_table_, "validation.csv", row);
}

void TrainLog::add(const LogRow& row) {
  rows_.push_back(row);
  write_row(table_, "log.csv", row);
}

void TrainLog::add(const ValidationRow& row) {
  validations_.push_back(row);
  write_row(validation_table_, "validation.csv", row);
}

std::string line_of(const LogRow& row, int64_t steps, double left) {
  char text[256];
  std::snprintf(text, sizeof text,
                "step %lld/%lld  loss %.4f  J %.3f  grad %.2f  lr %.2e  %.2f clips/s  waiting "
                "%.1f%%",
                (long long)row.step, (long long)steps, row.loss, row.j, row.norm, row.lr,
                row.clips_per_second, 100 * row.waiting);
  return left < 0 ? text : text + str("  ", format_seconds(left), " left");
}

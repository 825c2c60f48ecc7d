// Numbers with four digits: the score says no more.
#include "apps/trust_file.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "data/file.h"
#include "munet/trust.h"
#include "tensor/error.h"

using namespace munet;

namespace {

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

}  // namespace

std::string trust_csv(const std::vector<TrustRow>& rows) {
  const bool several = !rows.empty() && !rows[0].sequence.empty();
  std::string csv = several ? "Sequence," : "";
  csv += "Frame,Object,Trust,Certainty,Agreement,Matching\n";
  for (const TrustRow& row : rows) {
    char numbers[128];
    std::snprintf(numbers, sizeof numbers, ",%d,%.4f,%.4f,%.4f,%.4f\n", row.object, row.trust.score,
                  row.trust.certainty, row.trust.agreement, row.trust.matching);
    csv += (several ? row.sequence + "," : "") + row.frame + numbers;
  }
  return csv;
}

std::vector<TrustRow> read_trust(const char* op, const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(op, path, uint64_t{1} << 28);
  std::istringstream lines(std::string(bytes.begin(), bytes.end()));
  std::string line;
  std::getline(lines, line);
  const std::vector<std::string> header = cells_of(line);
  int number = 1;
  const auto need = [&](bool ok) {
    check<FileError>(ok, op, ": ", path.string(), ", line ", number,
                     ": expected the columns Frame, Object, Trust, Certainty, Agreement and "
                     "Matching as munet segment --trust writes them; found \"",
                     line.substr(0, 80), "\"");
  };
  const auto column = [&](const char* name, bool needed) {
    const auto found = std::find(header.begin(), header.end(), name);
    need(!needed || found != header.end());
    return std::size_t(found - header.begin());
  };
  const std::size_t sequence = column("Sequence", false), frame = column("Frame", true),
                    numbers[] = {column("Object", true), column("Trust", true),
                                 column("Certainty", true), column("Agreement", true),
                                 column("Matching", true)};
  std::vector<TrustRow> rows;
  while (std::getline(lines, line)) {
    ++number;
    const std::vector<std::string> cells = cells_of(line);
    need(cells.size() == header.size());
    double values[5];
    for (std::size_t i = 0; i < 5; ++i) {
      char* end = nullptr;
      const char* text = cells[numbers[i]].c_str();
      values[i] = std::strtod(text, &end);
      need(end != text && *end == 0);
    }
    rows.push_back({sequence < header.size() ? cells[sequence] : "",
                    cells[frame],
                    int(values[0]),
                    {values[1], values[2], values[3], values[4]}});
  }
  return rows;
}

std::vector<FrameTrust> least_trust(const std::vector<TrustRow>& rows) {
  std::vector<FrameTrust> frames;
  for (const TrustRow& row : rows) {
    if (frames.empty() || frames.back().frame != row.frame)
      frames.push_back({row.frame, row.trust.score});
    frames.back().trust = std::min(frames.back().trust, row.trust.score);
  }
  return frames;
}

std::vector<FrameTrust> check_first(const std::vector<TrustRow>& rows, std::size_t count) {
  const std::vector<FrameTrust> frames = least_trust(rows);
  std::vector<double> values;
  for (const FrameTrust& frame : frames) values.push_back(frame.trust);
  std::vector<FrameTrust> chosen;
  for (const std::size_t i : frames_to_check(values, count)) chosen.push_back(frames[i]);
  return chosen;
}

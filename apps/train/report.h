// report.html: curves and samples of a run, for a browser; reloads itself while the run goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/train/log.h"
#include "apps/train/recipe.h"

struct Sample {
  std::string picture;  // relative to the report
  std::string caption;
};

// Writes the page anew (temporary file, rename). Curves are drawn as SVG, without scripts.
void write_report(const std::filesystem::path& path, const Recipe& recipe, const TrainLog& log,
                  const std::vector<Sample>& samples, bool running);

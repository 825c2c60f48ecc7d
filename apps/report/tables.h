// The report's tables of numbers.
#pragma once

#include <string>
#include <vector>

#include "apps/report/runs.h"

// Each run's means and settings.
std::string runs_table(const std::vector<Run>& runs);

// J of each object by run.
std::string objects_table(const std::vector<Run>& runs);

// The paper's Tables 2, 3 and 4 with the runs' rows below, each row labelled published or measured.
std::string published_html(const std::vector<Run>& runs, const munet::Truth& truth);

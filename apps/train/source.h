// Where a run's clips come from.
#pragma once

#include <memory>

#include "apps/train/recipe.h"

// recipe.data, a list of "KIND:PLACE*WEIGHT" (WEIGHT: share of the clips, default 1); kinds:
//   toy:               drawn shapes
// Error that lists the kinds on another one, or if the list is empty.
std::unique_ptr<munet::ClipSource> make_source(const Recipe& recipe);

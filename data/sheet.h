// A picture of clips, to look at what training will see.
#pragma once

#include <cstdint>

#include "data/clips.h"
#include "data/image.h"

namespace munet {

// Clips first, first + 1, ... of the source, `count` of them: one row per clip, its frames from
// left to right under their masks, each `cell` pixels wide and high with a gap of 2.
Image clip_sheet(const ClipSource& source, uint64_t first, int count, int cell = 192);

}  // namespace munet

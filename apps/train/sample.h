// A training clip as a picture.
#pragma once

#include <vector>

#include "data/clips.h"
#include "data/image.h"

// The clip's frames side by side under their true masks; below them the first as it is and the
// others under `found`, their labels.
munet::Image sample_picture(const munet::Clip& clip,
                            const std::vector<std::vector<uint8_t>>& found);

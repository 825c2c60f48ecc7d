// Simple shapes drawn into masks. Coordinates in pixels, (0, 0) the upper left corner of the upper
// left pixel; a pixel belongs to a shape if its centre does; what lies outside is cut off.
#pragma once

#include <utility>
#include <vector>

#include "data/mask.h"

namespace munet {

// Each sets the pixels inside of the shape to `id` and returns how many they are.
int64_t fill_box(Mask& mask, int id, double x, double y, double width, double height);
int64_t fill_ellipse(Mask& mask, int id, double center_x, double center_y, double radius_x,
                     double radius_y);
// Even-odd: where the outline crosses itself, what it goes round twice is outside. Closed by
// itself.
int64_t fill_polygon(Mask& mask, int id, const std::vector<std::pair<double, double>>& corners);

}  // namespace munet

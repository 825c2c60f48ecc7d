// `munet mask`: the first mask from boxes, polygons and ellipses.
#pragma once

namespace CLI {
class App;
}

void add_mask(CLI::App& app);

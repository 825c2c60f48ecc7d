// `munet segment`: a folder of frames and a first mask in, a mask for every frame out.
#pragma once

namespace CLI {
class App;
}

void add_segment(CLI::App& app);

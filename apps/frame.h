// `munet frame`: one frame of a video as a picture.
#pragma once

namespace CLI {
class App;
}

void add_frame(CLI::App& app);

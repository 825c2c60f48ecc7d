// `munet info`: what a checkpoint, a mask or a picture holds.
#pragma once

namespace CLI {
class App;
}

void add_info(CLI::App& app);

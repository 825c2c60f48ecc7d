// `munet bench`: how long each stage of one frame takes.
#pragma once

namespace CLI {
class App;
}

void add_bench(CLI::App& app);

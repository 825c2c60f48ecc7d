// `munet pack`: training data into one file.
#pragma once

namespace CLI {
class App;
}

void add_pack(CLI::App& app);

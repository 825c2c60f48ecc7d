// `munet train` and `munet export`.
#pragma once

namespace CLI {
class App;
}

void add_train(CLI::App& app);
void add_export(CLI::App& app);

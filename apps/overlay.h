// `munet overlay`: masks from anywhere, shown over their frames.
#pragma once

namespace CLI {
class App;
}

void add_overlay(CLI::App& app);

// `munet view`: the intermediate maps of a pair of frames.
#pragma once

namespace CLI {
class App;
}

void add_view(CLI::App& app);

// `munet report`: one page about one or more runs.
#pragma once

namespace CLI {
class App;
}

void add_report(CLI::App& app);

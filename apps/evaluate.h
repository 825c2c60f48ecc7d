// `munet evaluate`: how good masks are, by the measures of DAVIS.
#pragma once

namespace CLI {
class App;
}

void add_evaluate(CLI::App& app);

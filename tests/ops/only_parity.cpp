// Linked where a card is at hand: of the op table only its sweep runs, the others did in op_test.
#include "tests/ops/harness.h"

namespace {
[[maybe_unused]] const bool set = only_parity = true;
}

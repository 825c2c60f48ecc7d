#include "apps/bench.h"

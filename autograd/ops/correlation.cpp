#include "autograd/ops/correlation.h"

#include "autograd/ops/reduce.h"

#include "autograd/ops/elementwise.h"

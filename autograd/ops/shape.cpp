#include "autograd/ops/shape.h"

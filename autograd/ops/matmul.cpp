#include "autograd/ops/matmul.h"

#include "autograd/ops/attention.h"

#include "autograd/ops/upsample.h"

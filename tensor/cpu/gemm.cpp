#include "tensor/cpu/gemm.h"

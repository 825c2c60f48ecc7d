#include "tensor/cpu/correlation.h"

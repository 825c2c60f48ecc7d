#include "tensor/cpu/conv.h"

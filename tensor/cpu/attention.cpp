#include "tensor/cpu/attention.h"

#include "nn/checkpoint.h"

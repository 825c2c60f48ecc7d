#include "nn/layers.h"

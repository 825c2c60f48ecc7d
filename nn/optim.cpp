#include "nn/optim.h"

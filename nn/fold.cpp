#include "nn/fold.h"

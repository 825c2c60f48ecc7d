#include "munet/mu_layer.h"

#include "munet/loss.h"

#include "munet/config.h"

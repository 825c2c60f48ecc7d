#include "munet/msam.h"

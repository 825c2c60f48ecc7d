#include "munet/matcher.h"

#include "munet/decoder.h"

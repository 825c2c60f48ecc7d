#include "munet/model.h"

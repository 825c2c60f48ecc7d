#include "data/mask.h"

#include "apps/info.h"

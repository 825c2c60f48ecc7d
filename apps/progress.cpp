#include "apps/progress.h"

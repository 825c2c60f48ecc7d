#include "apps/segment.h"

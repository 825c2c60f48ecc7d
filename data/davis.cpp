#include "data/davis.h"

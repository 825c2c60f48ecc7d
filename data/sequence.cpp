#include "data/sequence.h"

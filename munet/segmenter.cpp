#include "munet/segmenter.h"

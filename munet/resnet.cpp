#include "munet/resnet.h"

#include "nn/init.h"

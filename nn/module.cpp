#include "nn/module.h"

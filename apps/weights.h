// Where the weights are when nobody names them.
#pragma once

#include <string>

// `named` if it is not empty; else $MUNET_WEIGHTS; else munet18.safetensors of the installation the
// program belongs to (../share/munet) or of the source tree it was built from. FileError if there
// is none.
std::string find_weights(const std::string& named);

// Where the build put the program.
#include "tests/program.h"

const char* program_path() { return MUNET_PROGRAM; }
const char* played_path() { return MUNET_PLAYED; }

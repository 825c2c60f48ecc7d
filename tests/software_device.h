// A GPU played by the host: cuda:0 is memory that only the CUDA kernels' bodies and the backend's
// copies can reach, so that a test finds code of ours that reads a card's memory, leaves a tensor
// on the wrong side, or asks for a kernel that is not there. Linked instead of the engine's
// backend.
#pragma once

#include <cstdint>

// Kernels that ran since the start.
int64_t software_launches();

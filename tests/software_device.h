// A GPU played by the host: cuda:0 is memory that only the CUDA kernels' bodies and the backend's
// copies can reach, so that a test finds code of ours that reads a card's memory, leaves a tensor
// on the wrong side, or asks for a kernel that is not there. Work is queued and done as late as it
// may be, so that a test finds what is overwritten or read too soon. Linked instead of the engine's
// backend.
#pragma once

#include <cstdint>

// Kernels that ran since the start; and how often the CPU waited for results: copies to it, and
// synchronize.
int64_t software_launches();
int64_t software_reads();

// From now on the card is lost, as after a fault; or is there again. In the environment of a
// program that is linked with it, MUNET_PLAYED_REPLAYS=N loses it at the Nth recording that is to
// be queued again, and MUNET_PLAYED_MEMORY=N gives it N bytes.
void software_lose(bool lost);

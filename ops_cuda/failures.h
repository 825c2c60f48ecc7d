// What a GPU's failures read like. Plain C++, so that the texts are tested where there is no card.
#pragma once

#include <cstddef>
#include <string>

#include "tensor/device.h"

namespace munet::cuda {

// No driver, or no card: `reason` is CUDA's.
std::string no_device_text(const std::string& reason);
// A card whose compute capability (10 * major + minor) none of `architectures` covers: CMake's
// list with commas, such as "75-real,80-real,90".
std::string unsupported_text(const std::string& card, int capability,
                             const std::string& architectures);
// Whether one of them does: machine code of the same major version and no later minor one, or
// PTX of no later version. "native" and "all" cover what they were built for.
bool covers(const std::string& architectures, int capability);
// `used` by our tensors; `free` for them, at this moment.
std::string out_of_memory_text(Device device, std::size_t asked, std::size_t used,
                               std::size_t free);
// The card or its context is gone: every later call fails alike.
std::string lost_text(Device device, const std::string& reason, const std::string& where);
// Another card than the one this process computes on.
std::string other_device_text(Device used, Device given);

}  // namespace munet::cuda

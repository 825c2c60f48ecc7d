// Device: where a tensor's bytes lie, and the port through which an accelerator is reached.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>

namespace munet {

struct Device {
  enum Kind { cpu, cuda } kind = cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};
std::ostream& operator<<(std::ostream& out, Device device);  // "cpu", "cuda:0"
// "cpu", "cuda" or "cuda:n". DeviceError on anything else.
Device parse_device(const std::string& text);

// What an accelerator offers to storage and tensors: plain functions, no state of ours.
struct Backend {
  void* (*allocate)(Device, std::size_t bytes);
  void (*release)(Device, void*);
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);
  void (*fill)(Device, void*, unsigned char value, std::size_t bytes);
  void (*synchronize)(Device);
};

// Exactly one definition is linked: ops_cuda/backend.cu, or ops_cuda/no_cuda.cpp, which throws a
// DeviceError that says why there is none. The first call registers the CUDA kernels.
const Backend& cuda_backend();

}  // namespace munet

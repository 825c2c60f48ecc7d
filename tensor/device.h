// Device: where a tensor's bytes lie, and the port through which an accelerator is reached.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Memory of an accelerator, in bytes.
struct DeviceMemory {
  std::size_t active = 0;  // held by live tensors
  std::size_t peak = 0;    // the largest `active` since the start or reset_peak
  std::size_t pool = 0;    // taken from the card for tensors, used or kept for reuse
  std::size_t free = 0;    // of the card, by whomever it is used
  std::size_t total = 0;   // of the card
  std::size_t limit = 0;   // what tensors may take; 0: all there is
};

// What an accelerator offers to storage and tensors: plain functions. Work is queued in one stream;
// only copies to the CPU and synchronize wait for it: a copy from the CPU has read its bytes when
// it returns, but need not have arrived.
struct Backend {
  void* (*allocate)(Device, std::size_t bytes);
  void (*release)(Device, void*, std::size_t bytes);
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);
  // `count` elements of 1, 2, 4 or 8 bytes.
  void (*fill)(Device, void* to, const void* element, std::size_t element_bytes, int64_t count);
  void (*synchronize)(Device);
  DeviceMemory (*memory)(Device);
  void (*reset_peak)(Device);
  void (*limit_memory)(Device, std::size_t bytes);  // as if the card had no more; 0: no limit
  std::string (*describe)(Device);                  // "NVIDIA H200, compute capability 9.0, ..."

  // What this thread queues from here on is recorded and not done; other threads' work is not
  // touched. Memory that it uses must stay. A copy from or to the CPU, and waiting, then throw
  // NotRecordable; the recording has still to be ended. (A CUDA graph.)
  void (*begin_recording)(Device);
  void* (*end_recording)(Device, bool keep);  // null if not kept, else for replay()
  void (*replay)(Device, void* recording);    // queues it, in the order of the stream
  void (*forget_recording)(Device, void* recording);
};

// Exactly one definition is linked: ops_cuda/backend.cu, or ops_cuda/no_cuda.cpp. DeviceError that
// says why if there is no usable card. The first call registers the CUDA kernels.
const Backend& cuda_backend();
// Fills the CUDA slots of all kernels, which needs no card; false if this build has none.
bool register_cuda_kernels();

}  // namespace munet

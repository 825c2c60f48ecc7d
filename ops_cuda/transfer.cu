// Bytes to, from and on a card. Read cuda.h and staging.h first.
#include <mutex>

#include "ops_cuda/cuda.h"
#include "ops_cuda/staging.h"

namespace munet::cuda {
namespace {

// The device's side of Staging.
struct Port {
  cudaEvent_t passed[2] = {};
  Port() {
    for (cudaEvent_t& event : passed)
      CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
  void* pinned(std::size_t bytes) {
    void* memory = nullptr;
    CUDA_CHECK(cudaMallocHost(&memory, bytes));
    return memory;
  }
  void queue(void* to, const void* from, std::size_t bytes) {
    CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()));
  }
  void mark(int buffer) { CUDA_CHECK(cudaEventRecord(passed[buffer], stream())); }
  void wait(int buffer) { CUDA_CHECK(cudaEventSynchronize(passed[buffer])); }
};

template <class T>
struct Fill {
  T* to;
  T value;
  HOST_DEVICE void operator()(uint32_t i) const { to[i] = value; }
};

template <class T>
void fill_as(void* to, const void* element, int64_t count) {
  T value;
  std::memcpy(&value, element, sizeof(T));
  constexpr int64_t kMost = 1 << 30;
  for (int64_t i = 0; i < count; i += kMost)
    OnDevice::loop("fill", std::min(kMost, count - i), Fill<T>{static_cast<T*>(to) + i, value});
}

}  // namespace

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (to_device.kind == Device::cuda) use(to_device);
  if (from_device.kind == Device::cuda) use(from_device);
  if (to_device.kind == from_device.kind) {
    CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()));
    return;
  }
  not_recorded("a copy from or to the CPU");
  constexpr std::size_t kBuffer = std::size_t{8} << 20;
  static Port& port = *new Port;  // never destroyed, as the context
  static auto& staging = *new Staging<Port>(port, kBuffer);
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (to_device.kind == Device::cuda)
    staging.upload(to, from, bytes);
  else
    staging.download(to, from, bytes);
}

void fill(Device wanted, void* to, const void* element, std::size_t element_bytes, int64_t count) {
  use(wanted);
  if (element_bytes == 1)
    CUDA_CHECK(cudaMemsetAsync(to, *static_cast<const unsigned char*>(element), std::size_t(count),
                               stream()));
  else if (element_bytes == 2)
    fill_as<uint16_t>(to, element, count);
  else if (element_bytes == 4)
    fill_as<uint32_t>(to, element, count);
  else
    fill_as<uint64_t>(to, element, count);
}

}  // namespace munet::cuda

// How the kernels of this folder are written so that a machine without a GPU can run them too: a
// body is a template over a Block, and what all its threads do between two barriers is one call of
// block.each(). The device gives each thread its own; the host plays all threads in turn.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

namespace munet::cuda {

// A block on the device. Local: what a thread keeps in registers from one phase to the next.
template <class Local, int Threads>
struct DeviceBlock {
  static constexpr int kThreads = Threads;
  Local local;
  template <class F>
  HOST_DEVICE void each(F&& f) {
#ifdef __CUDA_ARCH__
    f(int(threadIdx.x), local);
    __syncthreads();
#else
    (void)f;
#endif
  }
};

// The same, played by the host, forwards or backwards: a phase in which one thread reads what
// another one writes gives two different results.
template <class Local, int Threads>
struct HostBlock {
  static constexpr int kThreads = Threads;
  bool backwards = false;
  Local locals[Threads] = {};
  template <class F>
  void each(F&& f) {
    for (int i = 0; i < Threads; ++i) {
      const int t = backwards ? Threads - 1 - i : i;
      f(t, locals[t]);
    }
  }
};

HOST_DEVICE constexpr int64_t blocks_for(int64_t size, int64_t each) {
  return (size + each - 1) / each;
}

}  // namespace munet::cuda

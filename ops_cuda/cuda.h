// The CUDA side's tools: checked calls, the stream and the libraries' handles, launching. Read
// run.h first: what runs is written there; included by .cu files only.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include "ops_cuda/run.h"
#include "tensor/tensor.h"
#ifdef MUNET_CUDNN
#include <cudnn.h>
#endif

// Evaluates a CUDA, cuBLAS or cuDNN call and throws CudaError (or DeviceError if the device is
// lost) unless it succeeded.
#define CUDA_CHECK(call) ::munet::cuda::checked((call), #call, __FILE__, __LINE__)

namespace munet::cuda {

void checked(cudaError_t result, const char* call, const char* file, int line);
void checked(cublasStatus_t result, const char* call, const char* file, int line);
#ifdef MUNET_CUDNN
void checked(cudnnStatus_t result, const char* call, const char* file, int line);
cudnnHandle_t cudnn();  // works in stream()
#endif

// Of the one card this process computes on; made at its first use. The stream that work goes to:
// the common one, or that in which this thread records.
cudaStream_t stream();
cublasLtHandle_t cublas();
const cudaDeviceProp& properties();

// This process computes on that card from now on. DeviceError if there is none or it is another.
void use(Device wanted);
void not_recorded(const char* what);  // NotRecordable(what) if this thread records

// The backend's (transfer.cu).
void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);
void fill(Device wanted, void* to, const void* element, std::size_t element_bytes, int64_t count);

// What follows each launch: was it accepted, and with MUNET_SYNC=1 in the environment, did it run.
// DeviceError or CudaError names the kernel.
void after_launch(const char* name);

// kernel<<<grid, block, shared, stream()>>>(arguments...), checked.
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared,
            A&&... arguments) {
  kernel<<<grid, block, shared, stream()>>>(std::forward<A>(arguments)...);
  after_launch(name);
}

template <class Body>
__global__ void __launch_bounds__(256) loop_kernel(uint32_t n, const Body body) {
  const uint32_t i = blockIdx.x * 256 + threadIdx.x;
  if (i < n) body(i);
}

template <class Body>
__global__ void __launch_bounds__(Body::kThreads) block_kernel(const Body body) {
  __shared__ typename Body::Shared shared;
  DeviceBlock<typename Body::Local, Body::kThreads> block;
  body(block, blockIdx.x, shared);
}

// Runs bodies as kernels (see OnHost).
struct OnDevice {
  template <class Body>
  static void loop(const char* name, int64_t n, const Body& body) {
    check(n < (int64_t{1} << 31), name, ": expected fewer than 2^31 elements on a GPU; given ", n);
    if (n > 0)
      launch(name, loop_kernel<Body>, dim3(uint32_t((n + 255) / 256)), 256, 0, uint32_t(n), body);
  }
  template <class Body>
  static void blocks(const char* name, int64_t count, const Body& body) {
    check(count < (int64_t{1} << 31), name, ": expected fewer than 2^31 blocks on a GPU; given ",
          count);
    if (count > 0) launch(name, block_kernel<Body>, dim3(uint32_t(count)), Body::kThreads, 0, body);
  }
};

}  // namespace munet::cuda

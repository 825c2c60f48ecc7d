// The CUDA backend: one card, one stream, the driver's stream-ordered pool as the allocator, and
// what becomes of errors. Read cuda.h first.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>

#include "autograd/node.h"
#include "ops_cuda/cuda.h"
#include "ops_cuda/failures.h"
#include "ops_cuda/register.h"

namespace munet {
namespace cuda {
namespace {

struct Context {
  int index = -1;
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;
  cublasLtHandle_t cublas = nullptr;
#ifdef MUNET_CUDNN
  cudnnHandle_t cudnn = nullptr;
#endif
  cudaDeviceProp properties = {};
  std::mutex mutex;  // of the figures below
  std::size_t active = 0, peak = 0, limit = 0;
};

// What this thread records goes into a stream of its own; null: it does not record.
thread_local cudaStream_t recording = nullptr;

// Never destroyed: tensors with static life outlast it. Null before the first use of the card.
std::atomic<Context*> current{nullptr};
std::atomic<bool> is_lost{false};
std::string& lost_reason() {
  static std::string* text = new std::string;
  return *text;
}

const char* file_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash ? slash + 1 : path;
}

Device device() {
  const Context* c = current;
  return {Device::cuda, c ? c->index : 0};
}

void check_alive() {
  if (is_lost) throw DeviceError(lost_reason());
}

// Errors of the process's context stay: every later call fails with them. Others pass.
[[noreturn]] void fail(cudaError_t result, const std::string& where) {
  check_alive();
  cudaGetLastError();  // an error that passes is taken back here
  const std::string reason = cudaGetErrorString(result);
  if (recording) throw NotRecordable(str(where, ": ", reason));
  if (result == cudaErrorNoKernelImageForDevice && current)
    throw DeviceError(
        unsupported_text(current.load()->properties.name,
                         10 * current.load()->properties.major + current.load()->properties.minor,
                         MUNET_CUDA_ARCHITECTURES));
  const bool stays = current && cudaStreamQuery(current.load()->stream) != cudaSuccess &&
                     cudaGetLastError() != cudaErrorNotReady && cudaFree(nullptr) != cudaSuccess;
  if (stays) {
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    check_alive();  // the first of several threads tells the reason
    lost_reason() = lost_text(device(), reason, where);
    is_lost = true;
    throw DeviceError(lost_reason());
  }
  throw CudaError(str(where, ": ", reason));
}

// The card's context, made at its first use. One card per process: no code asks which.
Context& context(Device wanted) {
  static std::mutex mutex;
  check_alive();
  Context* made = current;
  if (!made) {
    std::lock_guard lock(mutex);
    made = current;
    if (!made) {
      int count = 0;
      const cudaError_t result = cudaGetDeviceCount(&count);
      check<DeviceError>(result == cudaSuccess, no_device_text(cudaGetErrorString(result)));
      check<DeviceError>(
          wanted.index < count,
          no_device_text(str(wanted, " of ", count, " devices (cuda:0 is the first)")));
      auto fresh = std::make_unique<Context>();
      fresh->index = wanted.index;
      CUDA_CHECK(cudaGetDeviceProperties(&fresh->properties, wanted.index));
      const int capability = 10 * fresh->properties.major + fresh->properties.minor;
      check<DeviceError>(
          covers(MUNET_CUDA_ARCHITECTURES, capability),
          unsupported_text(fresh->properties.name, capability, MUNET_CUDA_ARCHITECTURES));
      CUDA_CHECK(cudaSetDevice(wanted.index));
      CUDA_CHECK(cudaStreamCreateWithFlags(&fresh->stream, cudaStreamNonBlocking));
      CUDA_CHECK(cudaDeviceGetDefaultMemPool(&fresh->pool, wanted.index));
      uint64_t keep_all = UINT64_MAX;  // freed memory stays ours: the pool is the cache
      CUDA_CHECK(cudaMemPoolSetAttribute(fresh->pool, cudaMemPoolAttrReleaseThreshold, &keep_all));
      CUDA_CHECK(cublasLtCreate(&fresh->cublas));
#ifdef MUNET_CUDNN
      CUDA_CHECK(cudnnCreate(&fresh->cudnn));
#endif
      current = made = fresh.release();
    }
  }
  if (made->index != wanted.index) throw DeviceError(other_device_text(device(), wanted));
  thread_local bool chosen = false;  // the current device is a thread's own
  if (!chosen) CUDA_CHECK(cudaSetDevice(made->index));
  chosen = true;
  return *made;
}
Context& context() {
  check(current != nullptr, "cuda: used before the first tensor on a card");
  return context(device());
}

std::size_t free_bytes(Context& c) {
  std::size_t free = 0, total = 0, pool = 0, used = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  CUDA_CHECK(cudaMemPoolGetAttribute(c.pool, cudaMemPoolAttrReservedMemCurrent, &pool));
  CUDA_CHECK(cudaMemPoolGetAttribute(c.pool, cudaMemPoolAttrUsedMemCurrent, &used));
  free += pool - used;
  return c.limit ? std::min(free, c.limit - std::min(c.limit, c.active)) : free;
}

void* allocate(Device wanted, std::size_t bytes) {
  Context& c = context(wanted);
  std::lock_guard lock(c.mutex);
  const std::size_t rounded = std::max<std::size_t>(bytes, 1);
  void* block = nullptr;
  cudaError_t result = cudaErrorMemoryAllocation;
  if (!c.limit || c.active + bytes <= c.limit) result = cudaMallocAsync(&block, rounded, c.stream);
  if (result == cudaErrorMemoryAllocation && !c.limit) {  // what the pool keeps may be in pieces
    cudaGetLastError();
    CUDA_CHECK(cudaStreamSynchronize(c.stream));
    CUDA_CHECK(cudaMemPoolTrimTo(c.pool, 0));
    result = cudaMallocAsync(&block, rounded, c.stream);
  }
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // nothing is broken: the caller may free something and go on
    throw OutOfMemory(out_of_memory_text(wanted, bytes, c.active, free_bytes(c)));
  }
  CUDA_CHECK(result);
  c.active += bytes;
  c.peak = std::max(c.peak, c.active);
#ifdef MUNET_POISON
  CUDA_CHECK(cudaMemsetAsync(block, 0xFF, rounded, c.stream));  // an unwritten output is a NaN
#endif
  return block;
}

// In destructors: no error leaves it. After the device is lost or the driver has shut down there is
// nothing to give back.
void release(Device, void* block, std::size_t bytes) {
  Context* c = current;
  if (!c) return;
  std::lock_guard lock(c->mutex);
  c->active -= std::min(c->active, bytes);
  if (!is_lost && cudaFreeAsync(block, c->stream) != cudaSuccess) cudaGetLastError();
}

void synchronize(Device wanted) {
  not_recorded("waiting for the card");
  CUDA_CHECK(cudaStreamSynchronize(context(wanted).stream));
}

// MUNET_SYNC=1: wait after every launch.
bool waits() {
  static const bool wait = [] {
    const char* text = std::getenv("MUNET_SYNC");
    return text && *text && *text != '0';
  }();
  return wait;
}

// Memory is had and given back in the common stream all the while, so the mode is relaxed.
void begin_recording(Device wanted) {
  context(wanted);
  check<NotRecordable>(!waits(), "MUNET_SYNC waits after every launch");
  cudaStream_t fresh = nullptr;
  CUDA_CHECK(cudaStreamCreateWithFlags(&fresh, cudaStreamNonBlocking));
  const cudaError_t result = cudaStreamBeginCapture(fresh, cudaStreamCaptureModeRelaxed);
  if (result != cudaSuccess) cudaStreamDestroy(fresh);
  CUDA_CHECK(result);
  recording = fresh;
}

void* end_recording(Device, bool keep) {
  const cudaStream_t ended = std::exchange(recording, nullptr);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  cudaError_t result = cudaStreamEndCapture(ended, &graph);
  cudaStreamDestroy(ended);
  if (keep && result == cudaSuccess) result = cudaGraphInstantiate(&ready, graph, 0);
  if (graph) cudaGraphDestroy(graph);
  if (result != cudaSuccess) cudaGetLastError();
  check<NotRecordable>(!keep || result == cudaSuccess, cudaGetErrorString(result));
  return ready;
}

void replay(Device wanted, void* recorded) {
  CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recorded), context(wanted).stream));
  if (waits()) CUDA_CHECK(cudaStreamSynchronize(context(wanted).stream));
}

void forget_recording(Device, void* recorded) {  // in destructors: no error leaves it
  Context* c = current;
  if (!c || is_lost) return;
  cudaStreamSynchronize(c->stream);  // it may be running
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recorded));
  cudaGetLastError();
}

DeviceMemory memory(Device wanted) {
  Context& c = context(wanted);
  std::lock_guard lock(c.mutex);
  DeviceMemory m;
  m.active = c.active;
  m.peak = c.peak;
  m.limit = c.limit;
  CUDA_CHECK(cudaMemGetInfo(&m.free, &m.total));
  CUDA_CHECK(cudaMemPoolGetAttribute(c.pool, cudaMemPoolAttrReservedMemCurrent, &m.pool));
  return m;
}

void reset_peak(Device wanted) {
  Context& c = context(wanted);
  std::lock_guard lock(c.mutex);
  c.peak = c.active;
}

void limit_memory(Device wanted, std::size_t bytes) {
  Context& c = context(wanted);
  std::lock_guard lock(c.mutex);
  c.limit = bytes;
}

std::string describe(Device wanted) {
  const cudaDeviceProp& p = context(wanted).properties;
  int driver = 0, runtime = 0;
  CUDA_CHECK(cudaDriverGetVersion(&driver));
  CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  const auto version = [](int v) { return str(v / 1000, '.', v % 1000 / 10); };
  return str(p.name, ", compute capability ", p.major, '.', p.minor, ", ", p.multiProcessorCount,
             " multiprocessors, ", p.totalGlobalMem >> 20, " MiB, driver for CUDA ",
             version(driver), ", runtime ", version(runtime), ", cuBLASLt ", cublasLtGetVersion(),
#ifdef MUNET_CUDNN
             ", cuDNN ", cudnnGetVersion());
#else
             ", no cuDNN");
#endif
}

}  // namespace

void checked(cudaError_t result, const char* call, const char* file, int line) {
  if (result != cudaSuccess) fail(result, str(call, " in ", file_name(file), ':', line));
}

[[noreturn]] static void library_failed(const char* call, const char* file, int line,
                                        const char* reason) {
  const std::string text = str(call, " in ", file_name(file), ':', line, ": ", reason);
  if (recording) throw NotRecordable(text);
  throw CudaError(text);
}

void checked(cublasStatus_t result, const char* call, const char* file, int line) {
  if (result == CUBLAS_STATUS_SUCCESS) return;
  if (const cudaError_t below = cudaGetLastError(); below != cudaSuccess)
    fail(below, str(call, " in ", file_name(file), ':', line));
  library_failed(call, file, line, cublasLtGetStatusString(result));
}

#ifdef MUNET_CUDNN
void checked(cudnnStatus_t result, const char* call, const char* file, int line) {
  if (result == CUDNN_STATUS_SUCCESS) return;
  if (const cudaError_t below = cudaGetLastError(); below != cudaSuccess)
    fail(below, str(call, " in ", file_name(file), ':', line));
  library_failed(call, file, line, cudnnGetErrorString(result));
}
cudnnHandle_t cudnn() {
  Context& c = context();
  CUDA_CHECK(cudnnSetStream(c.cudnn, stream()));
  return c.cudnn;
}
#endif

cudaStream_t stream() { return recording ? recording : context().stream; }
void use(Device wanted) { context(wanted); }
void not_recorded(const char* what) { check<NotRecordable>(!recording, what); }
cublasLtHandle_t cublas() { return context().cublas; }
const cudaDeviceProp& properties() { return context().properties; }

void after_launch(const char* name) {
  cudaError_t result = cudaGetLastError();
  if (result == cudaSuccess && waits()) result = cudaStreamSynchronize(stream());
  if (result != cudaSuccess) fail(result, str("kernel ", name));
}

}  // namespace cuda

bool register_cuda_kernels() {
  static const bool once = [] {
    using namespace cuda;
    register_attention();
    register_conv();
    register_correlation();
    register_elementwise();
    register_losses();
    register_matmul();
    register_norm();
    register_pool();
    register_reduce();
    register_shape();
    register_softmax();
    register_update();
    register_upsample();
    return true;
  }();
  return once;
}

const Backend& cuda_backend() {
  static const Backend backend = {.allocate = cuda::allocate,
                                  .release = cuda::release,
                                  .copy = cuda::copy,
                                  .fill = cuda::fill,
                                  .synchronize = cuda::synchronize,
                                  .memory = cuda::memory,
                                  .reset_peak = cuda::reset_peak,
                                  .limit_memory = cuda::limit_memory,
                                  .describe = cuda::describe,
                                  .begin_recording = cuda::begin_recording,
                                  .end_recording = cuda::end_recording,
                                  .replay = cuda::replay,
                                  .forget_recording = cuda::forget_recording};
  register_cuda_kernels();
  static const bool usable = [] {  // thrown: asked again next time
    int count = 0;
    const cudaError_t result = cudaGetDeviceCount(&count);
    check<DeviceError>(result == cudaSuccess && count > 0,
                       cuda::no_device_text(cudaGetErrorString(result)));
    return true;
  }();
  (void)usable;
  return backend;
}

}  // namespace munet

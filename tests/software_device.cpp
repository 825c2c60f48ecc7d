#include "tests/software_device.h"

#include <sys/mman.h>

#include <map>
#include <mutex>

#include "autograd/node.h"
#include "ops_cuda/attention_twins.h"
#include "ops_cuda/conv_twins.h"
#include "ops_cuda/correlation_twins.h"
#include "ops_cuda/elementwise_twins.h"
#include "ops_cuda/losses_twins.h"
#include "ops_cuda/matmul_twins.h"
#include "ops_cuda/norm_twins.h"
#include "ops_cuda/pool_twins.h"
#include "ops_cuda/reduce_twins.h"
#include "ops_cuda/shape_twins.h"
#include "ops_cuda/softmax_twins.h"
#include "ops_cuda/update_twins.h"
#include "ops_cuda/upsample_twins.h"

namespace munet {
namespace {

constexpr std::size_t kMemory = std::size_t{256} << 20, kUnit = 256;  // bytes, and of every block

// The card's memory: out of reach but while an Access lives.
struct Card {
  char* base;
  std::map<std::size_t, std::size_t> free{{0, kMemory}};  // offset -> size, never touching
  DeviceMemory memory;
  int accesses = 0;
  int64_t launches = 0;

  Card() {
    void* at =
        mmap(nullptr, kMemory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(at != MAP_FAILED, "software device: no address space");
    base = static_cast<char*>(at);
  }
};
Card& card() {
  static Card* one = new Card;
  return *one;
}

struct Access {
  Access() {
    if (card().accesses++ == 0) mprotect(card().base, kMemory, PROT_READ | PROT_WRITE);
  }
  ~Access() {
    if (--card().accesses == 0) mprotect(card().base, kMemory, PROT_NONE);
  }
};

void check_device(Device device) {
  check<DeviceError>(device.index == 0, "software device: expected cuda:0; given ", device);
}

void* allocate(Device device, std::size_t bytes) {
  check_device(device);
  Card& c = card();
  const std::size_t size = std::max((bytes + kUnit - 1) / kUnit, std::size_t{1}) * kUnit;
  const auto fits = [&](const auto& run) { return run.second >= size; };
  const auto found = std::find_if(c.free.begin(), c.free.end(), fits);
  const std::size_t left = c.memory.limit ? c.memory.limit : kMemory;
  check<OutOfMemory>(found != c.free.end() && c.memory.active + bytes <= left,
                     "software device: out of memory: ", bytes, " bytes asked, ", c.memory.active,
                     " used");
  const auto [offset, room] = *found;
  c.free.erase(found);
  if (room > size) c.free[offset + size] = room - size;
  c.memory.active += bytes;
  c.memory.peak = std::max(c.memory.peak, c.memory.active);
  const Access access;
  std::memset(c.base + offset, 0xFF, size);
  return c.base + offset;
}

void release(Device, void* block, std::size_t bytes) {
  Card& c = card();
  c.memory.active -= bytes;
  const std::size_t size = std::max((bytes + kUnit - 1) / kUnit, std::size_t{1}) * kUnit;
  auto at = c.free.emplace(std::size_t(static_cast<char*>(block) - c.base), size).first;
  const auto next = std::next(at);
  if (next != c.free.end() && at->first + at->second == next->first) {
    at->second += next->second;
    c.free.erase(next);
  }
  if (at == c.free.begin()) return;
  const auto before = std::prev(at);
  if (before->first + before->second != at->first) return;
  before->second += at->second;
  c.free.erase(at);
}

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  check_device(to_device);
  check_device(from_device);
  const Access access;
  std::memcpy(to, from, bytes);
}

void fill(Device, void* to, const void* element, std::size_t element_bytes, int64_t count) {
  const Access access;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(static_cast<char*>(to) + i * int64_t(element_bytes), element, element_bytes);
}

}  // namespace

namespace cuda {

// Launches that open the card's memory.
struct OnSoftware {
  template <class Body>
  static void loop(const char* name, int64_t n, const Body& body) {
    const Access access;
    ++card().launches;
    OnHost::loop(name, n, body);
  }
  template <class Body>
  static void blocks(const char* name, int64_t count, const Body& body) {
    const Access access;
    ++card().launches;
    OnHost::blocks(name, count, body);
  }
};
void multiply(OnSoftware, const MatrixProduct& p) { multiply_tiles<OnSoftware>(p); }

}  // namespace cuda

bool register_cuda_kernels() {
  using cuda::OnSoftware;
  constexpr auto set = [](auto& slot, auto* body) { slot.cuda = body; };
  kernels::matmul.cuda = cuda::matmul<OnSoftware>;
  kernels::conv2d_forward.cuda = cuda::conv2d_forward<OnSoftware>;
  kernels::conv2d_grad_x.cuda = cuda::conv2d_grad_x<OnSoftware>;
  kernels::conv2d_grad_w.cuda = cuda::conv2d_grad_w<OnSoftware>;
  kernels::conv2d_grad_bias.cuda = cuda::conv2d_grad_bias<OnSoftware>;
  kernels::prepare_conv2d.cuda = cuda::prepare_conv2d;
  kernels::conv2d_fused.cuda = cuda::conv2d_fused<OnSoftware>;
  kernels::match_window_forward.cuda = cuda::match_window_forward<OnSoftware>;
  kernels::match_window_backward.cuda = cuda::match_window_backward<OnSoftware>;
  kernels::cost_volume_forward.cuda = cuda::cost_volume_forward<OnSoftware>;
  kernels::memory_read_forward.cuda = cuda::memory_read_forward<OnSoftware>;
  kernels::memory_read_backward.cuda = cuda::memory_read_backward<OnSoftware>;
  kernels::pack_memory.cuda = cuda::pack_memory;
  kernels::memory_read_slots.cuda = cuda::memory_read_slots<OnSoftware>;
  cuda_add_into = cuda::add_into<OnSoftware>;
  cuda::elementwise_twins<OnSoftware>(set);
  cuda::losses_twins<OnSoftware>(set);
  cuda::norm_twins<OnSoftware>(set);
  cuda::pool_twins<OnSoftware>(set);
  cuda::reduce_twins<OnSoftware>(set);
  cuda::shape_twins<OnSoftware>(set);
  cuda::softmax_twins<OnSoftware>(set);
  cuda::update_twins<OnSoftware>(set);
  cuda::upsample_twins<OnSoftware>(set);
  return true;
}

const Backend& cuda_backend() {
  static const Backend backend = {allocate,
                                  release,
                                  copy,
                                  fill,
                                  [](Device) {},
                                  [](Device) { return card().memory; },
                                  [](Device) { card().memory.peak = card().memory.active; },
                                  [](Device, std::size_t bytes) { card().memory.limit = bytes; },
                                  [](Device) { return std::string("a GPU played by the host"); }};
  static const bool registered = register_cuda_kernels();
  (void)registered;
  return backend;
}

}  // namespace munet

int64_t software_launches() { return munet::card().launches; }

#include "tests/software_device.h"

#include <sys/mman.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "autograd/node.h"
#include "ops_cuda/attention_twins.h"
#include "ops_cuda/conv_twins.h"
#include "ops_cuda/correlation_twins.h"
#include "ops_cuda/elementwise_twins.h"
#include "ops_cuda/failures.h"
#include "ops_cuda/losses_twins.h"
#include "ops_cuda/matmul_twins.h"
#include "ops_cuda/norm_twins.h"
#include "ops_cuda/pool_twins.h"
#include "ops_cuda/reduce_twins.h"
#include "ops_cuda/shape_twins.h"
#include "ops_cuda/softmax_twins.h"
#include "ops_cuda/staging.h"
#include "ops_cuda/update_twins.h"
#include "ops_cuda/upsample_twins.h"

namespace munet {
namespace {

constexpr std::size_t kMemory = std::size_t{256} << 20, kUnit = 256;  // bytes, and of every block

using Work = std::function<void()>;
using Recording = std::vector<Work>;
thread_local Recording* recording = nullptr;  // what this thread records into; null: it does not

// The card: memory that only its work can reach, and its stream, which is done as late as it may
// be, so that what is read too early or overwritten too soon shows.
struct Card {
  std::recursive_mutex mutex;  // of all of it: any number of threads queue, as on a card
  char* base;
  std::map<std::size_t, std::size_t> free{{0, kMemory}};  // offset -> size, never touching
  DeviceMemory memory;
  std::deque<Work> stream;
  int64_t queued = 0, done = 0;  // works so far
  int64_t launches = 0, reads = 0;
  std::atomic<bool> lost = false;
  int64_t replays = 0, last_replay = -1;  // then it is lost; -1: never

  Card() {
    void* at =
        mmap(nullptr, kMemory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(at != MAP_FAILED, "software device: no address space");
    base = static_cast<char*>(at);
    if (const char* text = std::getenv("MUNET_PLAYED_MEMORY")) memory.limit = std::stoull(text);
    if (const char* text = std::getenv("MUNET_PLAYED_REPLAYS")) last_replay = std::stoll(text);
  }

  void check_alive() const {
    check<DeviceError>(
        !lost, cuda::lost_text({Device::cuda, 0}, "unspecified launch failure", "a kernel"));
  }
  void queue(Work work) {
    check_alive();
    if (recording) return recording->push_back(std::move(work));
    const std::lock_guard lock(mutex);
    stream.push_back(std::move(work));
    ++queued;
  }
  void work_until(int64_t mark) {
    const std::lock_guard lock(mutex);
    if (done >= mark) return;
    mprotect(base, kMemory, PROT_READ | PROT_WRITE);
    for (; done < mark; ++done) {
      stream.front()();
      stream.pop_front();
    }
    mprotect(base, kMemory, PROT_NONE);
  }
};
Card& card() {
  static Card* one = new Card;
  return *one;
}

template <class F>
auto locked(F&& f) {
  const std::lock_guard lock(card().mutex);
  return f(card());
}

void poison(char* at, std::size_t bytes) {
  card().queue([=] { std::memset(at, 0xFF, bytes); });
}

void check_device(Device device) {
  if (device.kind == Device::cuda && device.index != 0)
    throw DeviceError(cuda::other_device_text({Device::cuda, 0}, device));
  card().check_alive();
}

// Memory is had and given back in the order of the stream, and that is never recorded.
template <class F>
void not_recorded(F&& f) {
  Recording* const paused = std::exchange(recording, nullptr);
  f();
  recording = paused;
}

void* allocate(Device device, std::size_t bytes) {
  check_device(device);
  Card& c = card();
  const std::lock_guard lock(c.mutex);
  const std::size_t size = std::max((bytes + kUnit - 1) / kUnit, std::size_t{1}) * kUnit;
  const auto fits = [&](const auto& run) { return run.second >= size; };
  const auto found = std::find_if(c.free.begin(), c.free.end(), fits);
  const std::size_t left = c.memory.limit ? c.memory.limit : kMemory;
  if (found == c.free.end() || c.memory.active + bytes > left)
    throw OutOfMemory(cuda::out_of_memory_text(device, bytes, c.memory.active,
                                               left - std::min(left, c.memory.active)));
  const auto [offset, room] = *found;
  c.free.erase(found);
  if (room > size) c.free[offset + size] = room - size;
  c.memory.active += bytes;
  c.memory.peak = std::max(c.memory.peak, c.memory.active);
  not_recorded([&] { poison(c.base + offset, size); });
  return c.base + offset;
}

void release(Device, void* block, std::size_t bytes) {
  Card& c = card();
  const std::lock_guard lock(c.mutex);
  c.memory.active -= bytes;
  const std::size_t size = std::max((bytes + kUnit - 1) / kUnit, std::size_t{1}) * kUnit;
  if (!c.lost)  // nothing leaves a destructor
    not_recorded([&] { poison(static_cast<char*>(block), size); });
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

struct Port {
  int64_t marks[2] = {};
  std::vector<char> memory[2];
  int made = 0;
  void* pinned(std::size_t bytes) {
    memory[made].resize(bytes);
    return memory[made++].data();
  }
  void queue(void* to, const void* from, std::size_t bytes) {
    card().queue([=] { std::memcpy(to, from, bytes); });
  }
  void mark(int buffer) { marks[buffer] = card().queued; }
  void wait(int buffer) { card().work_until(marks[buffer]); }
};

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  static Port& port = *new Port;
  static auto& staging = *new cuda::Staging<Port>(port, 1 << 16);  // small: many turns
  check_device(to_device);
  check_device(from_device);
  if (to_device.kind == from_device.kind) return port.queue(to, from, bytes);
  check<NotRecordable>(!recording, "a copy from or to the CPU");
  const std::lock_guard lock(card().mutex);
  if (to_device.kind == Device::cuda)
    staging.upload(to, from, bytes);
  else
    staging.download(to, from, bytes), ++card().reads;
}

void fill(Device, void* to, const void* element, std::size_t element_bytes, int64_t count) {
  const std::vector<char> value(static_cast<const char*>(element),
                                static_cast<const char*>(element) + element_bytes);
  card().queue([=] {
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(static_cast<char*>(to) + i * int64_t(element_bytes), value.data(), element_bytes);
  });
}

void synchronize(Device) {
  check<NotRecordable>(!recording, "waiting for the card");
  const std::lock_guard lock(card().mutex);
  card().work_until(card().queued);
  ++card().reads;
}

void begin_recording(Device) { recording = new Recording; }
void* end_recording(Device, bool keep) {
  Recording* const ended = std::exchange(recording, nullptr);
  if (keep) return ended;
  delete ended;
  return nullptr;
}
void replay(Device, void* recorded) {
  Card& c = card();
  const std::lock_guard lock(c.mutex);
  c.lost = c.lost || ++c.replays == c.last_replay;
  for (const Work& work : *static_cast<Recording*>(recorded)) c.queue(work);
}
void forget_recording(Device, void* recorded) { delete static_cast<Recording*>(recorded); }

}  // namespace

namespace cuda {

// Launches are queued with their bodies, which are copied as a launch copies its arguments.
struct OnSoftware {
  template <class Body>
  static void loop(const char* name, int64_t n, const Body& body) {
    card().queue([=] { ++card().launches, OnHost::loop(name, n, body); });
  }
  template <class Body>
  static void blocks(const char* name, int64_t count, const Body& body) {
    card().queue([=] { ++card().launches, OnHost::blocks(name, count, body); });
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
  cuda::attention_twins<OnSoftware>(set);
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
  static const Backend backend = {
      .allocate = allocate,
      .release = release,
      .copy = copy,
      .fill = fill,
      .synchronize = synchronize,
      .memory = [](Device) { return locked([](Card& c) { return c.memory; }); },
      .reset_peak = [](Device) { locked([](Card& c) { c.memory.peak = c.memory.active; }); },
      .limit_memory = [](Device,
                         std::size_t bytes) { locked([=](Card& c) { c.memory.limit = bytes; }); },
      .describe = [](Device) { return std::string("a GPU played by the host"); },
      .begin_recording = begin_recording,
      .end_recording = end_recording,
      .replay = replay,
      .forget_recording = forget_recording};
  static const bool registered = register_cuda_kernels();
  (void)registered;
  return backend;
}

}  // namespace munet

int64_t software_launches() {
  return munet::locked([](munet::Card& c) { return c.launches; });
}
int64_t software_reads() {
  return munet::locked([](munet::Card& c) { return c.reads; });
}
void software_lose(bool lost) { munet::card().lost = lost; }

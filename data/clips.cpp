// The keys' ranges, and the loader: threads claim indices in order, next() hands out in order.
#include "data/clips.h"

#include <array>
#include <chrono>
#include <string_view>

#include "tensor/error.h"

namespace munet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Range {
  double low, high;
};

Range range_of(std::string_view key) {
  if (key == "clip_frames") return {2, 64};
  if (key == "crop") return {16, 2048};
  if (key == "max_objects") return {1, 32};
  if (key == "min_pixels") return {1, 1e6};
  if (key == "max_skip") return {1, 100};
  if (key == "resize_low" || key == "resize_high") return {0.25, 8};
  if (key == "rotate" || key == "still_rotate") return {0, 180};
  if (key == "shear") return {0, 60};
  if (key == "hue") return {0, 0.5};
  if (key == "scale") return {0, 0.9};
  if (key == "still_max_step") return {0, 2048};
  if (key == "stills_first") return {0, 1e12};
  return {0, 1};
}

}  // namespace

void check_clip_options(const ClipOptions& options) {
  for_clip_keys(options, [](const char* key, auto value) {
    const Range range = range_of(key);
    check(double(value) >= range.low && double(value) <= range.high, "clips: expected ", key,
          " between ", range.low, " and ", range.high, "; given ", value);
  });
  check(options.resize_low <= options.resize_high,
        "clips: expected resize_low <= resize_high; given ", options.resize_low, " and ",
        options.resize_high);
}

int keep_visible(const Tensor& masks, int min_pixels) {
  std::array<int64_t, 256> pixels{};
  auto* ids = masks.data<uint8_t>();
  for (int64_t i = 0; i < masks.dim(1) * masks.dim(2); ++i) ++pixels[ids[i]];
  std::array<uint8_t, 256> to{};
  int objects = 0;
  for (std::size_t id = 1; id < 256; ++id)
    if (pixels[id] >= min_pixels) to[id] = uint8_t(++objects);
  for (int64_t i = 0; i < masks.numel(); ++i) ids[i] = to[ids[i]];
  return objects;
}

ClipLoader::ClipLoader(const ClipSource& source, int threads, int depth, uint64_t first)
    : source_(source), depth_(uint64_t(depth)), next_(first), claimed_(first) {
  check(threads >= 0 && threads <= 256 && depth >= 1,
        "clip loader: expected 0..256 threads and a depth of at least 1; given ", threads, " and ",
        depth);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

ClipLoader::~ClipLoader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

ClipLoader::Made ClipLoader::make(uint64_t index) const {
  Made made;
  try {
    made.clip = source_.clip(index);
  } catch (...) {
    made.error = std::current_exception();
  }
  return made;
}

void ClipLoader::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    room_.wait(lock, [&] { return stop_ || claimed_ < next_ + depth_; });
    if (stop_) return;
    const uint64_t index = claimed_++;
    lock.unlock();
    Made made = make(index);
    lock.lock();
    made_.emplace(index, std::move(made));
    ready_.notify_all();
  }
}

Clip ClipLoader::next() {
  const Clock::time_point start = Clock::now();
  Made made;
  if (threads_.empty()) {
    made = make(next_++);
  } else {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return made_.count(next_) > 0; });
    made = std::move(made_.extract(next_++).mapped());
    lock.unlock();
    room_.notify_all();
  }
  waited_ += seconds_since(start);
  if (made.error) std::rethrow_exception(made.error);
  return std::move(made.clip);
}

}  // namespace munet

#include "tensor/parallel.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tensor/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace munet {
namespace {

thread_local bool inside = false;  // in a range already: nested calls run serially

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// One call of parallel_for. Held by shared_ptr, so a worker that wakes late finds it finished
// instead of gone.
struct Job {
  const std::function<void(int64_t, int64_t)>* f;
  int64_t n, grain, chunks;
  std::atomic<int64_t> next{0}, done{0};
  std::mutex mutex;
  std::exception_ptr error;

  void work() {
    inside = true;
    for (int64_t i; (i = next.fetch_add(1)) < chunks;) {
      try {
        (*f)(i * grain, std::min(n, (i + 1) * grain));
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
      done.fetch_add(1, std::memory_order_release);
    }
    inside = false;
  }
};

// Workers spin briefly for the next job (a network is a row of short parallel loops), then sleep.
class Pool {
 public:
  ~Pool() { resize(1); }
  int size() const { return size_.load(); }

  void resize(int threads) {
    std::lock_guard one_caller(run_mutex_);
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      ++epoch_;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    stop_ = false;
    size_ = threads;
  }

  void run(const std::shared_ptr<Job>& job) {
    std::unique_lock one_caller(run_mutex_, std::try_to_lock);
    if (!one_caller) return job->work();  // another thread uses the pool: do it alone
    while (int(workers_.size()) + 1 < size_) workers_.emplace_back([this] { loop(); });
    {
      std::lock_guard lock(mutex_);
      job_ = job;
      ++epoch_;
    }
    wake_.notify_all();
    job->work();
    while (job->done.load(std::memory_order_acquire) < job->chunks) relax();
    std::lock_guard lock(mutex_);
    job_.reset();
  }

 private:
  void loop() {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpins && epoch_.load(std::memory_order_acquire) == seen; ++i) relax();
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return epoch_ != seen; });
        seen = epoch_;
        if (stop_) return;
        job = job_;
      }
      if (job) job->work();
    }
  }

  static constexpr int kSpins = 2000;  // about 50 microseconds
  std::mutex run_mutex_, mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
  std::shared_ptr<Job> job_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<int> size_{default_size()};
  bool stop_ = false;

  static int default_size() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1u, std::thread::hardware_concurrency());
  }
};

Pool& pool() {
  static Pool instance;
  return instance;
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (n + grain - 1) / grain;
  if (inside || chunks == 1 || pool().size() == 1) return f(0, n);
  auto job = std::make_shared<Job>();
  job->f = &f;
  job->n = n;
  job->grain = grain;
  job->chunks = chunks;
  pool().run(job);
  if (job->error) std::rethrow_exception(job->error);
}

int num_threads() { return pool().size(); }

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= 256, "threads: expected 1..256, given ", threads);
  pool().resize(threads);
}

}  // namespace munet

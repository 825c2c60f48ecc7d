// Two ends of a pipeline of threads: things made ahead of time, and things worked off afterwards.
// Between threads lies a queue of bounded length, so that memory does not grow with the work.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

// What may wait between two threads: so many things, and so many bytes, or one thing that is
// larger.
struct QueueLimits {
  std::size_t things, bytes = std::size_t{64} << 20;
};

// One thread pushes, one pops. After an error on either side the other side hears of it. A thing
// says how large it is by bytes().
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(QueueLimits limits) : limits_(limits) {}

  // Waits while the queue is full. False: nobody will pop any more, the value is dropped.
  bool push(T value) {
    const std::size_t bytes = value.bytes();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return things_.empty() || abandoned_ ||
             (things_.size() < limits_.things && bytes_ + bytes <= limits_.bytes);
    });
    if (abandoned_) return false;
    bytes_ += bytes;
    things_.push_back(std::move(value));
    changed_.notify_all();
    return true;
  }

  // Waits while the queue is empty. Nothing: the end. Rethrows the error given to end(), after
  // everything that was pushed before it.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !things_.empty() || ended_; });
    if (things_.empty()) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return std::nullopt;
    }
    T value = std::move(things_.front());
    things_.pop_front();
    bytes_ -= value.bytes();
    changed_.notify_all();
    return value;
  }

  // What pop() would give if it is there already, else null; the popping side's. Stays till pop().
  const T* peek() {
    const std::lock_guard lock(mutex_);
    return things_.empty() ? nullptr : &things_.front();
  }

  void end(std::exception_ptr error = nullptr) {  // by the side that pushes
    const std::lock_guard lock(mutex_);
    ended_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }
  void abandon() {  // by the side that pops
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    changed_.notify_all();
  }

 private:
  const QueueLimits limits_;
  std::size_t bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> things_;
  std::exception_ptr error_;
  bool ended_ = false, abandoned_ = false;
};

// Calls make() on a thread of its own, within `ahead` in advance, until it gives nothing.
template <class T>
class Ahead {
 public:
  Ahead(QueueLimits ahead, std::function<std::optional<T>()> make)
      : queue_(ahead), thread_([this, make = std::move(make)] {
          try {
            for (std::optional<T> value; (value = make());)
              if (!queue_.push(std::move(*value))) return;
            queue_.end();
          } catch (...) {
            queue_.end(std::current_exception());
          }
        }) {}
  ~Ahead() {
    queue_.abandon();
    thread_.join();
  }
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  std::optional<T> next() { return queue_.pop(); }  // rethrows what make() threw
  const T* peek() { return queue_.peek(); }         // of next(), if it is made; stays till next()

 private:
  BoundedQueue<T> queue_;
  std::thread thread_;
};

// Calls work(thing) for everything pushed, in order, on a thread of its own.
template <class T>
class Behind {
 public:
  Behind(QueueLimits behind, std::function<void(T)> work)
      : queue_(behind), thread_([this, work = std::move(work)] {
          try {
            while (std::optional<T> value = queue_.pop()) work(std::move(*value));
          } catch (...) {
            error_ = std::current_exception();
            queue_.abandon();
          }
        }) {}
  ~Behind() { join(); }  // what was pushed is still worked off
  Behind(const Behind&) = delete;
  Behind& operator=(const Behind&) = delete;

  // Waits while too much is waiting. Rethrows what work() threw, once.
  void push(T value) {
    if (!queue_.push(std::move(value))) finish();
  }
  // Returns when everything is worked off. Rethrows what work() threw, once.
  void finish() {
    join();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void join() {
    queue_.end();
    if (thread_.joinable()) thread_.join();
  }
  BoundedQueue<T> queue_;
  std::exception_ptr error_;  // read after join()
  std::thread thread_;
};

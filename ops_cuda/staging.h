// Copies between the CPU's ordinary memory and a GPU through two pinned buffers that take turns:
// while the card fetches one, the CPU fills the other. Plain C++, so that the host test runs it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace munet::cuda {

// Port, which stays alive, has the device's side:
//
//   void* pinned(std::size_t bytes);
//       memory of the CPU that the device can copy from and to
//   void queue(void* to, const void* from, std::size_t bytes);
//       a copy, in the order of the stream
//   void mark(int buffer);
//       behind all that was queued
//   void wait(int buffer);
//       until its last mark is passed; at once if it has none
template <class Port>
class Staging {
 public:
  Staging(Port& port, std::size_t bytes) : port_(port), bytes_(bytes) {}

  // Returns as soon as `from` has been read.
  void upload(void* to, const void* from, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += bytes_) {
      const std::size_t n = std::min(bytes_, bytes - at);
      const int buffer = take();
      std::memcpy(data_[buffer], static_cast<const char*>(from) + at, n);
      port_.queue(static_cast<char*>(to) + at, data_[buffer], n);
      port_.mark(buffer);
    }
  }
  // Returns when `to` is there, so all that was queued before is done. The card fills one buffer
  // while the CPU reads the other.
  void download(void* to, const void* from, std::size_t bytes) {
    int before = -1;
    std::size_t before_at = 0;
    const auto fetch = [&](std::size_t end) {
      if (before < 0) return;
      port_.wait(before);
      std::memcpy(static_cast<char*>(to) + before_at, data_[before], end - before_at);
    };
    for (std::size_t at = 0; at < bytes; at += bytes_) {
      const int buffer = take();
      port_.queue(data_[buffer], static_cast<const char*>(from) + at, std::min(bytes_, bytes - at));
      port_.mark(buffer);
      fetch(at);
      before = buffer;
      before_at = at;
    }
    fetch(bytes);
  }

 private:
  // The buffer whose turn it is, no longer in use.
  int take() {
    turn_ = 1 - turn_;
    if (!data_[turn_])
      data_[turn_] = port_.pinned(bytes_);
    else
      port_.wait(turn_);
    return turn_;
  }

  Port& port_;
  std::size_t bytes_;
  int turn_ = 1;
  void* data_[2] = {};
};

}  // namespace munet::cuda

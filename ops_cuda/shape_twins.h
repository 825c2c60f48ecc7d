// Twin of autograd/ops/shape.cpp: every op there is a copy of a box of elements.
#pragma once

#include "autograd/ops/shape.h"
#include "ops_cuda/steps.h"

namespace munet::cuda {

template <class T, int N>
struct CopyBody {
  Steps steps;
  const T* from;
  T* to;
  HOST_DEVICE void operator()(uint32_t i) const {
    int64_t a, b;
    steps.find(i, a, b);
    store<N>(to + b, load<N>(from + a));
  }
};

template <class Run, class T>
void copy_box_as(const Walk& walk, int64_t count, const T* from, T* to) {
  constexpr int N = 16 / sizeof(T);
  const bool packed =
      packs(walk, N) && walk.step_a() == 1 && walk.step_b() == 1 && aligned(16, from, to);
  if (packed)
    Run::loop("copy_box", count / N, CopyBody<T, N>{Steps(walk, N), from, to});
  else
    Run::loop("copy_box", count, CopyBody<T, 1>{Steps(walk, 1), from, to});
}

template <class Run>
void copy_box(const Tensor& from, const kernels::Box& from_box, const Tensor& to,
              const kernels::Box& to_box, const Shape& size) {
  Walk walk;
  for (int i = size.rank() - 1; i >= 0; --i)
    walk.add(size[i], from_box.step[std::size_t(i)], to_box.step[std::size_t(i)]);
  const auto copy = [&](auto zero) {  // numbers are moved, whatever they mean
    using T = decltype(zero);
    copy_box_as<Run>(walk, size.numel(), static_cast<const T*>(from.raw()) + from_box.first,
                     static_cast<T*>(to.raw()) + to_box.first);
  };
  switch (size_of(from.dtype())) {
    case 1:
      return copy(uint8_t{});
    case 2:
      return copy(uint16_t{});
    case 4:
      return copy(uint32_t{});
    default:
      return copy(uint64_t{});
  }
}

template <class Run, class Set>
void shape_twins(Set set) {
  set(kernels::copy_box, copy_box<Run>);
}

}  // namespace munet::cuda

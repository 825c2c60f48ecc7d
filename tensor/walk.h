// How kernels go through tensors without a division per element: Walk over two operands with any
// steps (broadcasting, moving numbers), Lines along one axis (softmax, maximum).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/shape.h"

namespace munet {

// Two operands of up to six axes, as runs along one axis and with as few axes as possible.
class Walk {
 public:
  // Axes are added from the innermost outwards. `a` and `b` are what one step along the axis means
  // for each operand, in elements; 0 repeats it. An axis that only goes on where the one inside it
  // ends is joined with that.
  void add(int64_t size, int64_t a, int64_t b) {
    if (size == 1) return;
    if (rank_ > 0) {
      Axis& inside = axes_[rank_ - 1];
      if (a == inside.a * inside.size && b == inside.b * inside.size) {
        inside.size *= size;
        return;
      }
    }
    axes_[rank_++] = {size, a, b};
  }

  int64_t numel() const {
    int64_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= axes_[i].size;
    return product;
  }
  // Axis i, 0 the innermost: its size, and what one step along it means for each operand.
  int rank() const { return std::max(rank_, 1); }
  int64_t size(int i) const { return axes_[i].size; }
  int64_t step_a(int i) const { return axes_[i].a; }
  int64_t step_b(int i) const { return axes_[i].b; }
  // The steps along a run.
  int64_t step_a() const { return axes_[0].a; }
  int64_t step_b() const { return axes_[0].b; }

  // f(i, a, b, n) for the runs that make up the elements [begin, end): n elements from the i-th on,
  // at positions a and b of the operands. Divides once per call, not per element.
  template <class F>
  void for_runs(int64_t begin, int64_t end, F&& f) const {
    int64_t at[Shape::kMaxRank] = {}, a = 0, b = 0, rest = begin;
    for (int i = 0; i < rank_; ++i) {
      at[i] = rest % axes_[i].size;
      rest /= axes_[i].size;
      a += at[i] * axes_[i].a;
      b += at[i] * axes_[i].b;
    }
    for (int64_t i = begin, n; i < end; i += n) {
      n = std::min(axes_[0].size - at[0], end - i);
      f(i, a, b, n);
      at[0] += n;
      a += n * axes_[0].a;
      b += n * axes_[0].b;
      for (int k = 0; k + 1 < rank_ && at[k] == axes_[k].size; ++k) {
        at[k] = 0;
        ++at[k + 1];
        a += axes_[k + 1].a - axes_[k].size * axes_[k].a;
        b += axes_[k + 1].b - axes_[k].size * axes_[k].b;
      }
    }
  }

 private:
  struct Axis {
    int64_t size = 1, a = 1, b = 1;
  };
  Axis axes_[Shape::kMaxRank];  // innermost first
  int rank_ = 0;
};

// A tensor seen as [outer, size, inner] around one axis: outer * inner lines of `size` elements,
// `inner` apart.
struct Lines {
  int64_t outer = 1, size, inner = 1;
  Lines(const Shape& shape, int axis) : size(shape[axis]) {
    axis = shape.index(axis);
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
  int64_t count() const { return outer * inner; }
  // f(i, first) for the lines [begin, end): the element that line i starts with.
  template <class F>
  void for_each(int64_t begin, int64_t end, F&& f) const {
    int64_t rows = begin / inner * size * inner, j = begin % inner;
    for (int64_t i = begin; i < end; ++i) {
      f(i, rows + j);
      if (++j == inner) {
        j = 0;
        rows += size * inner;
      }
    }
  }
};

}  // namespace munet

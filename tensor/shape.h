// Shape: up to six sizes, kept inline because every op copies a few of them.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <vector>

#include "tensor/error.h"

namespace munet {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;  // rank 0: a scalar, one element
  Shape(std::initializer_list<int64_t> sizes) : Shape(sizes.begin(), sizes.end()) {}
  explicit Shape(const std::vector<int64_t>& sizes) : Shape(sizes.begin(), sizes.end()) {}

  int rank() const { return rank_; }
  // The size along `axis`; a negative axis counts from the end. ShapeError if there is no such
  // axis.
  int64_t operator[](int axis) const { return sizes_[index(axis)]; }
  void set(int axis, int64_t size) { sizes_[index(axis)] = size; }
  // The number of elements: the product of the sizes, 1 for rank 0.
  int64_t numel() const {
    int64_t product = 1;
    for (int64_t size : *this) product *= size;
    return product;
  }
  // `axis` as 0..rank-1.
  int index(int axis) const {
    const int i = axis < 0 ? axis + rank_ : axis;
    check<ShapeError>(i >= 0 && i < rank_, "shape: axis ", axis, " is outside ", *this);
    return i;
  }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  std::vector<int64_t> vector() const { return {begin(), end()}; }

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if (sizes_[i] != other.sizes_[i]) return false;
    return true;
  }
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int i = 0; i < shape.rank_; ++i) out << (i ? ", " : "") << shape.sizes_[i];
    return out << ']';
  }

 private:
  template <class It>
  Shape(It first, It last) {
    check<ShapeError>(last - first <= kMaxRank, "shape: at most ", kMaxRank, " axes, given ",
                      last - first);
    constexpr int64_t kLimit = int64_t{1} << 48;  // far above any memory; keeps products exact
    int64_t product = 1;
    for (; first != last; ++first) {
      check<ShapeError>(*first >= 0, "shape: sizes are not negative, given ", *first);
      check<ShapeError>(*first == 0 || product <= kLimit / *first, "shape: too many elements");
      product *= *first ? *first : 1;
      sizes_[rank_++] = *first;
    }
  }

  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace munet

// The micro-kernels for any machine and for f64, on Eigen's small fixed-size arrays, which become
// the vector instructions that the compiler may use. Also the choice of the table.
#include <Eigen/Core>

#include "tensor/cpu/winograd_transforms.h"

namespace munet::cpu {
namespace {

template <class T>
void tile(const Tile<T>& t) {
  constexpr int kWidth = 32 / sizeof(T);  // columns at a time: 6 rows of them stay in registers
  using Row = Eigen::Array<T, kWidth, 1>;
  for (int64_t j = 0; j < kTileColumns; j += kWidth) {
    Row c[kTileRows];
    for (Row& row : c) row.setZero();
    for (int64_t k = 0; k < t.depth; ++k) {
      const Eigen::Map<const Row> b(t.b + k * kTileColumns + j);
      const T* a = t.a + k / kGroup * t.a_group + k % kGroup;
#pragma GCC unroll 6
      for (int64_t i = 0; i < kTileRows; ++i) c[i] += a[i * t.a_row] * b;
    }
#pragma GCC unroll 6
    for (int64_t i = 0; i < kTileRows; ++i) {
      Eigen::Map<Row> to(t.c + i * t.stride + j);
      if (t.accumulate) c[i] += to;
      if (t.bias) c[i] += Eigen::Map<const Row>(t.bias + j);
      if (t.add) c[i] += Eigen::Map<const Row>(t.add + i * t.add_stride + j);
      if (t.relu) c[i] = (c[i] < T(0)).select(T(0), c[i]);
      to = c[i];
    }
  }
}

template <class T>
struct Vectors {
  using Number = T;
  static constexpr int64_t width = kGroup;
  using V = Eigen::Array<T, kGroup, 1>;
  static V load(const T* from) { return Eigen::Map<const V>(from); }
  static void store(T* to, const V& v) { Eigen::Map<V>{to} = v; }
  static V zero() { return V::Zero(); }
  static V relu(const V& v) { return (v < T(0)).select(T(0), v); }
};

template <class T>
struct WideVectors {
  using Number = double;
  static constexpr int64_t width = 4;
  using V = Eigen::Array<double, width, 1>;
  using Own = Eigen::Array<T, width, 1>;
  static V load(const T* from) { return Eigen::Map<const Own>(from).template cast<double>(); }
  static void store(T* to, const V& v) { Eigen::Map<Own>{to} = v.template cast<T>(); }
};

template <class T>
void transpose(const T* from, int64_t stride, T* const* to) {
  for (int64_t i = 0; i < kGroup; ++i)
    for (int64_t j = 0; j < kGroup; ++j) to[j][i] = from[i * stride + j];
}

template <class T>
constexpr Kernels<T> kTable = {.name = "generic",
                               .tile = tile<T>,
                               .winograd_input = winograd_input<T, Vectors<T>>,
                               .winograd_output = winograd_output<T, Vectors<T>>,
                               .winograd_kernel = winograd_kernel<T, Vectors<T>, WideVectors<T>>,
                               .transpose = transpose<T>};

}  // namespace

template <class T>
const Kernels<T>& generic_kernels() {
  return kTable<T>;
}
template const Kernels<float>& generic_kernels();
template const Kernels<double>& generic_kernels();

template <>
const Kernels<float>& kernels() {
  static const Kernels<float>& chosen = avx2_kernels() ? *avx2_kernels() : kTable<float>;
  return chosen;
}
template <>
const Kernels<double>& kernels() {
  return kTable<double>;
}

}  // namespace munet::cpu

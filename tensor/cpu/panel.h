// Panels: matrices cut into strips of 16 columns, as the micro-kernels read them. Shared by the
// memory read and the matching; f64 runs the same code with plain loops, so that gradcheck checks
// it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/storage.h"

namespace munet::cpu {

inline constexpr int64_t kPanel = 16;  // columns of a panel

constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Uninitialised working memory, 64-byte aligned, from the tensors' cache.
template <class T>
struct Scratch {
  explicit Scratch(int64_t n)
      : storage(std::size_t(n) * sizeof(T), Device{}), data(static_cast<T*>(storage.data())) {}
  Storage storage;
  T* data;
};

// y[i][j] (+)= sum_k a[i*lda + k] * panel[k*16 + j] for i < rows, j < 16; any number of rows.
// f32: panel 32-byte aligned.
void multiply_panel(int64_t rows, int64_t k, const float* a, int64_t lda, const float* panel,
                    float* y, int64_t ldy, bool accumulate);
void multiply_panel(int64_t rows, int64_t k, const double* a, int64_t lda, const double* panel,
                    double* y, int64_t ldy, bool accumulate);

// Rows x [p, d] as columns: [ceil(p/16)][d][16], zeros behind the last row. For products with x^T.
template <class T>
void pack_transposed(const T* x, int64_t p, int64_t d, T* packed) {
  for (int64_t first = 0; first < p; first += kPanel, packed += d * kPanel)
    for (int64_t k = 0; k < d; ++k)
      for (int64_t j = 0; j < kPanel; ++j)
        packed[k * kPanel + j] = first + j < p ? x[(first + j) * d + k] : T(0);
}

// x [p, d] in blocks of `block` rows: [ceil(p/block)][ceil(d/16)][rows of the block][16], zeros
// behind the last column. For products with x.
template <class T>
void pack_blocks(const T* x, int64_t p, int64_t d, int64_t block, T* packed) {
  for (int64_t first = 0; first < p; first += block) {
    const int64_t rows = std::min(block, p - first);
    for (int64_t left = 0; left < d; left += kPanel)
      for (int64_t i = 0; i < rows; ++i, packed += kPanel)
        for (int64_t j = 0; j < kPanel; ++j)
          packed[j] = left + j < d ? x[(first + i) * d + left + j] : T(0);
  }
}

}  // namespace munet::cpu

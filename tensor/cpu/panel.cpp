// The product of a few rows with one panel, and its AVX2 form.
#include "tensor/cpu/panel.h"

namespace munet::cpu {
namespace {

template <class T>
void multiply_plain(int64_t rows, int64_t k, const T* a, int64_t lda, const T* panel, T* y,
                    int64_t ldy, bool accumulate) {
  for (int64_t i = 0; i < rows; ++i, a += lda, y += ldy) {
    T sum[kPanel] = {};
    if (accumulate) std::copy_n(y, kPanel, sum);
    for (int64_t s = 0; s < k; ++s)
      for (int64_t j = 0; j < kPanel; ++j) sum[j] += a[s] * panel[s * kPanel + j];
    std::copy_n(sum, kPanel, y);
  }
}

}  // namespace

void multiply_panel(int64_t rows, int64_t k, const float* a, int64_t lda, const float* panel,
                    float* y, int64_t ldy, bool accumulate) {
  multiply_plain(rows, k, a, lda, panel, y, ldy, accumulate);
}
void multiply_panel(int64_t rows, int64_t k, const double* a, int64_t lda, const double* panel,
                    double* y, int64_t ldy, bool accumulate) {
  multiply_plain(rows, k, a, lda, panel, y, ldy, accumulate);
}

}  // namespace munet::cpu

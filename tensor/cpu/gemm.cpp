#include "tensor/cpu/gemm.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace munet::cpu {

template <class T>
void gemm(const GemmShape& s, const T* a, const T* b, T* c) {
  parallel_for(s.m, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* row = c + i * s.n;
      std::fill(row, row + s.n, T(0));
      for (int64_t k = 0; k < s.k; ++k) {
        const T value = s.transpose_a ? a[k * s.m + i] : a[i * s.k + k];
        for (int64_t j = 0; j < s.n; ++j)
          row[j] += value * (s.transpose_b ? b[j * s.k + k] : b[k * s.n + j]);
      }
    }
  });
}

template void gemm(const GemmShape&, const float*, const float*, float*);
template void gemm(const GemmShape&, const double*, const double*, double*);

}  // namespace munet::cpu

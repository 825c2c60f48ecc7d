// Matrix products on raw pointers, row-major.
#pragma once

#include <cstdint>

namespace munet::cpu {

struct GemmShape {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;  // a is stored [k,m], b is stored [n,k]
};

// c[m,n] = op(a) op(b). T: float, double.
template <class T>
void gemm(const GemmShape& s, const T* a, const T* b, T* c);

}  // namespace munet::cpu

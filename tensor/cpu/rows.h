// Whole rows at once, the inner loops of every running softmax. The f32 forms run on eight lanes
// (AVX2 where the machine has it); their exponential has a relative error of 2e-7 and is 0 for
// arguments below -87. All of them may read x up to the next multiple of 8 numbers.
#pragma once

#include <cstdint>

namespace munet::cpu {

template <class T>
struct Range {
  T low, high;
};
template <class T>
struct Moments {
  T total, first;
};

Range<float> row_range(int64_t n, const float* x);
Range<double> row_range(int64_t n, const double* x);

// y[i] = exp(scale * (x[i] - origin)), arguments at most 88 (in a softmax 0). Returns the sum. y
// lies in groups of 8, `stride` apart, zeros behind the last: a row of left panels, or x itself
// (stride 8).
float exp_row(int64_t n, float scale, float origin, const float* x, float* y, int64_t stride);
double exp_row(int64_t n, double scale, double origin, const double* x, double* y, int64_t stride);

// sum_i e_i and sum_i i * e_i with e_i = exp(scale * (x[i] - origin)).
Moments<float> exp_moments(int64_t n, float scale, float origin, const float* x);
Moments<double> exp_moments(int64_t n, double scale, double origin, const double* x);

// The f32 forms that the functions above choose from (avx2: null where it cannot run).
struct RowKernels {
  Range<float> (*range)(int64_t, const float*);
  float (*exponentials)(int64_t, float, float, const float*, float*, int64_t);
  Moments<float> (*moments)(int64_t, float, float, const float*);
};
const RowKernels& generic_rows();
const RowKernels* avx2_rows();

}  // namespace munet::cpu

// Exponentials of whole rows, in place: the inner loops of every running softmax. The f32 forms run
// on eight lanes (AVX2 where the machine has it) with a relative error of 2e-7; results
// below 1.7e-38 (arguments below -87) are 0.
#pragma once

#include <cstdint>

namespace munet::cpu {

// x[i] = exp(scale * (x[i] - origin)), all arguments at most 0 up to rounding. Returns their sum.
float exp_row(int64_t n, float scale, float origin, float* x);
double exp_row(int64_t n, double scale, double origin, double* x);

// The same with an origin of its own for each element; no sum.
void exp_row(int64_t n, float scale, const float* origin, float* x);
void exp_row(int64_t n, double scale, const double* origin, double* x);

// sum_i e_i and sum_i i * e_i with e_i = exp(scale * (x[i] - origin)); x stays as it is.
template <class T>
struct Moments {
  T total, first;
};
Moments<float> exp_moments(int64_t n, float scale, float origin, const float* x);
Moments<double> exp_moments(int64_t n, double scale, double origin, const double* x);

}  // namespace munet::cpu

// Winograd's convolutions: 3x3 or 4x4 kernels of stride 1 with a quarter of the multiplications, or
// a fifth (Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks").
// First for 3x3, by patches of 6x6 pixels, which give 4x4 outputs: F(4x4, 3x3).
//
// In one dimension. Four outputs y_i = sum_k d_(i+k) g_k take 12 products. For a given g they are a
// linear map of d, and its transpose is the product of two polynomials: it takes four numbers u to
// the six coefficients of u(x) g(x), degree 3 + 2 = 5. That product is also known from its values
// at six points: evaluate u there, multiply by g(a), six products, and interpolate. Transposed,
// these three steps run backwards and compute y:
//   y = A^T [ (G g) . (B^T d) ],   d: six inputs, "." multiplies element by element,
// where A^T is "evaluate u" transposed and B^T "interpolate" transposed. With M(x) the product of
// (x - b) over the finite points b, interpolation sums u(a) g(a) / M'(a) * M(x)/(x - a) (Lagrange).
// So for a point a the row of G is [1 a a^2] / M'(a), the row of B^T has the coefficients of
// M(x)/(x - a), and the column of A^T is [1 a a^2 a^3]; for the point infinity, which reads off the
// leading coefficient, they are [0 0 1], those of M(x), and [0 0 0 1].
//
// With four taps, three outputs take six products: again degree 2 + 3 = 5, so the points and B^T
// stay; the rows of G are [1 a a^2 a^3] / M'(a), the columns of A^T [1 a a^2].
//
// In two dimensions both axes are transformed: a 6x6 patch d gives 4x4 outputs
//   Y = A^T [ (G g G^T) . (B^T d B) ] A,
// and since the transforms are linear, the sum over input channels moves inside the brackets: for
// each of the 36 places of the patch it is a matrix product [patches, c] x [c, o]:
//
//   6x6 pixels, c channels     36 products over c          4x4 outputs, o channels
//   . . . . . .                # # # # # #                 . . . .
//   . . . . . .      B^T d B   # # # # # #   A^T [ ] A     . . . .
//   . . . . . .     -------->  # # # # # #  ---------->    . . . .
//   . . . . . .                # # # # # #                 . . . .
//   . . . . . .                # # # # # #
//   . . . . . .                # # # # # #
//
// That is 36 multiply-adds for 16 outputs (9 with 4x4 taps) instead of 144: 2.25 for each, not 9.
// The next patch begins 4 pixels on; neighbours overlap by 2.
//
// Points 0, +-p, +-q, infinity with p = 1/sqrt2 and q = sqrt2: M(x) = x (x^2 - 1/2) (x^2 - 2)
// = x^5 - 5/2 x^3 + x, M'(0) = 1, M'(+-p) = -3/2, M'(+-q) = 6. The usual points +-1, +-2 have
// larger powers and three times the rounding error.
//
// Patches of side 8 take eight points and give 6x6 outputs, F(6x6, 3x3), or 5x5 with four
// taps: 1.78 multiply-adds for an output. The more points, the larger their powers and so the
// rounding error, here four times as large. Points 0, +-1, +-2, +-1/2, infinity (a search found
// none better): M(x) = x (x^2 - 1) (x^2 - 4) (x^2 - 1/4) = x^7 - 21/4 x^5 + 21/4 x^3 - x, M'(0) =
// -1, M'(+-1) = -9/2, M'(+-2) = 90, M'(+-1/2) = 45/32. They are for weights that stay: G g G^T is
// made once, in double.
#pragma once

#include "tensor/cpu/conv.h"

namespace munet::cpu {

// Whether s can run here, and gains: 3x3 or 4x4, stride 1, c at least 16 and a multiple of 8, o
// of 16.
bool winograd_possible(const ConvShape& s);

// G g G^T of the weights, for patches of side 6 or 8: for each of the side^2 places a plane with
// right panels of [c,o]. 32 numbers lie between planes: whole powers of two apart, all would fall
// into the same cache sets.
template <class T>
void winograd_weights(const ConvShape& s, int64_t side, const WeightView<T>& w, T* u);
inline int64_t winograd_plane(const ConvShape& s) { return s.o * s.c + 32; }
inline int64_t winograd_weights_size(const ConvShape& s, int64_t side) {
  return side * side * winograd_plane(s);
}

// y = epilogue(x (*) w), u from winograd_weights of the same side. Scratch: 24 side^2 (c + o)
// numbers per thread, or 4 MB or a quarter of u where u is large or the map small. f32 error,
// measured with 64, 256 and 1024 channels: side 6 0.4e-6, 0.8e-6, 0.9e-6 of the norm, no output off
// by more than 7e-6 of their root mean square; side 8 1.5e-6, 3.0e-6, 3.3e-6, and 5e-5.
template <class T>
void winograd_conv2d(const ConvShape& s, int64_t side, const T* x, const T* u,
                     const Epilogue<T>& epilogue, T* y);

// The weight gradient gw[o,kh,kw,c] of a 3x3 or 4x4 convolution s by the same algorithm
// (winograd_grad.cpp). Possible for stride 1, c a multiple of 16, o of 8; it gains where the map is
// not tiny. Scratch: about 4 MB and 36 o c numbers. f32 error, measured: 0.5e-6 to 0.8e-6 of
// the gradient's norm; the data gradient's is winograd_conv2d's.
bool winograd_grad_w_possible(const ConvShape& s);
bool winograd_grad_w_gains(const ConvShape& s);
template <class T>
void winograd_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw);

}  // namespace munet::cpu

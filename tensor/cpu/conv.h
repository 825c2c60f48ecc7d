// Convolution on raw pointers: feature maps [n,h,w,c], weights [o,kh,kw,c].
#pragma once

#include <cstdint>

namespace munet::cpu {

// One convolution's sizes. Output (i,j) meets input rows i*stride + p - top, p in 0..kh-1, and
// columns j*stride + q - left; positions outside the input count as zero. top and left may be
// negative (the gradients need that).
struct ConvShape {
  int64_t n, h, w, c;  // input
  int64_t o, kh, kw;
  int64_t stride, top, left;
  int64_t oh, ow;  // output
};

// What happens to each output number on its way to memory: y = act(y + bias[o] + add[...]).
template <class T>
struct ConvEpilogue {
  const T* bias = nullptr;  // [o], or null
  const T* add = nullptr;   // [add_n,oh,ow,o], or null
  int64_t add_n = 1;        // n, or 1: the same for every image
  bool relu = false;
};

// y[n,oh,ow,o] = epilogue(x (*) w). T: float, double.
template <class T>
void conv2d(const ConvShape& s, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y);

// gx[n,h,w,c] from gy[n,oh,ow,o]; every element of gx is written.
template <class T>
void conv2d_grad_x(const ConvShape& s, const T* gy, const T* w, T* gx);

// gw[o,kh,kw,c] from gy and x; every element of gw is written.
template <class T>
void conv2d_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw);

}  // namespace munet::cpu

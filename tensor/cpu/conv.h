// Convolution on raw pointers: feature maps [n,h,w,c], weights [o,kh,kw,c]. f32 and f64.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/cpu/gemm.h"
#include "tensor/storage.h"

namespace munet::cpu {

// One convolution's sizes. Output (i,j) meets input rows i*stride + p - top, p in 0..kh-1, and
// columns j*stride + q - left; positions outside the input count as zero. top and left may be
// negative, and output rows may lie wholly outside (the gradients need that).
struct ConvShape {
  int64_t n, h, w, c;  // input
  int64_t o, kh, kw;
  int64_t stride, top, left;
  int64_t oh, ow;  // output
};

// Where weight (o,p,q,c) lies: first + o * o_step + p * p_step + q * q_step + c * c_step, o_step or
// c_step being 1. The data gradient reads the weights with o and c exchanged and the taps turned.
template <class T>
struct WeightView {
  const T* first;
  int64_t o_step, p_step, q_step, c_step;
  const T* at(int64_t o, int64_t p, int64_t q, int64_t c) const {
    return first + o * o_step + p * p_step + q * q_step + c * c_step;
  }
};
template <class T>
WeightView<T> plain_weights(const ConvShape& s, const T* w) {  // [o,kh,kw,c]
  return {w, s.kh * s.kw * s.c, s.kw * s.c, s.c, 1};
}

enum class ConvAlgorithm {
  gemm,      // one product; its left operand, the pixels under each output, is gathered on the way
  narrow,    // few outputs: a product of each pixel with every tap, then sums of shifted results
  winograd,  // winograd.h
  folded     // fold.h, then Winograd
};

// Weights [o,kh,kw,c] as right panels of the matrix [kh*kw*c, o] (gemm) or [c, o*kh*kw] (narrow),
// or winograd_weights, of the folded convolution (folded).
template <class T>
struct ConvWeights {
  ConvAlgorithm algorithm;
  int64_t side;  // of winograd's and folded's patches
  std::unique_ptr<const Storage> storage;
  const T* numbers() const { return static_cast<const T*>(storage->data()); }
};
// Of s only this matters: o, kh, kw, c, stride, top, left. `often`: they will be used many times,
// so that packing and memory may cost more; if not, they are packed for n, oh and ow too.
template <class T>
ConvWeights<T> pack_weights(const ConvShape& s, const WeightView<T>& w, bool often = false);

// y[n,oh,ow,o] = epilogue(x (*) w), n*oh*ow*o*kh*kw*c multiply-adds. The error of gemm and narrow
// is that of gemm.h with k = kh*kw*c; Winograd's see there. Scratch: a few hundred rows of x, for
// narrow n*h*w*o*kh*kw numbers, which are fewer than x has, for folded the folded x: x with
// channels rounded up.
template <class T>
void conv2d(const ConvShape& s, const T* x, const ConvWeights<T>& w, const Epilogue<T>& epilogue,
            T* y);

// gx[n,h,w,c] from gy[n,oh,ow,o]; every element of gx is written.
template <class T>
void conv2d_grad_x(const ConvShape& s, const T* gy, const T* w, T* gx);

// gw[o,kh,kw,c] from gy and x; every element of gw is written.
template <class T>
void conv2d_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw);

}  // namespace munet::cpu

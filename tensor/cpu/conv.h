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

enum class ConvAlgorithm {
  gemm,     // one matrix product; left operand gathered on the way
  winograd  // winograd.h
};

// Weights [o,kh,kw,c] as their algorithm wants them: right panels of the matrix [kh*kw*c, o], or
// winograd_weights.
template <class T>
struct ConvWeights {
  ConvAlgorithm algorithm;
  std::unique_ptr<const Storage> storage;
  const T* numbers() const { return static_cast<const T*>(storage->data()); }
};
// Of s only what describes the weights matters: o, kh, kw, c, stride.
template <class T>
ConvWeights<T> pack_weights(const ConvShape& s, const T* w);

// y[n,oh,ow,o] = epilogue(x (*) w): n*oh*ow*o*kh*kw*c multiply-adds as one matrix product whose
// left operand, the pixels under each output position, is gathered block by block and never stored.
// Error for each element as in gemm.h with k = kh*kw*c.
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

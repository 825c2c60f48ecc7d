// Convolutions of stride 2 as convolutions of stride 1 with four times the channels and half the
// taps: a network's first layers (7x7 on 3 channels) come into Winograd's reach that way.
//
// Along one axis output i meets inputs 2 i + p - top, p in 0..k-1. Let "folded" input u be the pair
// 2 u - base, 2 u + 1 - base with base = top, or top + 1 if top is odd; then output i meets folded
// inputs i + t with t = 0, 1, .., and number e = 0, 1 of that pair through tap p = 2 t + e - (base
// - top), if there is one. On both axes a folded pixel holds 2 x 2 pixels, number (e, f, channel).
#pragma once

#include "tensor/cpu/conv.h"

namespace munet::cpu {

// The stride-1 convolution that s becomes; channels are rounded up to a multiple of 8.
ConvShape folded(const ConvShape& s);

// Whether s has stride 2 and its folded form can run, and gains, by winograd.h.
bool folding_possible(const ConvShape& s);

// Weights w -> [o,k,k,channels] and input [n,h,w,c] -> [n,h,w,channels] of folded(s).
template <class T>
void fold_weights(const ConvShape& s, const WeightView<T>& w, T* to);
template <class T>
void fold_input(const ConvShape& s, const T* x, T* to);

}  // namespace munet::cpu

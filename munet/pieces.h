// One piece per object: of areas apart from each other, the one that goes on from the frame before.
#pragma once

#include "tensor/tensor.h"

namespace munet {

// What objects may keep of their soft masks if each is one area. soft: f32 [n,h,w] on the CPU,
// 0..1, the background has the rest; an object's areas are where it is the most probable, connected
// over sides and corners. Its main one covers most of before[k] ([n,h,w] alike; undefined, or
// nothing covered: the largest). Areas at most a quarter of the main one's side (the root of its
// pixels) away from it belong to it: a pole in front of a man does not cost him an arm. Every pixel
// goes with the area that is nearest. -> f32 [n,h,w] of 1 (keep) and 0; undefined if all is kept.
Tensor one_piece(const Tensor& soft, const Tensor& before);

}  // namespace munet

// MSAM, the motion-enhanced semantic attention module (paper 3.3).
#pragma once

#include "nn/layers.h"

namespace munet {

struct Msam : nn::Module {
  Msam(int depth, Rng& rng) : attention_(depth, 1, 1, {}, rng) {}

  // Eq. (3): F_out = F_s * sigmoid(conv1x1(F_m)) + F_s, one attention value per position.
  // f_s, f_m [n,h,w,d] -> [n,h,w,d].
  Tensor operator()(const Tensor& f_s, const Tensor& f_m) const;
  // sigmoid(conv1x1(F_m)) alone, for pictures: [n,h,w,1] in 0..1.
  Tensor attention(const Tensor& f_m) const;
  void visit(nn::Visitor& v) override { v("attention", attention_); }

 private:
  nn::Conv2d attention_;
};

}  // namespace munet

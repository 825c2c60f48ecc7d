// The MU-Layer (paper 3.2): motion and its uncertainty between two neighbouring frames, as a
// feature.
#pragma once

#include "munet/config.h"
#include "nn/layers.h"

namespace munet {

struct MULayer : nn::Module {
  MULayer(const Config& config, int depth, Rng& rng);

  // f = reduce(r4) / |reduce(r4)|: r4 [n,h,w,d] -> [n,h,w,d/4], unit length. Frame t's result is
  // frame t+1's previous one: computed once. f32 for any r4 (f64 for f64), and so is the match.
  Tensor features(const Tensor& r4);

  // Eq. (1), soft-argmin and Eq. (2): features of frames t and t-1 -> [n,h,w,3] = displacement x, y
  // in cells of 16 pixels, and U in -1..1, the similarity of the best match. U is a *confidence*;
  // what users are shown as uncertainty is 1 - U.
  Tensor match(const Tensor& features_t, const Tensor& features_previous) const;

  // The eight convolutions of Table 1 on (displacement / mu_scale, U) -> F_m [n,h,w,d], computed
  // in `storage`.
  Tensor motion_feature(const Tensor& matched, DType storage = DType::f32) const;

  void visit(nn::Visitor& v) override;

 private:
  Config config_;
  nn::Conv2d reduce_;
  nn::ModuleList<nn::Conv2d> motion_;
};

}  // namespace munet

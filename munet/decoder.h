// STM's decoder (Oh et al. 2019, 3.4): from what the memory says of each object to its mask.
#pragma once

#include "nn/layers.h"

namespace munet {

// y = activation(skip(x) + conv2(relu(conv1(relu(x))))), 3x3, no norm; skip is x, or a 3x3 where
// widths differ.
struct ResBlock : nn::Module {
  ResBlock(int in, int out, Rng& rng);
  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const;
  void visit(nn::Visitor& v) override;

  nn::Conv2d conv1, conv2, skip;
};

// Refine(skip, prev) = res_out(res_skip(conv_skip(skip)) + bilinear x2(prev)).
struct Refine : nn::Module {
  Refine(int skip_channels, int width, Rng& rng);
  // The branch that sees no object: once per frame, [1,h,w,width].
  Tensor skip_branch(const Tensor& skip) const { return res_skip(conv_skip(skip)); }
  // skip [1,h,w,width] of skip_branch, prev [n,h/2,w/2,width] -> activation of [n,h,w,width].
  Tensor operator()(const Tensor& skip, const Tensor& prev,
                    Activation activation = Activation::none) const;
  void visit(nn::Visitor& v) override;

  nn::Conv2d conv_skip;
  ResBlock res_skip, res_out;
};

struct Decoder : nn::Module {
  Decoder(int value_dim, int width, int depth, Rng& rng);

  // read [n,h,w,value_dim] of the memory, value [1,h,w,value_dim] of the query, r3 and r2 of the
  // query's trunk -> z [n,16h,16w]: log-odds of each object, p = sigmoid(z). z = y1 - y0 of the two
  // channels that STM's decoder ends with; upsampling is linear, so the difference is upsampled.
  // z is f32 (f64 for f64).
  Tensor operator()(const Tensor& read, const Tensor& value, const Tensor& r3,
                    const Tensor& r2) const;
  void visit(nn::Visitor& v) override;

  nn::Conv2d conv_in;
  ResBlock res_in;
  Refine refine3, refine2;
  nn::Conv2d pred;
};

}  // namespace munet

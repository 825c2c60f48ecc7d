// ResNet trunks (He et al. 2016), cut after the third stage as in STM (paper 3.1). Names of members
// are torchvision's, so that ImageNet files load as they are.
#pragma once

#include <string>
#include <vector>

#include "nn/layers.h"

namespace munet {

// Basic block (two 3x3) or bottleneck (1x1, 3x3 with the stride, 1x1), with batch norms and a
// projection where the shape changes: y = relu(f(x) + shortcut(x)).
struct ResidualBlock : nn::Module {
  ResidualBlock(bool bottleneck, int in, int width, int stride, Rng& rng);
  Tensor operator()(const Tensor& x);
  void visit(nn::Visitor& v) override;

  bool bottleneck, projects;
  nn::Conv2d conv1, conv2, conv3, downsample;
  nn::BatchNorm2d bn1, bn2, bn3, downsample_bn;
};

// Feature maps of one image (or of one image with each object's mask: n objects).
struct TrunkFeatures {
  Tensor r4, r3, r2;  // [n, h/16, w/16, d], [n, h/8, w/8, d/2], [n, h/4, w/4, d/4]
};

// Enc-Q and Enc-R. Enc-R has mask inputs: further bias-free 7x7/2 convolutions 1 -> 64 whose
// results are added to conv1's before bn1 ("conv1_m", and "conv1_o" where the model's ref_extra is
// set).
struct Trunk : nn::Module {
  Trunk(const std::string& backbone, int mask_inputs, Rng& rng);

  // x [1,h,w,3] prepared, h and w multiples of 16; masks: mask_inputs tensors [n,h,w,1] in 0..1.
  // conv1(x) is computed once for all objects. Gradients: x, masks, parameters.
  TrunkFeatures operator()(const Tensor& x, const Tensors& masks = {});
  void visit(nn::Visitor& v) override;

  int depth() const { return depth_; }  // d: channels of r4

  // In training each block keeps its input only and is computed again by backward: a quarter of the
  // memory, a third more time. Not for blocks whose batch norms use batch statistics.
  bool recompute = false;

 private:
  int mask_inputs_, depth_;
  nn::Conv2d conv1_, conv1_m_, conv1_o_;
  nn::BatchNorm2d bn1_;
  nn::ModuleList<ResidualBlock> layers_[3];
};

}  // namespace munet

#include "munet/resnet.h"

#include "autograd/ops/pool.h"
#include "autograd/recompute.h"

namespace munet {

ResidualBlock::ResidualBlock(bool bottleneck, int in, int width, int stride, Rng& rng)
    : bottleneck(bottleneck) {
  const int out = bottleneck ? 4 * width : width;
  projects = stride != 1 || in != out;
  const auto conv = [&](int c, int o, int kernel, int s) {
    return nn::Conv2d(c, o, kernel, {.stride = s, .padding = kernel / 2, .bias = false}, rng);
  };
  bn1 = nn::BatchNorm2d(width);
  if (bottleneck) {
    conv1 = conv(in, width, 1, 1);
    conv2 = conv(width, width, 3, stride);
    conv3 = conv(width, out, 1, 1);
    bn2 = nn::BatchNorm2d(width);
    bn3 = nn::BatchNorm2d(out);
  } else {
    conv1 = conv(in, width, 3, stride);
    conv2 = conv(width, width, 3, 1);
    bn2 = nn::BatchNorm2d(width);
  }
  if (projects) {
    downsample = conv(in, out, 1, stride);
    downsample_bn = nn::BatchNorm2d(out);
  }
}

Tensor ResidualBlock::operator()(const Tensor& x) {
  const Tensor shortcut = projects ? conv_bn(downsample, downsample_bn, x) : x;
  Tensor y = conv_bn(conv1, bn1, x, {.activation = Activation::relu});
  if (bottleneck) {
    y = conv_bn(conv2, bn2, y, {.activation = Activation::relu});
    return conv_bn(conv3, bn3, y, {.add = shortcut, .activation = Activation::relu});
  }
  return conv_bn(conv2, bn2, y, {.add = shortcut, .activation = Activation::relu});
}

void ResidualBlock::visit(nn::Visitor& v) {
  const auto pair = [&](const char* conv_name, nn::Conv2d& conv, const char* bn_name,
                        nn::BatchNorm2d& bn) {
    v(conv_name, conv);
    v(bn_name, bn);
    v.fold(conv, bn, true);
  };
  pair("conv1", conv1, "bn1", bn1);
  pair("conv2", conv2, "bn2", bn2);
  if (bottleneck) pair("conv3", conv3, "bn3", bn3);
  if (projects) pair("downsample.0", downsample, "downsample.1", downsample_bn);
}

Trunk::Trunk(const std::string& backbone, int mask_inputs, Rng& rng) : mask_inputs_(mask_inputs) {
  const bool bottleneck = backbone == "resnet50";
  check(bottleneck || backbone == "resnet18", "trunk: expected resnet50 or resnet18; given '",
        backbone, "'");
  const int blocks[3] = {bottleneck ? 3 : 2, bottleneck ? 4 : 2, bottleneck ? 6 : 2};
  const nn::Conv2dLayerOptions stem{.stride = 2, .padding = 3, .bias = false};
  conv1_ = nn::Conv2d(3, 64, 7, stem, rng);
  if (mask_inputs > 0) conv1_m_ = nn::Conv2d(1, 64, 7, stem, rng);
  if (mask_inputs > 1) conv1_o_ = nn::Conv2d(1, 64, 7, stem, rng);
  bn1_ = nn::BatchNorm2d(64);
  int in = 64;
  for (int stage = 0; stage < 3; ++stage) {
    const int width = 64 << stage;
    for (int i = 0; i < blocks[stage]; ++i) {
      layers_[stage].items.emplace_back(bottleneck, in, width, stage > 0 && i == 0 ? 2 : 1, rng);
      in = bottleneck ? 4 * width : width;
    }
  }
  depth_ = in;
}

TrunkFeatures Trunk::operator()(const Tensor& x, const Tensors& masks) {
  check<ShapeError>(int(masks.size()) == mask_inputs_, "trunk: expected ", mask_inputs_,
                    " mask inputs; given ", masks.size());
  Tensor y;
  if (masks.empty()) {
    y = conv_bn(conv1_, bn1_, x, {.activation = Activation::relu});
  } else {
    y = conv1_(x);
    if (mask_inputs_ > 1) y = conv1_o_(masks[1], y);
    y = conv_bn(conv1_m_, bn1_, masks[0], {.add_before = y, .activation = Activation::relu});
  }
  y = max_pool2d(y, {.kernel = 3, .stride = 2, .padding = 1});
  const auto run = [&](nn::ModuleList<ResidualBlock>& layer, Tensor z) {
    for (ResidualBlock& block : layer.items) {
      const auto f = [&block](const Tensors& in) { return block(in[0]); };
      z = recompute && !block.bn1.batch_statistics ? checkpoint(f, {z}) : block(z);
    }
    return z;
  };
  TrunkFeatures f;
  f.r2 = run(layers_[0], y);
  f.r3 = run(layers_[1], f.r2);
  f.r4 = run(layers_[2], f.r3);
  return f;
}

void Trunk::visit(nn::Visitor& v) {
  v("conv1", conv1_);
  if (mask_inputs_ > 0) v("conv1_m", conv1_m_);
  if (mask_inputs_ > 1) v("conv1_o", conv1_o_);
  v("bn1", bn1_);
  // One batch norm follows the sum of the stem's convolutions: all carry its factor, one its shift.
  v.fold(conv1_, bn1_, true);
  if (mask_inputs_ > 0) v.fold(conv1_m_, bn1_, false);
  if (mask_inputs_ > 1) v.fold(conv1_o_, bn1_, false);
  v("layer1", layers_[0]);
  v("layer2", layers_[1]);
  v("layer3", layers_[2]);
}

}  // namespace munet

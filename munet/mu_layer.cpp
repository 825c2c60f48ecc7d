#include "munet/mu_layer.h"

#include "autograd/ops/correlation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"

namespace munet {

namespace {

// Costs are compared and summed in f32 where maps are stored in half.
DType precise(DType storage) { return storage == DType::f64 ? storage : DType::f32; }

}  // namespace

MULayer::MULayer(const Config& config, int depth, Rng& rng)
    : config_(config), reduce_(depth, depth / 4, 1, {}, rng) {
  struct Row {
    int in, out, kernel;
  };
  const Row table1[] = {{3, 3, 7},   {3, 16, 1},  {16, 16, 3}, {16, 32, 1},
                        {32, 32, 3}, {32, 32, 1}, {32, 64, 3}, {64, depth, 1}};
  for (const Row& row : table1)
    motion_.items.emplace_back(row.in, row.out, row.kernel,
                               nn::Conv2dLayerOptions{.padding = row.kernel / 2}, rng);
}

Tensor MULayer::features(const Tensor& r4) {
  return l2_normalize(cast(reduce_(r4), precise(r4.dtype())), 1e-6);
}

Tensor MULayer::match(const Tensor& features_t, const Tensor& features_previous) const {
  return match_window(features_t, features_previous,
                      {.window = config_.window,
                       .temperature = config_.mu_tau,
                       .sign = config_.mu_sign,
                       .border = config_.border == "exclude" ? Border::exclude : Border::zero});
}

Tensor MULayer::motion_feature(const Tensor& matched, DType storage) const {
  const double unit = 1 / config_.mu_scale;
  const double confidence = config_.motion == "displacement" ? 0 : 1;
  const auto constant = [&](int64_t size, double value) {  // made where it is used, not sent there
    return Tensor::full({size}, value, matched.dtype(), matched.device());
  };
  const Tensor factors = concat({constant(2, unit), constant(1, confidence)}, 0);
  Tensor x = cast(mul(matched, factors), storage);
  for (std::size_t i = 0; i + 1 < motion_.items.size(); ++i)
    x = motion_.items[i](x, {}, Activation::relu);
  return motion_.items.back()(x);
}

void MULayer::visit(nn::Visitor& v) {
  v("reduce", reduce_);
  v("motion", motion_);
}

}  // namespace munet

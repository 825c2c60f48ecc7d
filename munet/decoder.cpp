#include "munet/decoder.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/upsample.h"

namespace munet {
namespace {

constexpr nn::Conv2dLayerOptions kSame3x3{.padding = 1};

Tensor enlarge(const Tensor& x, int factor) {
  return upsample_bilinear(x, {.height = x.dim(1) * factor, .width = x.dim(2) * factor});
}

}  // namespace

ResBlock::ResBlock(int in, int out, Rng& rng)
    : conv1(in, out, 3, kSame3x3, rng), conv2(out, out, 3, kSame3x3, rng) {
  if (in != out) skip = nn::Conv2d(in, out, 3, kSame3x3, rng);
}

Tensor ResBlock::operator()(const Tensor& x, Activation activation) const {
  const Tensor shortcut = skip.weight || skip.frozen() ? skip(x) : x;
  return conv2(conv1(relu(x), {}, Activation::relu), shortcut, activation);
}

void ResBlock::visit(nn::Visitor& v) {
  v("conv1", conv1);
  v("conv2", conv2);
  if (skip.weight || skip.frozen()) v("skip", skip);
}

Refine::Refine(int skip_channels, int width, Rng& rng)
    : conv_skip(skip_channels, width, 3, kSame3x3, rng),
      res_skip(width, width, rng),
      res_out(width, width, rng) {}

Tensor Refine::operator()(const Tensor& skip, const Tensor& prev, Activation activation) const {
  return res_out(add(enlarge(prev, 2), skip), activation);
}

void Refine::visit(nn::Visitor& v) {
  v("conv_skip", conv_skip);
  v("res_skip", res_skip);
  v("res_out", res_out);
}

Decoder::Decoder(int value_dim, int width, int depth, Rng& rng)
    : conv_in(2 * value_dim, width, 3, kSame3x3, rng),
      res_in(width, width, rng),
      refine3(depth / 2, width, rng),
      refine2(depth / 4, width, rng),
      pred(width, 2, 3, kSame3x3, rng) {}

Tensor Decoder::operator()(const Tensor& read, const Tensor& value, const Tensor& r3,
                           const Tensor& r2) const {
  const int64_t n = read.dim(0);
  const Tensor shared = n == 1 ? value : concat(Tensors(std::size_t(n), value), 0);
  Tensor y = res_in(conv_in(concat({read, shared}, 3)));
  y = refine3(refine3.skip_branch(r3), y);
  y = pred(refine2(refine2.skip_branch(r2), y, Activation::relu));
  if (y.dtype() != DType::f64) y = cast(y, DType::f32);  // odds compete in f32
  const Tensor z = enlarge(sub(narrow(y, 3, 1, 1), narrow(y, 3, 0, 1)), 4);
  return reshape(z, Shape{n, z.dim(1), z.dim(2)});
}

void Decoder::visit(nn::Visitor& v) {
  v("conv_in", conv_in);
  v("res_in", res_in);
  v("refine3", refine3);
  v("refine2", refine2);
  v("pred", pred);
}

}  // namespace munet

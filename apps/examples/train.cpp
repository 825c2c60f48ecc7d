// Trains a toy network with the engine: four convolutions learn to find the disc, and not the
// square of the same colour. Prints the loss, and how well it does on pictures it has not seen.
#include <cmath>
#include <iostream>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "nn/layers.h"
#include "nn/optim.h"

using namespace munet;

struct Net : nn::Module {
  explicit Net(Rng& rng)
      : conv1(3, 12, 3, {.padding = 1}, rng),
        conv2(12, 12, 5, {.stride = 2, .padding = 2}, rng),
        conv3(12, 12, 5, {.padding = 2}, rng),
        conv4(12, 2, 3, {.padding = 1}, rng) {}
  // x [n,h,w,3] -> logits [n,h,w,2] of background and disc
  Tensor operator()(const Tensor& x) const {
    Tensor y = conv1(x, {}, Activation::relu);
    y = conv3(conv2(y, {}, Activation::relu), {}, Activation::relu);
    return upsample_bilinear(conv4(y), {.height = x.dim(1), .width = x.dim(2)});
  }
  void visit(nn::Visitor& v) override {
    v("conv1", conv1), v("conv2", conv2), v("conv3", conv3), v("conv4", conv4);
  }
  nn::Conv2d conv1, conv2, conv3, conv4;
};

struct Batch {
  Tensor x, target;  // [n,32,32,3]; [n,32,32], 1 on the disc
};
Batch draw(int n, uint64_t seed) {
  Batch b{Tensor::empty({n, 32, 32, 3}), Tensor::empty({n, 32, 32}, DType::u8)};
  for (int k = 0; k < n; ++k) {
    const auto at = [&](int i) { return 8 + 16 * random_uniform(seed, uint64_t(4 * k + i)); };
    const double x = at(0), y = at(1), u = at(2), v = at(3);  // middles of disc and square
    for (int i = 0; i < 32 * 32; ++i) {
      const bool disc = std::hypot(i / 32 - y, i % 32 - x) < 7;
      const bool square = std::max(std::abs(i / 32 - v), std::abs(i % 32 - u)) < 3;
      float* pixel = b.x.data<float>() + (k * 1024 + i) * 3;
      for (int c = 0; c < 3; ++c)
        pixel[c] = float(0.3 * random_uniform(seed + 1, uint64_t((k * 1024 + i) * 3 + c)));
      if (disc || square) pixel[0] += 0.6f;
      b.target.data<uint8_t>()[k * 1024 + i] = disc;
    }
  }
  return b;
}

int main() {
  Rng rng{7};
  Net net(rng);
  nn::AdamW optimizer({{.parameters = nn::parameters(net)}});
  for (int step = 0; step < 300; ++step) {
    const Batch batch = draw(8, uint64_t(2 * step));
    const Tensor loss = cross_entropy(net(batch.x), batch.target);
    nn::zero_grad(nn::parameters(net));
    backward(loss);
    optimizer.step(1e-2 * nn::cosine_decay(step, 300));
    if (step % 100 == 0) std::cout << "step " << step << ": loss " << loss.item() << "\n";
  }
  NoGrad no_grad;
  const Batch unseen = draw(16, 999983);
  const double loss = cross_entropy(net(unseen.x), unseen.target).item();
  std::cout << "unseen pictures: loss " << loss << "\n";
  return loss < 0.1 ? 0 : 1;
}

#include "nn/init.h"

#include <cmath>
#include <utility>

#include "tensor/parallel.h"

namespace munet::nn {
namespace {

thread_local bool skipped = false;

template <class F>
void fill(const char* op, const Tensor& x, F&& value) {
  check<DeviceError>(x.device().kind == Device::cpu, op, ": expected a CPU tensor, given ",
                     x.device(), " ", x.shape());
  if (skipped) return;
  for_float(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    T* to = x.data<T>();
    parallel_for(x.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = T(value(uint64_t(i)));
    });
  });
}

void check_weight(const char* op, const Tensor& w) {
  check<ShapeError>(w.rank() == 4 && w.numel() > 0, op, ": expected weights [o, kh, kw, c], given ",
                    w.shape());
}

}  // namespace

SkipInit::SkipInit() : before_(std::exchange(skipped, true)) {}
SkipInit::~SkipInit() { skipped = before_; }

Rng named_rng(uint64_t seed, std::string_view name) {
  return {random_bits(seed, name_seed(name)), 0};
}

void fill_uniform(const Tensor& x, double low, double high, Rng& rng) {
  fill("fill_uniform", x, [=, &rng](uint64_t i) {
    return low + (high - low) * random_uniform(rng.seed, rng.next + i);
  });
  rng.next += uint64_t(x.numel());
}

void fill_normal(const Tensor& x, double mean, double deviation, Rng& rng) {
  const uint64_t seed = rng.bits();
  fill("fill_normal", x, [=](uint64_t i) { return mean + deviation * random_normal(seed, i); });
}

void fill_conv_default(const Tensor& w, const Tensor& bias, Rng& rng) {
  check_weight("fill_conv_default", w);
  const double bound = 1 / std::sqrt(double(w.numel() / w.dim(0)));
  fill_uniform(w, -bound, bound, rng);
  if (bias) fill_uniform(bias, -bound, bound, rng);
}

void fill_kaiming_normal(const Tensor& w, Rng& rng) {
  check_weight("fill_kaiming_normal", w);
  fill_normal(w, 0, std::sqrt(2 / double(w.numel() / w.dim(3))), rng);
}

}  // namespace munet::nn

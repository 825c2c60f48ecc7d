// CPU bodies of update.h: in parallel, with the same result for any number of threads.
#include "autograd/ops/update.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/parallel.h"

namespace munet::kernels {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements: about 10 us of work
constexpr int64_t kLanes = 8;        // sums side by side, so that none waits for the one before it

template <class T>
double sum_of_squares(const T* p, int64_t count) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += double(p[i + k]) * double(p[i + k]);
  for (; i < count; ++i) lanes[i % kLanes] += double(p[i]) * double(p[i]);
  return std::accumulate(lanes, lanes + kLanes, 0.0);
}

void adamw_cpu(const std::vector<AdamWStep>& steps, AdamWConstants constants) {
  for (const AdamWStep& step : steps)
    for_float(step.p.dtype(), "AdamW", [&](auto zero) {
      using T = decltype(zero);
      // Scalars are rounded where PyTorch rounds them.
      const T keep = T(step.keep), toward = T(1 - constants.beta1), beta2 = T(constants.beta2),
              rest2 = T(1 - constants.beta2), eps = T(constants.eps), size = T(step.size),
              divisor = T(step.root);
      T *p = step.p.data<T>(), *m = step.m.data<T>(), *v = step.v.data<T>();
      const T* g = step.g.data<T>();
      parallel_for(step.p.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          m[i] += toward * (g[i] - m[i]);
          v[i] = v[i] * beta2 + rest2 * g[i] * g[i];
          p[i] = p[i] * keep + size * m[i] / (std::sqrt(v[i]) / divisor + eps);
        }
      });
    });
}

std::vector<double> sums_of_squares_cpu(const Tensors& tensors) {
  std::vector<double> totals;
  for (const Tensor& x : tensors) {
    // One sum per block, added in order: the threads do not show.
    std::vector<double> sums(std::size_t((x.numel() + kGrain - 1) / kGrain));
    for_float(x.dtype(), "sums_of_squares", [&](auto zero) {
      const auto* p = x.data<decltype(zero)>();
      parallel_for(int64_t(sums.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b)
          sums[std::size_t(b)] =
              sum_of_squares(p + b * kGrain, std::min(kGrain, x.numel() - b * kGrain));
      });
    });
    totals.push_back(0);
    for (const double part : sums) totals.back() += part;
  }
  return totals;
}

void move_toward_cpu(const Tensors& to, const Tensors& from, double rest) {
  for (std::size_t k = 0; k < to.size(); ++k)
    for_float(to[k].dtype(), "move_toward", [&](auto zero) {
      using T = decltype(zero);
      const T* p = from[k].data<T>();
      T* e = to[k].data<T>();
      parallel_for(to[k].numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) e[i] += T(rest) * (p[i] - e[i]);
      });
    });
}

void scale_all_cpu(const Tensors& tensors, double factor) {
  for (const Tensor& x : tensors)
    for_float(x.dtype(), "scale_all", [&](auto zero) {
      using T = decltype(zero);
      T* p = x.data<T>();
      parallel_for(x.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) p[i] *= T(factor);
      });
    });
}

}  // namespace

Kernel<void(const std::vector<AdamWStep>&, AdamWConstants)> adamw{"adamw", adamw_cpu};
Kernel<std::vector<double>(const Tensors&)> sums_of_squares{"sums_of_squares", sums_of_squares_cpu};
Kernel<void(const Tensors&, const Tensors&, double)> move_toward{"move_toward", move_toward_cpu};
Kernel<void(const Tensors&, double)> scale_all{"scale_all", scale_all_cpu};

}  // namespace munet::kernels

// What stands between the decoder and the loss: cross entropy, soft aggregation, mask IoU. Declared
// in softmax.h; read softmax.cpp first.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "autograd/node.h"
#include "autograd/ops/softmax.h"
#include "tensor/cpu/rows.h"
#include "tensor/parallel.h"

namespace munet {
namespace kernels {
namespace {

constexpr int64_t kPixels = 4096;  // per range

// ---- cross entropy

// ln(sum_j exp(x_j)) of k numbers.
template <class T>
double log_sum_exp(const T* x, int64_t k) {
  const T largest = *std::max_element(x, x + k);
  double total = 0;
  for (int64_t j = 0; j < k; ++j) total += std::exp(x[j] - largest);
  return largest + std::log(total);
}

// Marks the `kept` largest of `losses`, lower index first among equals, and returns their sum.
// NaN counts as the largest, so that a broken network shows in its loss.
template <class T>
double select_largest(const T* losses, int64_t pixels, int64_t kept, uint8_t* selected) {
  const auto key = [](T loss) { return std::isnan(loss) ? T(INFINITY) : loss; };
  T threshold = -T(INFINITY);
  int64_t equal = kept;  // how many of those equal to the threshold are taken
  if (kept < pixels) {
    std::vector<T> order(losses, losses + pixels);
    std::transform(order.begin(), order.end(), order.begin(), key);
    std::nth_element(order.begin(), order.begin() + kept - 1, order.end(), std::greater<T>());
    threshold = order[std::size_t(kept - 1)];
    equal -= std::count_if(order.begin(), order.begin() + kept,
                           [&](T loss) { return loss > threshold; });
  }
  double total = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    const T loss = key(losses[i]);
    const bool take = loss > threshold || (loss == threshold && equal-- > 0);
    if (take) total += losses[i];
    if (selected) selected[i] = take;
  }
  return total;
}

void cross_entropy_forward_cpu(const Tensor& logits, const Tensor& labels, int64_t kept,
                               const Tensor& loss, const Tensor& selected) {
  const int64_t n = logits.dim(0), k = logits.dim(3), pixels = labels.numel() / n;
  for_float(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    const T* from = logits.data<T>();
    const uint8_t* label = labels.data<uint8_t>();
    std::vector<T> losses(std::size_t(n * pixels));
    parallel_for(n * pixels, kPixels, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        losses[std::size_t(i)] = T(log_sum_exp(from + i * k, k) - from[i * k + label[i]]);
      }
    });
    double total = 0;
    for (int64_t image = 0; image < n; ++image)
      total += select_largest(losses.data() + image * pixels, pixels, kept,
                              selected ? selected.data<uint8_t>() + image * pixels : nullptr);
    *loss.data<T>() = T(total / double(n * kept));
  });
}

// glogits = gy / (n * kept) * (softmax(logits) - [j == label]) where selected, else 0.
void cross_entropy_backward_cpu(const Tensor& logits, const Tensor& labels, const Tensor& selected,
                                int64_t kept, const Tensor& gy, const Tensor& glogits) {
  const int64_t k = logits.dim(3);
  for_float(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    const T* from = logits.data<T>();
    const uint8_t *label = labels.data<uint8_t>(), *chosen = selected.data<uint8_t>();
    T* to = glogits.data<T>();
    const T factor = T(*gy.data<T>() / double(logits.dim(0) * kept));
    parallel_for(labels.numel(), kPixels, [&](int64_t begin, int64_t end) {
      std::fill(to + begin * k, to + end * k, T(0));
      for (int64_t i = begin; i < end; ++i) {
        if (!chosen[i]) continue;
        const T total = T(log_sum_exp(from + i * k, k));
        for (int64_t j = 0; j < k; ++j)
          to[i * k + j] = factor * (std::exp(from[i * k + j] - total) - T(j == label[i]));
      }
    });
  });
}

// ---- soft aggregation

// ln b - ln(1 - b) = -ln(1/b - 1), and 1/b = prod_k (1 + exp z_k). So with q = 1/b - 1, which is
//   q_0 = 0,  q_k = q_{k-1} + exp(z_k) * (1 + q_{k-1}),
// a sum of positive terms without any cancellation, z_0 = -ln q and dz_0/dz_k =
// -sigmoid(z_k)(1+q)/q. Limits keep q and exp(z) finite; beyond them z_0 is clamped anyway.
constexpr double kLimit = 16.118095550958320;  // ln((1 - 1e-7) / 1e-7)
constexpr int64_t kBlock = 256;                // pixels

template <class T>
T background(T q) {
  return -std::log(std::max(q, T(1e-30)));
}

// Calls f(begin, q, power, n) for blocks of n pixels from `begin` on: their q, and exp(z) of object
// k at power[k * kBlock].
template <class T, class F>
void for_odds(const T* z, int64_t objects, int64_t pixels, F&& f) {
  parallel_for(pixels, kPixels, [&](int64_t range_begin, int64_t range_end) {
    std::vector<T> power(std::size_t(objects * kBlock));
    T q[kBlock];
    for (int64_t begin = range_begin; begin < range_end; begin += kBlock) {
      const int64_t n = std::min(kBlock, range_end - begin);
      std::fill_n(q, n, T(0));
      for (int64_t k = 0; k < objects; ++k) {
        T* e = power.data() + k * kBlock;
        for (int64_t i = 0; i < n; ++i) e[i] = std::min(z[k * pixels + begin + i], T(40));
        cpu::exp_row(n, T(1), T(0), e, e, 8);
        for (int64_t i = 0; i < n; ++i) q[i] = std::min(q[i] + e[i] * (1 + q[i]), T(1e30));
      }
      f(begin, q, power.data(), n);
    }
  });
}

void soft_aggregate_forward_cpu(const Tensor& z, const Tensor& logits) {
  const int64_t objects = z.dim(0), pixels = z.dim(1) * z.dim(2), channels = objects + 1;
  for_float(z.dtype(), "soft_aggregate", [&](auto zero) {
    using T = decltype(zero);
    const T* from = z.data<T>();
    T* to = logits.data<T>();
    const T limit = T(kLimit);
    for_odds(from, objects, pixels, [&](int64_t begin, const T* q, const T*, int64_t n) {
      for (int64_t i = 0; i < n; ++i)
        to[(begin + i) * channels] = std::clamp(background(q[i]), -limit, limit);
      for (int64_t k = 0; k < objects; ++k)
        for (int64_t i = begin; i < begin + n; ++i)
          to[i * channels + k + 1] = std::clamp(from[k * pixels + i], -limit, limit);
    });
  });
}

void soft_aggregate_backward_cpu(const Tensor& z, const Tensor& glogits, const Tensor& gz) {
  const int64_t objects = z.dim(0), pixels = z.dim(1) * z.dim(2), channels = objects + 1;
  for_float(z.dtype(), "soft_aggregate", [&](auto zero) {
    using T = decltype(zero);
    const T *from = z.data<T>(), *pg = glogits.data<T>();
    T* to = gz.data<T>();
    const T limit = T(kLimit);
    for_odds(from, objects, pixels, [&](int64_t begin, const T* q, const T* power, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const T* g = pg + (begin + i) * channels;
        const bool open = std::abs(background(q[i])) <= limit;
        const T slope = open ? g[0] * ((1 + q[i]) / q[i]) : T(0);
        for (int64_t k = 0; k < objects; ++k) {
          const int64_t at = k * pixels + begin + i;
          const T e = power[k * kBlock + i], own = std::abs(from[at]) <= limit ? g[k + 1] : T(0);
          to[at] = own - slope * (e / (1 + e));
        }
      }
    });
  });
}

// ---- mask IoU

// The partial sums of one range of pixels for one object.
struct Overlap {
  double intersection = 0, both = 0;
  int64_t present = 0;
};

void mask_iou_forward_cpu(const Tensor& probability, const Tensor& labels, const Tensor& loss,
                          const Tensor& areas) {
  const int64_t channels = probability.dim(3), pixels = labels.numel();
  for_float(probability.dtype(), "mask_iou_loss", [&](auto zero) {
    using T = decltype(zero);
    const T* p = probability.data<T>();
    const uint8_t* label = labels.data<uint8_t>();
    std::vector<Overlap> parts(std::size_t((pixels + kPixels - 1) / kPixels * channels));
    parallel_for(pixels, kPixels, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Overlap* part = parts.data() + i / kPixels * channels;
        for (int64_t k = 1; k < channels; ++k) {
          const double m = label[i] == k, value = p[i * channels + k];
          part[k].intersection += std::min(value, m);
          part[k].both += std::max(value, m);
          part[k].present += label[i] == k;
        }
      }
    });
    double total = 0;
    int64_t count = 0;
    for (int64_t k = 0; k < channels; ++k) {
      Overlap sum;
      for (std::size_t i = std::size_t(k); i < parts.size(); i += std::size_t(channels)) {
        sum.intersection += parts[i].intersection;
        sum.both += parts[i].both;
        sum.present += parts[i].present;
      }
      if (!sum.present) sum = {};
      areas.data<double>()[2 * k] = sum.intersection;
      areas.data<double>()[2 * k + 1] = sum.both;
      if (sum.present) total += 1 - sum.intersection / sum.both, ++count;
    }
    *loss.data<T>() = count ? T(total / double(count)) : T(0);
  });
}

// d(1 - I/B)/dp = -[p < m] / B + [p > m] I / B^2.
void mask_iou_backward_cpu(const Tensor& probability, const Tensor& labels, const Tensor& areas,
                           const Tensor& gy, const Tensor& gprobability) {
  const int64_t channels = probability.dim(3);
  for_float(probability.dtype(), "mask_iou_loss", [&](auto zero) {
    using T = decltype(zero);
    const T* p = probability.data<T>();
    const uint8_t* label = labels.data<uint8_t>();
    T* to = gprobability.data<T>();
    std::vector<T> inside(std::size_t(channels), 0), outside(std::size_t(channels), 0);
    const double* area = areas.data<double>();
    int64_t count = 0;
    for (int64_t k = 1; k < channels; ++k) count += area[2 * k + 1] > 0;
    for (int64_t k = 1; k < channels; ++k) {
      if (!(area[2 * k + 1] > 0)) continue;
      const double g = double(*gy.data<T>()) / double(count) / area[2 * k + 1];
      inside[std::size_t(k)] = T(-g);
      outside[std::size_t(k)] = T(g * area[2 * k] / area[2 * k + 1]);
    }
    parallel_for(labels.numel(), kPixels, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t k = 0; k < channels; ++k) {
          const T m = T(label[i] == k), value = p[i * channels + k];
          to[i * channels + k] = value < m   ? inside[std::size_t(k)]
                                 : value > m ? outside[std::size_t(k)]
                                             : T(0);
        }
    });
  });
}

}  // namespace

Kernel<void(const Tensor&, const Tensor&, int64_t, const Tensor&, const Tensor&)>
    cross_entropy_forward{"cross_entropy_forward", cross_entropy_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, int64_t, const Tensor&, const Tensor&)>
    cross_entropy_backward{"cross_entropy_backward", cross_entropy_backward_cpu};
Kernel<void(const Tensor&, const Tensor&)> soft_aggregate_forward{"soft_aggregate_forward",
                                                                  soft_aggregate_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&)> soft_aggregate_backward{
    "soft_aggregate_backward", soft_aggregate_backward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> mask_iou_forward{
    "mask_iou_forward", mask_iou_forward_cpu};
Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>
    mask_iou_backward{"mask_iou_backward", mask_iou_backward_cpu};

}  // namespace kernels

namespace {

void check_labels(const char* op, const char* what, const Tensor& x, const Tensor& labels) {
  check<ShapeError>(x.rank() == 4 && labels.rank() == 3 && x.dim(0) == labels.dim(0) &&
                        x.dim(1) == labels.dim(1) && x.dim(2) == labels.dim(2) && x.numel() > 0,
                    op, ": expected ", what, " [n,h,w,k] and labels [n,h,w], not empty; given ",
                    x.shape(), " and ", labels.shape());
  check<DTypeError>(labels.dtype() == DType::u8, op, ": expected labels of u8; given ",
                    labels.dtype());
  check<DeviceError>(x.device() == labels.device(), op, ": expected equal devices; ", what, " on ",
                     x.device(), ", labels on ", labels.device());
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double keep) {
  check_labels("cross_entropy", "logits", logits, labels);
  check(keep > 0 && keep <= 1, "cross_entropy: expected 0 < keep <= 1; given ", keep);
  if (labels.device().kind == Device::cpu) {
    const uint8_t* label = labels.data<uint8_t>();
    const int64_t largest = *std::max_element(label, label + labels.numel());
    check(largest < logits.dim(3), "cross_entropy: expected labels below ", logits.dim(3),
          "; given ", largest);
  }
  const int64_t pixels = logits.dim(1) * logits.dim(2);
  const int64_t kept = std::max<int64_t>(1, int64_t(keep * double(pixels)));
  const Tensor loss = Tensor::empty({}, logits.dtype(), logits.device());
  Tensor selected;
  if (recording(logits)) selected = Tensor::empty(labels.shape(), DType::u8, labels.device());
  kernels::cross_entropy_forward(logits.device(), logits, labels, kept, loss, selected);
  if (!recording(logits)) return loss;
  return record(loss, "cross_entropy", {logits},
                [logits = logits.detach(), labels, selected, kept](const Tensor& gy) -> Tensors {
                  const Tensor g = Tensor::empty(logits.shape(), logits.dtype(), logits.device());
                  kernels::cross_entropy_backward(g.device(), logits, labels, selected, kept, gy,
                                                  g);
                  return {g};
                });
}

Tensor soft_aggregate(const Tensor& z) {
  check<ShapeError>(z.rank() == 3, "soft_aggregate: expected z [n,h,w]; given ", z.shape());
  const Tensor logits = Tensor::empty({1, z.dim(1), z.dim(2), z.dim(0) + 1}, z.dtype(), z.device());
  kernels::soft_aggregate_forward(z.device(), z, logits);
  if (!recording(z)) return logits;
  return record(logits, "soft_aggregate", {z}, [z = z.detach()](const Tensor& gy) -> Tensors {
    const Tensor gz = Tensor::empty(z.shape(), z.dtype(), z.device());
    kernels::soft_aggregate_backward(z.device(), z, gy, gz);
    return {gz};
  });
}

Tensor mask_iou_loss(const Tensor& probability, const Tensor& labels) {
  check_labels("mask_iou_loss", "probability", probability, labels);
  check<ShapeError>(probability.dim(0) == 1, "mask_iou_loss: expected one image; given ",
                    probability.shape());
  const Tensor loss = Tensor::empty({}, probability.dtype(), probability.device());
  const Tensor areas = Tensor::empty({probability.dim(3), 2}, DType::f64, probability.device());
  kernels::mask_iou_forward(loss.device(), probability, labels, loss, areas);
  if (!recording(probability)) return loss;
  return record(loss, "mask_iou_loss", {probability},
                [p = probability.detach(), labels, areas](const Tensor& gy) -> Tensors {
                  const Tensor g = Tensor::empty(p.shape(), p.dtype(), p.device());
                  kernels::mask_iou_backward(g.device(), p, labels, areas, gy, g);
                  return {g};
                });
}

}  // namespace munet

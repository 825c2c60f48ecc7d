// Twin of autograd/ops/losses.cpp: cross entropy with the selection of its largest terms on the
// device, soft aggregation, mask IoU. f32 and f64.
#pragma once

#include <array>

#include "autograd/ops/softmax.h"
#include "ops_cuda/reduce_twins.h"

namespace munet::cuda {

// ---- cross entropy

// loss = ln(sum_j exp(x_j)) - x_label; NaN for a label that there is not: the host is not asked.
template <class T>
struct PixelLossBody {
  int64_t k;
  const T* logits;
  const uint8_t* labels;
  T* losses;
  HOST_DEVICE void operator()(uint32_t i) const {
    const T* x = logits + int64_t(i) * k;
    T largest = x[0], total = 0;
    for (int64_t j = 1; j < k; ++j) largest = x[j] > largest ? x[j] : largest;
    for (int64_t j = 0; j < k; ++j) total += std::exp(x[j] - largest);
    losses[i] = labels[i] < k ? largest - x[labels[i]] + std::log(total) : T(NAN);
  }
};

// A loss as bits in the order of the numbers; NaN counts as infinity.
template <class T>
struct LossKey {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  static constexpr int kBits = 8 * sizeof(T);
  HOST_DEVICE static Bits of(T loss) {
    if (loss != loss) loss = T(INFINITY);
    loss += T(0);  // -0 and 0 are equal
    Bits bits;
    memcpy(&bits, &loss, sizeof(bits));
    const Bits sign = Bits(1) << (kBits - 1);
    return bits & sign ? ~bits : bits | sign;
  }
};

// Marks the `kept` largest losses of an image, lower index first among equals: finds the smallest
// (key, place) that is kept by four bits at a time, counting the numbers that begin with what was
// found so far. One block per image; place = pixels - 1 - index.
template <class T>
struct SelectBody {
  using Key = LossKey<T>;
  using Bits = typename Key::Bits;
  static constexpr int kThreads = 512, kDigits = 16;
  struct Local {};
  struct Shared {
    uint32_t count[kDigits][kThreads];
    Bits key;         // found so far, shifted down
    uint32_t place;   // likewise
    uint32_t wanted;  // how many of those that begin like this are kept
    bool found;       // all of them
  };
  int64_t pixels, kept;
  int place_bits;  // a multiple of four
  const T* losses;
  uint8_t* selected;

  // Counts the digits at `shift` of keys (or, the key being known, of places) that begin as found.
  template <class Block>
  HOST_DEVICE void count(Block& block, Shared& shared, const T* from, int shift,
                         bool places) const {
    block.each([&](int t, Local&) {
      for (int d = 0; d < kDigits; ++d) shared.count[d][t] = 0;
      for (int64_t i = t; i < pixels; i += kThreads) {
        const Bits key = Key::of(from[i]);
        const uint32_t place = uint32_t(pixels - 1 - i);
        // Shifts by all bits of a type are not defined: the top digit has nothing before it.
        const bool begins = places ? key == shared.key && (shift + 4 >= place_bits ||
                                                           place >> (shift + 4) == shared.place)
                                   : shift + 4 >= Key::kBits || key >> (shift + 4) == shared.key;
        if (begins) ++shared.count[places ? place >> shift & 15 : uint32_t(key >> shift) & 15][t];
      }
    });
    for (int half = kThreads / 2; half > 0; half /= 2)
      block.each([&](int t, Local&) {
        if (t < half)
          for (int d = 0; d < kDigits; ++d) shared.count[d][t] += shared.count[d][t + half];
      });
    block.each([&](int t, Local&) {
      if (t) return;
      int digit = kDigits - 1;
      while (digit > 0 && shared.count[digit][0] < shared.wanted)
        shared.wanted -= shared.count[digit--][0];
      shared.found = shared.count[digit][0] == shared.wanted;
      if (places) {
        shared.place = shared.place << 4 | uint32_t(digit);
        if (shared.found) shared.place <<= shift;
      } else {
        shared.key = shared.key << 4 | Bits(digit);
        if (shared.found) shared.key <<= shift;
      }
    });
  }

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t image, Shared& shared) const {
    const T* from = losses + image * pixels;
    block.each([&](int t, Local&) {
      if (t) return;
      shared.key = 0;
      shared.place = 0;
      shared.wanted = uint32_t(kept);
      shared.found = false;
    });
    for (int shift = Key::kBits - 4; shift >= 0 && !shared.found; shift -= 4)
      count(block, shared, from, shift, false);
    for (int shift = place_bits - 4; shift >= 0 && !shared.found; shift -= 4)
      count(block, shared, from, shift, true);
    block.each([&](int t, Local&) {
      for (int64_t i = t; i < pixels; i += kThreads) {
        const Bits key = Key::of(from[i]);
        selected[image * pixels + i] =
            key > shared.key || (key == shared.key && uint32_t(pixels - 1 - i) >= shared.place);
      }
    });
  }
};

template <class T>
struct SelectedLoss {
  using Value = T;
  static constexpr int kSums = 1;
  const T* losses;
  const uint8_t* selected;
  HOST_DEVICE void operator()(int64_t row, int64_t, Value* value) const {
    *value = selected[row] ? losses[row] : T(0);
  }
};

template <class Run>
void cross_entropy_forward(const Tensor& logits, const Tensor& labels, int64_t kept,
                           const Tensor& loss, const Tensor& wanted_selection) {
  const Device device = logits.device();
  const int64_t n = logits.dim(0), pixels = labels.numel() / n;
  check(pixels < (int64_t{1} << 31), "cross_entropy: expected fewer than 2^31 pixels on a GPU");
  for_precise(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    const Tensor losses = Tensor::empty({n, pixels}, logits.dtype(), device);
    const Tensor selected =
        wanted_selection ? wanted_selection : Tensor::empty(labels.shape(), DType::u8, device);
    Run::loop("cross_entropy", n * pixels,
              PixelLossBody<T>{logits.dim(3), logits.data<T>(), labels.data<uint8_t>(),
                               losses.data<T>()});
    int place_bits = 4;
    while (place_bits < 32 && (pixels - 1) >> place_bits) place_bits += 4;
    Run::blocks(
        "cross_entropy selection", n,
        SelectBody<T>{pixels, kept, place_bits, losses.data<T>(), selected.data<uint8_t>()});
    sum_middle<Run>("cross_entropy mean", device,
                    SelectedLoss<T>{losses.data<T>(), selected.data<uint8_t>()}, 1, n * pixels, 1,
                    1 / double(n * kept), std::array{loss.data<T>()});
  });
}

template <class T>
struct CrossEntropySlopeBody {
  int64_t k;
  double kept;  // of all images
  const T* logits;
  const uint8_t *labels, *selected;
  const T* gy;
  T* to;
  HOST_DEVICE void operator()(uint32_t i) const {
    const T* x = logits + int64_t(i) * k;
    T* g = to + int64_t(i) * k;
    T largest = x[0], total = 0;
    for (int64_t j = 1; j < k; ++j) largest = x[j] > largest ? x[j] : largest;
    for (int64_t j = 0; j < k; ++j) total += std::exp(x[j] - largest);
    const T factor = T(double(*gy) / kept), shift = std::log(total);
    for (int64_t j = 0; j < k; ++j)
      g[j] = selected[i] ? factor * (std::exp(x[j] - largest - shift) - T(j == labels[i])) : T(0);
  }
};

template <class Run>
void cross_entropy_backward(const Tensor& logits, const Tensor& labels, const Tensor& selected,
                            int64_t kept, const Tensor& gy, const Tensor& glogits) {
  for_precise(logits.dtype(), "cross_entropy", [&](auto zero) {
    using T = decltype(zero);
    Run::loop("cross_entropy_backward", labels.numel(),
              CrossEntropySlopeBody<T>{logits.dim(3), double(logits.dim(0) * kept),
                                       logits.data<T>(), labels.data<uint8_t>(),
                                       selected.data<uint8_t>(), gy.data<T>(), glogits.data<T>()});
  });
}

// ---- soft aggregation: with q = 1/b - 1, see losses.cpp

constexpr double kLogitLimit = 16.118095550958320;  // ln((1 - 1e-7) / 1e-7)

template <class T>
HOST_DEVICE T limited(T v) {  // NaN stays
  const T limit = T(kLogitLimit);
  return v < -limit ? -limit : v > limit ? limit : v;
}
template <class T>
HOST_DEVICE T odds(T z) {
  return std::exp(z > 40 ? T(40) : z);
}
template <class T>
HOST_DEVICE T background(T q) {
  return -std::log(q < T(1e-30) ? T(1e-30) : q);
}
template <class T>
HOST_DEVICE T total_odds(const T* z, int64_t objects, int64_t pixels) {
  T q = 0;
  for (int64_t k = 0; k < objects; ++k) {
    q += odds(z[k * pixels]) * (1 + q);
    if (q > T(1e30)) q = T(1e30);
  }
  return q;
}

template <class T>
struct AggregateBody {
  int64_t objects, pixels;
  const T* z;
  T* logits;
  HOST_DEVICE void operator()(uint32_t i) const {
    T* to = logits + i * (objects + 1);
    to[0] = limited(background(total_odds(z + i, objects, pixels)));
    for (int64_t k = 0; k < objects; ++k) to[k + 1] = limited(z[k * pixels + i]);
  }
};

template <class T>
struct AggregateSlopeBody {
  int64_t objects, pixels;
  const T *z, *glogits;
  T* gz;
  HOST_DEVICE void operator()(uint32_t i) const {
    const T limit = T(kLogitLimit), q = total_odds(z + i, objects, pixels);
    const T* g = glogits + i * (objects + 1);
    const bool open = std::abs(background(q)) <= limit;
    const T slope = open ? g[0] * ((1 + q) / q) : T(0);
    for (int64_t k = 0; k < objects; ++k) {
      const T v = z[k * pixels + i], e = odds(v), own = std::abs(v) <= limit ? g[k + 1] : T(0);
      gz[k * pixels + i] = own - slope * (e / (1 + e));
    }
  }
};

template <class Run>
void soft_aggregate_forward(const Tensor& z, const Tensor& logits) {
  for_precise(z.dtype(), "soft_aggregate", [&](auto zero) {
    using T = decltype(zero);
    const int64_t pixels = z.dim(1) * z.dim(2);
    Run::loop("soft_aggregate", pixels,
              AggregateBody<T>{z.dim(0), pixels, z.data<T>(), logits.data<T>()});
  });
}
template <class Run>
void soft_aggregate_backward(const Tensor& z, const Tensor& glogits, const Tensor& gz) {
  for_precise(z.dtype(), "soft_aggregate", [&](auto zero) {
    using T = decltype(zero);
    const int64_t pixels = z.dim(1) * z.dim(2);
    Run::loop(
        "soft_aggregate_backward", pixels,
        AggregateSlopeBody<T>{z.dim(0), pixels, z.data<T>(), glogits.data<T>(), gz.data<T>()});
  });
}

// ---- mask IoU

// For each label: sums of min(p, m), max(p, m) and m, m = [label == column].
template <class T>
struct Overlap {
  using Value = T;
  static constexpr int kSums = 3;
  const T* p;
  const uint8_t* labels;
  int64_t channels;
  HOST_DEVICE void operator()(int64_t row, int64_t column, Value* value) const {
    const T v = p[row * channels + column], m = T(labels[row] == column);
    value[0] = m < v ? m : v;
    value[1] = m > v ? m : v;
    value[2] = m;
  }
};

// From the sums to areas [channels, 2] and the mean over present objects. One thread: 255 at most.
template <class T>
struct OverlapLossBody {
  int64_t channels;
  const double* sums;  // [3, channels]
  double* areas;
  T* loss;
  HOST_DEVICE void operator()(uint32_t) const {
    double total = 0, count = 0;
    for (int64_t k = 0; k < channels; ++k) {
      const bool present = k > 0 && sums[2 * channels + k] > 0;
      areas[2 * k] = present ? sums[k] : 0;
      areas[2 * k + 1] = present ? sums[channels + k] : 0;
      if (present) total += 1 - sums[k] / sums[channels + k], count += 1;
    }
    *loss = count > 0 ? T(total / count) : T(0);
  }
};

template <class Run>
void mask_iou_forward(const Tensor& probability, const Tensor& labels, const Tensor& loss,
                      const Tensor& areas) {
  const int64_t channels = probability.dim(3);
  const Device device = probability.device();
  for_precise(probability.dtype(), "mask_iou_loss", [&](auto zero) {
    using T = decltype(zero);
    const Tensor sums = Tensor::empty({3, channels}, DType::f64, device);
    double* to = sums.data<double>();
    sum_middle<Run>("mask_iou_loss sums", device,
                    Overlap<T>{probability.data<T>(), labels.data<uint8_t>(), channels}, 1,
                    labels.numel(), channels, 1, std::array{to, to + channels, to + 2 * channels});
    Run::loop("mask_iou_loss", 1,
              OverlapLossBody<T>{channels, to, areas.data<double>(), loss.data<T>()});
  });
}

// d(1 - I/B)/dp = -[p < m] / B + [p > m] I / B^2, over the number of present objects.
template <class T>
struct OverlapSlopeBody {
  Divider channels;
  const T* p;
  const uint8_t* labels;
  const double* areas;
  const T* gy;
  T* to;
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t pixel = i;
    const uint32_t k = channels.split(pixel);
    const double both = areas[2 * k + 1];
    const T m = T(labels[pixel] == k), v = p[i];
    if (!(both > 0) || v == m) {
      to[i] = 0;
      return;
    }
    double count = 0;
    for (uint32_t j = 1; j < channels.divisor; ++j) count += areas[2 * j + 1] > 0;
    const double g = double(*gy) / count / both;
    to[i] = T(v < m ? -g : v > m ? g * areas[2 * k] / both : 0);
  }
};

template <class Run>
void mask_iou_backward(const Tensor& probability, const Tensor& labels, const Tensor& areas,
                       const Tensor& gy, const Tensor& gprobability) {
  for_precise(probability.dtype(), "mask_iou_loss", [&](auto zero) {
    using T = decltype(zero);
    Run::loop("mask_iou_backward", probability.numel(),
              OverlapSlopeBody<T>{Divider(probability.dim(3)), probability.data<T>(),
                                  labels.data<uint8_t>(), areas.data<double>(), gy.data<T>(),
                                  gprobability.data<T>()});
  });
}

template <class Run, class Set>
void losses_twins(Set set) {
  set(kernels::cross_entropy_forward, cross_entropy_forward<Run>);
  set(kernels::cross_entropy_backward, cross_entropy_backward<Run>);
  set(kernels::soft_aggregate_forward, soft_aggregate_forward<Run>);
  set(kernels::soft_aggregate_backward, soft_aggregate_backward<Run>);
  set(kernels::mask_iou_forward, mask_iou_forward<Run>);
  set(kernels::mask_iou_backward, mask_iou_backward<Run>);
}

}  // namespace munet::cuda

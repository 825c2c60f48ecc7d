// Convolution as matrix products: the choice of the algorithm, the gathering of the pixels under an
// output position, and the two gradients as further products.
#include "tensor/cpu/conv.h"

#include <algorithm>
#include <type_traits>

#include "tensor/cpu/fold.h"
#include "tensor/cpu/panel.h"
#include "tensor/cpu/winograd.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

ConvAlgorithm choose(const ConvShape& s, bool f32, bool often) {
  // Multiply-adds per output position with what the panels are padded by.
  const int64_t taps = s.kh * s.kw;
  const int64_t gemm = right_panels(s.o, taps * s.c);
  const int64_t narrow = right_panels(taps * s.o, s.c) * s.stride * s.stride;
  // Winograd wins wherever it is possible, by 1.7 to 2.7 times (op_bench), but where weights that
  // are used once meet fewer positions than it takes to transform them. f64, which checks f32, does
  // without it.
  constexpr int64_t kWorthwhile = 128;
  if (f32 && winograd_possible(s) && (often || s.n * s.oh * s.ow >= kWorthwhile))
    return ConvAlgorithm::winograd;
  if (f32 && folding_possible(s)) return ConvAlgorithm::folded;
  if (2 * narrow < gemm && taps * s.o <= s.c) return ConvAlgorithm::narrow;
  return ConvAlgorithm::gemm;
}

// put_window for few channels, whose runs begin anywhere in a group: the window is first copied
// together, in steps of 8 numbers that may overlap the next run.
template <int64_t Size, class T>
void put_small_window(const ConvShape& s, const T* x, int64_t m, int64_t k, int64_t count, T* row,
                      int64_t stride) {
  T window[kDepth + kGroup];
  const int64_t image = m / (s.oh * s.ow), i = m / s.ow % s.oh, j = m % s.ow;
  const int64_t iy = i * s.stride - s.top, ix = j * s.stride - s.left, run = s.kw * s.c;
  const int64_t size = s.n * s.h * s.w * s.c, from = ((image * s.h + iy) * s.w + ix) * s.c;
  const int64_t last = from + (s.kh - 1) * s.w * s.c + round_up(run, kGroup);  // end of all reads
  const bool inside = iy >= 0 && iy + s.kh <= s.h && ix >= 0 && ix + s.kw <= s.w && last <= size;
  for (int64_t p = 0; p < s.kh; ++p) {
    T* to = window + p * run;
    const T* read = x + from + p * s.w * s.c;
    for (int64_t a = 0; a < run && inside; a += kGroup)
      std::memcpy(to + a, read + a, kGroup * sizeof(T));
    for (int64_t a = 0; a < run && !inside; ++a) {
      const int64_t column = ix + a / s.c;
      const bool outside = iy + p < 0 || iy + p >= s.h || column < 0 || column >= s.w;
      to[a] = outside ? T(0) : read[a];
    }
  }
  put_row<Size>(row, stride, 0, window + k, count);
}

// Columns [k, k+count) of the row of input numbers under output position m, in the order p, q, c of
// the weights, written by put_row<Size>. For one p they are a run of x, cut at the left and right
// edge.
template <int64_t Size, class T>
void put_window(const ConvShape& s, const T* x, int64_t m, int64_t k, int64_t count, T* row,
                int64_t stride) {
  if (s.kh * s.kw * s.c <= kDepth && s.c % kGroup)
    return put_small_window<Size>(s, x, m, k, count, row, stride);
  const int64_t image = m / (s.oh * s.ow), i = m / s.ow % s.oh, j = m % s.ow;
  const int64_t ix = j * s.stride - s.left, run = s.kw * s.c;
  const int64_t inside = std::clamp(-ix, int64_t{0}, s.kw) * s.c;  // [inside, outside) of the run
  const int64_t outside = std::max(std::clamp(s.w - ix, int64_t{0}, s.kw) * s.c, inside);
  for (int64_t at = k; at < k + count;) {
    const int64_t p = at / run, first = at - p * run, end = std::min(run, first + k + count - at);
    const int64_t iy = i * s.stride + p - s.top;
    const bool above_or_below = iy < 0 || iy >= s.h;
    // [a, b): the part of [first, end) that x has
    const int64_t a = above_or_below ? end : std::clamp(inside, first, end);
    const int64_t b = above_or_below ? end : std::clamp(outside, first, end);
    const int64_t from = ((image * s.h + iy) * s.w + ix) * s.c + a;
    put_row<Size, T>(row, stride, at - k, nullptr, a - first);
    if (a < b) put_row<Size>(row, stride, at - k + a - first, x + from, b - a);
    put_row<Size, T>(row, stride, at - k + b - first, nullptr, end - b);
    at += end - first;
  }
}

}  // namespace

template <class T>
ConvWeights<T> pack_weights(const ConvShape& s, const WeightView<T>& w, bool often) {
  const ConvAlgorithm algorithm = choose(s, std::is_same_v<T, float>, often);
  // The larger patches save a fifth of the products; their weights take 64 / 36 of the time and
  // memory, and maps of few patches then wait for them.
  const int64_t side = often ? 8 : 6;
  const auto packed = [&](int64_t size, auto&& fill) {
    auto storage = std::make_unique<Storage>(std::size_t(size) * sizeof(T), Device{});
    fill(static_cast<T*>(storage->data()));
    return ConvWeights<T>{algorithm, side, std::move(storage)};
  };
  if (algorithm == ConvAlgorithm::winograd)
    return packed(winograd_weights_size(s, side), [&](T* to) { winograd_weights(s, side, w, to); });
  if (algorithm == ConvAlgorithm::folded) {
    const ConvShape f = folded(s);
    const Scratch<T> taps(f.o * f.kh * f.kw * f.c);
    fold_weights(s, w, taps.data);
    return packed(winograd_weights_size(f, side),
                  [&](T* to) { winograd_weights(f, side, plain_weights<T>(f, taps.data), to); });
  }
  const int64_t taps = s.kh * s.kw;
  if (algorithm == ConvAlgorithm::narrow) {
    const int64_t n = s.o * taps, depth = padded(s.c);
    return packed(right_panels(n, s.c), [&](T* panels) {
      std::fill_n(panels, right_panels(n, s.c), T(0));
      for (int64_t j = 0; j < n; ++j)
        for (int64_t c = 0; c < s.c; ++c)
          panels[(j / kTileColumns * depth + c) * kTileColumns + j % kTileColumns] =
              *w.at(j / taps, j % taps / s.kw, j % s.kw, c);
    });
  }
  const int64_t k = taps * s.c, size = padded(k) * kTileColumns;
  return packed(right_panels(s.o, k), [&](T* panels) {
    parallel_for((s.o + kTileColumns - 1) / kTileColumns, 1, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) {
        T* to = panels + j * size;
        const int64_t o = j * kTileColumns, columns = std::min(kTileColumns, s.o - o);
        if (columns < kTileColumns || k % kGroup) std::fill_n(to, size, T(0));
        for (int64_t tap = 0; tap < taps; ++tap)
          put_columns(w.at(o, tap / s.kw, tap % s.kw, 0), w.o_step, w.c_step, columns, s.c,
                      to + tap * s.c * kTileColumns);
      }
    });
  });
}

namespace {

template <class T>
void gemm_conv2d(const ConvShape& s, const T* x, const T* panels, const Epilogue<T>& epilogue,
                 T* y) {
  // The pixels themselves are the left operand. Not for more outputs than inputs: packed, they are
  // read a little faster, and often.
  const bool pointwise = s.kh == 1 && s.kw == 1 && s.stride == 1 && s.top == 0 && s.left == 0 &&
                         s.oh == s.h && s.ow == s.w && s.c % kGroup == 0 && s.c >= s.o && s.o > 0;
  multiply(Product<T>{.m = s.n * s.oh * s.ow,
                      .n = s.o,
                      .k = s.kh * s.kw * s.c,
                      .left =
                          [&](int64_t row, int64_t rows, int64_t k, int64_t depth, T* to) {
                            for (int64_t i = 0; i < rows; ++i)
                              put_window<kGroup>(s, x, row + i, k, depth, left_row(to, depth, i),
                                                 kTileRows * kGroup);
                          },
                      .rows = pointwise ? x : nullptr,
                      .right = panels,
                      .c = y,
                      .epilogue = epilogue});
}

// part[pixel][o,p,q] = <x[pixel], w[o,p,q]>, a 1x1 convolution; then y[i,j,o] sums part[.][o,p,q]
// over the pixels under (i,j). Panels of 16 columns would be nearly empty for one or two outputs.
template <class T>
void narrow_conv2d(const ConvShape& s, const T* x, const T* panels, const Epilogue<T>& e, T* y) {
  const int64_t taps = s.kh * s.kw, width = s.o * taps;
  const Storage scratch(std::size_t(s.n * s.h * s.w * width) * sizeof(T), Device{});
  T* const part = static_cast<T*>(scratch.data());
  ConvShape pixels = s;
  pixels.o = width;
  pixels.kh = pixels.kw = pixels.stride = 1;
  pixels.top = pixels.left = 0;
  pixels.oh = s.h;
  pixels.ow = s.w;
  gemm_conv2d(pixels, x, panels, {}, part);
  parallel_for(s.n * s.oh, 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t j = 0; j < s.ow; ++j)
        for (int64_t o = 0; o < s.o; ++o) {
          T sum = 0;
          for (int64_t p = 0; p < s.kh; ++p)
            for (int64_t q = 0; q < s.kw; ++q) {
              const int64_t iy = r % s.oh * s.stride + p - s.top, ix = j * s.stride + q - s.left;
              if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
              sum += part[((r / s.oh * s.h + iy) * s.w + ix) * width + o * taps + p * s.kw + q];
            }
          const int64_t row = r * s.ow + j;
          if (e.bias) sum += e.bias[o];
          if (e.add) sum += e.add[row % e.add_rows * s.o + o];
          y[row * s.o + o] = e.relu && sum < T(0) ? T(0) : sum;
        }
  });
}

}  // namespace

template <class T>
void conv2d(const ConvShape& s, const T* x, const ConvWeights<T>& w, const Epilogue<T>& epilogue,
            T* y) {
  switch (w.algorithm) {
    case ConvAlgorithm::gemm:
      return gemm_conv2d(s, x, w.numbers(), epilogue, y);
    case ConvAlgorithm::narrow:
      return narrow_conv2d(s, x, w.numbers(), epilogue, y);
    case ConvAlgorithm::winograd:
      return winograd_conv2d(s, w.side, x, w.numbers(), epilogue, y);
    case ConvAlgorithm::folded: {
      const ConvShape f = folded(s);
      const Scratch<T> input(f.n * f.h * f.w * f.c);
      fold_input(s, x, input.data);
      return winograd_conv2d(f, w.side, input.data, w.numbers(), epilogue, y);
    }
  }
}

namespace {

// gx[i] gathers gy[j] over the taps p with j*stride + p - top = i. For the rows i = a + stride*t of
// one phase a these are every stride-th tap from `first` on, and j falls as p rises: a convolution
// of gy with stride 1 and turned taps. So gx is stride*stride such convolutions, interleaved.
struct Phase {
  int64_t a, size, first, taps, before;  // before: the zeros in front of gy
  Phase(int64_t a, int64_t h, int64_t kernel, int64_t padding, int64_t stride)
      : a(a), size((h - a + stride - 1) / stride), first((a + padding) % stride) {
    taps = std::max<int64_t>((kernel - first + stride - 1) / stride, 0);
    // Row t meets gy's row t + (a + padding - first) / stride - u through tap first + stride*u.
    before = taps - 1 - (a + padding - first) / stride;
  }
};

template <class T>
void grad_x_phase(const ConvShape& s, const Phase& y, const Phase& x, const T* gy, const T* w,
                  T* gx) {
  const ConvShape phase = {.n = s.n,
                           .h = s.oh,
                           .w = s.ow,
                           .c = s.o,
                           .o = s.c,
                           .kh = y.taps,
                           .kw = x.taps,
                           .stride = 1,
                           .top = y.before,
                           .left = x.before,
                           .oh = y.size,
                           .ow = x.size};
  const int64_t row = s.kw * s.c, p = y.first + (y.taps - 1) * s.stride,
                q = x.first + (x.taps - 1) * s.stride;  // the last taps come first
  const ConvWeights<T> packed = pack_weights<T>(
      phase, {w + p * row + q * s.c, 1, -s.stride * row, -s.stride * s.c, s.kh * row});
  if (s.stride == 1) return conv2d(phase, gy, packed, {}, gx);
  const Storage scratch(std::size_t(s.n * y.size * x.size * s.c) * sizeof(T), Device{});
  T* const part = static_cast<T*>(scratch.data());
  conv2d(phase, gy, packed, {}, part);
  parallel_for(s.n * y.size, 4, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t j = 0; j < x.size; ++j) {
        const int64_t row = r / y.size * s.h + y.a + r % y.size * s.stride;
        std::copy_n(part + (r * x.size + j) * s.c, s.c,
                    gx + (row * s.w + x.a + j * s.stride) * s.c);
      }
  });
}

}  // namespace

template <class T>
void conv2d_grad_x(const ConvShape& s, const T* gy, const T* w, T* gx) {
  for (int64_t a = 0; a < std::min(s.stride, s.h); ++a)
    for (int64_t b = 0; b < std::min(s.stride, s.w); ++b)
      grad_x_phase(s, Phase(a, s.h, s.kh, s.top, s.stride), Phase(b, s.w, s.kw, s.left, s.stride),
                   gy, w, gx);
}

// gw[o][p,q,c] = sum over positions of gy[position][o] * window(position)[p,q,c]: a product whose
// inner size is the number of positions. Where it has many, and the result is small, parts of the
// positions are summed by one thread each, and then the parts.
template <class T>
void conv2d_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw) {
  if (std::is_same_v<T, float> && winograd_grad_w_gains(s)) return winograd_grad_w(s, gy, x, gw);
  const int64_t n = s.kh * s.kw * s.c, size = s.o * n, positions = s.n * s.oh * s.ow;
  const auto sum = [&](int64_t first, int64_t count, T* to) {
    const PackLeft<T> left = transposed_left(gy + first * s.o, s.o);
    const PackRight<T> right = [&](int64_t k, int64_t few, T* rows, int64_t stride) {
      for (int64_t i = 0; i < few; ++i)
        put_window<kTileColumns>(s, x, first + k + i, 0, n, rows + i * kTileColumns, stride);
    };
    multiply<T>(s.o, n, count, left, right, to);
  };
  constexpr int64_t kPart = 4 * kDepth;
  const int64_t parts =
      std::min((positions + kPart - 1) / kPart, (int64_t{1} << 21) / std::max<int64_t>(size, 1));
  if (parts < 4) return sum(0, positions, gw);
  const Scratch<T> partial(parts * size);
  const int64_t part = (positions + parts - 1) / parts;
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = std::min(i * part, positions);
      sum(first, std::min(part, positions - first), partial.data + i * size);
    }
  });
  parallel_for(size, 4096, [&](int64_t begin, int64_t end) {
    std::copy(partial.data + begin, partial.data + end, gw + begin);
    for (int64_t i = 1; i < parts; ++i)
      for (int64_t k = begin; k < end; ++k) gw[k] += partial.data[i * size + k];
  });
}

template ConvWeights<float> pack_weights(const ConvShape&, const WeightView<float>&, bool);
template ConvWeights<double> pack_weights(const ConvShape&, const WeightView<double>&, bool);
template void conv2d(const ConvShape&, const float*, const ConvWeights<float>&,
                     const Epilogue<float>&, float*);
template void conv2d(const ConvShape&, const double*, const ConvWeights<double>&,
                     const Epilogue<double>&, double*);
template void conv2d_grad_x(const ConvShape&, const float*, const float*, float*);
template void conv2d_grad_x(const ConvShape&, const double*, const double*, double*);
template void conv2d_grad_w(const ConvShape&, const float*, const float*, float*);
template void conv2d_grad_w(const ConvShape&, const double*, const double*, double*);

}  // namespace munet::cpu

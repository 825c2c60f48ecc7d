// Folding of stride-2 convolutions: where each number goes. The why is in fold.h.
#include "tensor/cpu/fold.h"

#include <algorithm>

#include "tensor/cpu/winograd.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

int64_t odd(int64_t padding) { return padding & 1; }  // base - top
int64_t folded_taps(int64_t taps, int64_t padding) { return (taps + odd(padding) + 1) / 2; }

}  // namespace

ConvShape folded(const ConvShape& s) {
  const int64_t kh = folded_taps(s.kh, s.top), kw = folded_taps(s.kw, s.left);
  return {.n = s.n,
          .h = s.oh + kh - 1,
          .w = s.ow + kw - 1,
          .c = round_up(4 * s.c, kGroup),
          .o = s.o,
          .kh = kh,
          .kw = kw,
          .stride = 1,
          .top = 0,
          .left = 0,
          .oh = s.oh,
          .ow = s.ow};
}

bool folding_possible(const ConvShape& s) {
  return s.stride == 2 && s.kh >= 6 && winograd_possible(folded(s));
}

template <class T>
void fold_weights(const ConvShape& s, const WeightView<T>& w, T* to) {
  const ConvShape f = folded(s);
  std::fill_n(to, f.o * f.kh * f.kw * f.c, T(0));
  for (int64_t o = 0; o < s.o; ++o)
    for (int64_t p = 0; p < s.kh; ++p)
      for (int64_t q = 0; q < s.kw; ++q) {
        const int64_t y = p + odd(s.top), x = q + odd(s.left);  // 2 t + e on both axes
        T* pixel = to + ((o * f.kh + y / 2) * f.kw + x / 2) * f.c;
        for (int64_t c = 0; c < s.c; ++c) pixel[(y % 2 * 2 + x % 2) * s.c + c] = *w.at(o, p, q, c);
      }
}

template <class T>
void fold_input(const ConvShape& s, const T* x, T* to) {
  const ConvShape f = folded(s);
  const int64_t top = s.top + odd(s.top), left = s.left + odd(s.left);
  parallel_for(f.n * f.h, 4, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t v = 0; v < f.w; ++v) {
        T* pixel = to + (row * f.w + v) * f.c;
        const int64_t first = 2 * v - left;  // of two columns
        for (int64_t e = 0; e < 2; ++e, pixel += 2 * s.c) {
          const int64_t y = 2 * (row % f.h) + e - top;
          const T* from = x + ((row / f.h * s.h + y) * s.w + first) * s.c;
          const bool inside = y >= 0 && y < s.h;
          const int64_t a = inside ? std::clamp<int64_t>(-first, 0, 2) * s.c : 2 * s.c;
          const int64_t b = inside ? std::clamp<int64_t>(s.w - first, 0, 2) * s.c : a;
          for (int64_t i = 0; i < 2 * s.c; ++i) pixel[i] = i >= a && i < b ? from[i] : T(0);
        }
        std::fill_n(pixel, f.c - 4 * s.c, T(0));
      }
  });
}

template void fold_weights(const ConvShape&, const WeightView<float>&, float*);
template void fold_weights(const ConvShape&, const WeightView<double>&, double*);
template void fold_input(const ConvShape&, const float*, float*);
template void fold_input(const ConvShape&, const double*, double*);

}  // namespace munet::cpu

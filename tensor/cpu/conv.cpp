#include "tensor/cpu/conv.h"

#include <algorithm>
#include <vector>

#include "tensor/parallel.h"

namespace munet::cpu {

template <class T>
void conv2d(const ConvShape& s, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y) {
  parallel_for(s.n * s.oh, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / s.oh, i = r % s.oh;
      for (int64_t j = 0; j < s.ow; ++j)
        for (int64_t o = 0; o < s.o; ++o) {
          T sum = 0;
          for (int64_t p = 0; p < s.kh; ++p)
            for (int64_t q = 0; q < s.kw; ++q) {
              const int64_t iy = i * s.stride + p - s.top, ix = j * s.stride + q - s.left;
              if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
              const T* from = x + ((image * s.h + iy) * s.w + ix) * s.c;
              const T* weight = w + ((o * s.kh + p) * s.kw + q) * s.c;
              for (int64_t c = 0; c < s.c; ++c) sum += from[c] * weight[c];
            }
          if (epilogue.bias) sum += epilogue.bias[o];
          if (epilogue.add)
            sum += epilogue.add[(((image % epilogue.add_n) * s.oh + i) * s.ow + j) * s.o + o];
          y[(r * s.ow + j) * s.o + o] = epilogue.relu && sum < 0 ? T(0) : sum;
        }
    }
  });
}

template <class T>
void conv2d_grad_x(const ConvShape& s, const T* gy, const T* w, T* gx) {
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t image = r / s.h, iy = r % s.h;
      for (int64_t ix = 0; ix < s.w; ++ix) {
        T* to = gx + (r * s.w + ix) * s.c;
        std::fill(to, to + s.c, T(0));
        for (int64_t p = 0; p < s.kh; ++p)
          for (int64_t q = 0; q < s.kw; ++q) {
            const int64_t up = iy + s.top - p, left = ix + s.left - q;
            if (up < 0 || left < 0 || up % s.stride || left % s.stride) continue;
            const int64_t i = up / s.stride, j = left / s.stride;
            if (i >= s.oh || j >= s.ow) continue;
            for (int64_t o = 0; o < s.o; ++o) {
              const T value = gy[((image * s.oh + i) * s.ow + j) * s.o + o];
              const T* weight = w + ((o * s.kh + p) * s.kw + q) * s.c;
              for (int64_t c = 0; c < s.c; ++c) to[c] += value * weight[c];
            }
          }
      }
    }
  });
}

template <class T>
void conv2d_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw) {
  parallel_for(s.o * s.kh * s.kw, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t o = r / (s.kh * s.kw), p = r / s.kw % s.kh, q = r % s.kw;
      T* to = gw + r * s.c;
      std::fill(to, to + s.c, T(0));
      for (int64_t row = 0; row < s.n * s.oh; ++row)
        for (int64_t j = 0; j < s.ow; ++j) {
          const int64_t iy = row % s.oh * s.stride + p - s.top, ix = j * s.stride + q - s.left;
          if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
          const T* from = x + ((row / s.oh * s.h + iy) * s.w + ix) * s.c;
          const T value = gy[(row * s.ow + j) * s.o + o];
          for (int64_t c = 0; c < s.c; ++c) to[c] += value * from[c];
        }
    }
  });
}

template void conv2d(const ConvShape&, const float*, const float*, const ConvEpilogue<float>&,
                     float*);
template void conv2d(const ConvShape&, const double*, const double*, const ConvEpilogue<double>&,
                     double*);
template void conv2d_grad_x(const ConvShape&, const float*, const float*, float*);
template void conv2d_grad_x(const ConvShape&, const double*, const double*, double*);
template void conv2d_grad_w(const ConvShape&, const float*, const float*, float*);
template void conv2d_grad_w(const ConvShape&, const double*, const double*, double*);

}  // namespace munet::cpu

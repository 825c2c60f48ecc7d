// The cutting of a map into the patches of Winograd's convolutions.
#pragma once

#include "tensor/cpu/conv.h"

namespace munet::cpu {

// The patches of one convolution, row by row in each image.
struct Patches {
  const ConvShape& s;
  int64_t side;                    // of a patch of the input: 6 or 8
  int64_t size = side + 1 - s.kh;  // outputs of a patch on each axis
  int64_t down = (s.oh + size - 1) / size, across = (s.ow + size - 1) / size;
  int64_t count = s.n * down * across;
  int64_t image(int64_t t) const { return t / (down * across); }
  int64_t row(int64_t t) const { return t / across % down * size; }
  int64_t column(int64_t t) const { return t % across * size; }
  // The side x side pixels of patch t; `zeros` outside the input.
  template <class T>
  void pixels(int64_t t, const T* x, const T* zeros, const T** to) const {
    const int64_t top = row(t) - s.top, left = column(t) - s.left, first = image(t) * s.h;
    for (int64_t i = 0; i < side; ++i)
      for (int64_t j = 0; j < side; ++j) {
        const int64_t iy = top + i, ix = left + j;
        const bool outside = iy < 0 || iy >= s.h || ix < 0 || ix >= s.w;
        to[side * i + j] = outside ? zeros : x + ((first + iy) * s.w + ix) * s.c;
      }
  }
  // The size x size outputs of patch t in y; `zeros` outside.
  template <class T>
  void outputs(int64_t t, const T* y, const T* zeros, const T** to) const {
    const int64_t top = row(t), left = column(t), first = image(t) * s.oh;
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j) {
        const bool outside = top + i >= s.oh || left + j >= s.ow;
        to[size * i + j] = outside ? zeros : y + ((first + top + i) * s.ow + left + j) * s.o;
      }
  }
};

}  // namespace munet::cpu

// Winograd's convolution in three parallel steps over blocks of patches: transform the patches,
// multiply at each of the 36 places, transform back with the epilogue. The why is in winograd.h.
#include "tensor/cpu/winograd.h"

#include <array>
#include <cmath>
#include <vector>

#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

constexpr int64_t kPlaces = 36;
// Bytes of transformed patches and products at a time: few, so that they stay in the caches, but
// more where the weights are large, which are read once for each such block.
int64_t scratch_bytes(int64_t weight_bytes) { return std::max<int64_t>(4 << 20, weight_bytes / 4); }

// The patches of one convolution, row by row in each image.
struct Patches {
  const ConvShape& s;
  int64_t down, across, count;
  explicit Patches(const ConvShape& s)
      : s(s), down((s.oh + 3) / 4), across((s.ow + 3) / 4), count(s.n * down * across) {}
  int64_t image(int64_t t) const { return t / (down * across); }
  int64_t row(int64_t t) const { return t / across % down * 4; }
  int64_t column(int64_t t) const { return t % across * 4; }
  // The 36 pixels of patch t; `zeros` outside the input.
  template <class T>
  void pixels(int64_t t, const T* x, const T* zeros, const T** to) const {
    const int64_t top = row(t) - s.top, left = column(t) - s.left;
    for (int64_t i = 0; i < kPlaces; ++i) {
      const int64_t iy = top + i / 6, ix = left + i % 6;
      const bool outside = iy < 0 || iy >= s.h || ix < 0 || ix >= s.w;
      to[i] = outside ? zeros : x + ((image(t) * s.h + iy) * s.w + ix) * s.c;
    }
  }
};

}  // namespace

bool winograd_possible(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3 && s.stride == 1 && s.c >= 16 && s.c % kGroup == 0 && s.o >= 16 &&
         s.o % kTileColumns == 0;
}

template <class T>
void winograd_weights(const ConvShape& s, const T* w, T* u) {
  const double p = std::sqrt(0.5), q = std::sqrt(2.0);
  const double g[6][3] = {{1, 0, 0},
                          {-2. / 3, -2. / 3 * p, -1. / 3},
                          {-2. / 3, 2. / 3 * p, -1. / 3},
                          {1. / 6, q / 6, 1. / 3},
                          {1. / 6, -q / 6, 1. / 3},
                          {0, 0, 1}};
  // Sixteen output channels, one panel, at a time: the sums run over them in vectors.
  using Panel = std::array<double, kTileColumns>;
  parallel_for(s.o / kTileColumns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel)
      for (int64_t c = 0; c < s.c; ++c) {
        Panel kernel[3][3], half[6][3];
        for (int64_t o = 0; o < kTileColumns; ++o)
          for (int64_t i = 0; i < 9; ++i)
            kernel[i / 3][i % 3][o] = w[((panel * kTileColumns + o) * 9 + i) * s.c + c];
        const auto dot = [](const double* g, const Panel& x, const Panel& y, const Panel& z,
                            auto* to) {
          for (int64_t o = 0; o < kTileColumns; ++o)
            to[o] = g[0] * x[o] + g[1] * y[o] + g[2] * z[o];
        };
        for (int i = 0; i < 6; ++i)
          for (int j = 0; j < 3; ++j)
            dot(g[i], kernel[0][j], kernel[1][j], kernel[2][j], half[i][j].data());
        for (int i = 0; i < 6; ++i)
          for (int j = 0; j < 6; ++j)
            dot(g[j], half[i][0], half[i][1], half[i][2],
                u + (((i * 6 + j) * (s.o / kTileColumns) + panel) * s.c + c) * kTileColumns);
      }
  });
}

template <class T>
void winograd_conv2d(const ConvShape& s, const T* x, const T* u, const Epilogue<T>& epilogue,
                     T* y) {
  const Kernels<T>& table = kernels<T>();
  const Patches patches(s);
  if (patches.count == 0) return;
  const int64_t per_patch = kPlaces * (s.c + s.o) * int64_t(sizeof(T));
  const int64_t bytes = scratch_bytes(winograd_weights_size(s) * int64_t(sizeof(T)));
  const int64_t blocks = (patches.count * per_patch + bytes - 1) / bytes;
  const int64_t block = round_up((patches.count + blocks - 1) / blocks, kTileRows);
  // Planes of one place each; 32 numbers between them, or all 36 would fall into the same cache
  // sets.
  const int64_t v_plane = block * s.c + 32, m_plane = block * s.o + 32;
  const Storage scratch(std::size_t(kPlaces * (v_plane + m_plane)) * sizeof(T), Device{});
  T* const v = static_cast<T*>(scratch.data());  // left panels of [patches, c]
  T* const m = v + kPlaces * v_plane;            // [patches/6][o/16][6][16]
  const std::vector<T> zeros(std::size_t(s.c), T(0));

  for (int64_t first = 0; first < patches.count; first += block) {
    const int64_t count = std::min(block, patches.count - first);
    // 1. V = B^T d B of each patch, for all channels.
    parallel_for(count, kTileRows, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t += kTileRows) {
        WinogradInput<T> in;
        in.patches = std::min(kTileRows, end - t);
        for (int64_t r = 0; r < in.patches; ++r)
          patches.pixels(first + t + r, x, zeros.data(), in.pixels[r]);
        in.channels = s.c;
        in.v = left_row(v, s.c, t);
        in.plane = v_plane;
        table.winograd_input(in);
      }
    });
    // 2. m = V U at each place. Rows of the last panel beyond `count` hold anything; so do their
    // products, which nobody reads.
    const int64_t panels = s.o / kTileColumns;
    const int64_t groups = std::min<int64_t>(panels, 2), group = (panels + groups - 1) / groups;
    parallel_for(kPlaces * groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t place = task / groups, first_panel = task % groups * group;
        for (int64_t k0 = 0; k0 < s.c; k0 += kDepth)
          for (int64_t j = first_panel; j < std::min(first_panel + group, panels); ++j) {
            Tile<T> tile;
            tile.depth = std::min(kDepth, s.c - k0);
            tile.b = u + ((place * panels + j) * s.c + k0) * kTileColumns;
            tile.stride = kTileColumns;
            tile.accumulate = k0 > 0;
            for (int64_t t = 0; t < count; t += kTileRows) {
              tile.a = v + place * v_plane + t * s.c + k0 * kTileRows;
              tile.c =
                  m + place * m_plane + (t / kTileRows * panels + j) * kTileRows * kTileColumns;
              tile.ahead = t < 4 * kTileRows
                               ? tile.b + s.c * kTileColumns + t / kTileRows * 4 * tile.depth
                               : tile.b;
              table.tile(tile);
            }
          }
      }
    });
    // 3. Y = A^T m A of each patch, and the epilogue.
    parallel_for(count, kTileRows, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t += kTileRows) {
        WinogradOutput<T> out;
        out.patches = std::min(kTileRows, end - t);
        for (int64_t r = 0; r < out.patches; ++r) {
          const int64_t row = patches.row(first + t + r), column = patches.column(first + t + r);
          const int64_t at = (patches.image(first + t + r) * s.oh + row) * s.ow + column;
          out.to[r] = {.y = y + at * s.o,
                       .add = epilogue.add ? epilogue.add + at % epilogue.add_rows * s.o : nullptr,
                       .rows = std::min<int64_t>(4, s.oh - row),
                       .columns = std::min<int64_t>(4, s.ow - column)};
        }
        out.channels = s.o;
        out.row_stride = s.ow * s.o;
        out.m = m + t * s.o;
        out.plane = m_plane;
        out.bias = epilogue.bias;
        out.relu = epilogue.relu;
        table.winograd_output(out);
      }
    });
  }
}

template void winograd_weights(const ConvShape&, const float*, float*);
template void winograd_weights(const ConvShape&, const double*, double*);
template void winograd_conv2d(const ConvShape&, const float*, const float*, const Epilogue<float>&,
                              float*);
template void winograd_conv2d(const ConvShape&, const double*, const double*,
                              const Epilogue<double>&, double*);

}  // namespace munet::cpu

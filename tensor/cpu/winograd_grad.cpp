// The weight gradient of a 3x3 convolution by Winograd's algorithm, in three parallel steps over
// blocks of patches: transform the patches of x and gy, multiply at each of the 36 places; and
// once, in the end, transform back. Read winograd.h first.
//
// gw[o,p,q,c] = sum_ij gy[i,j,o] x[i+p,j+q,c]. For the outputs i, j of one 4x4 patch this is a
// convolution of the 6x6 patch of x under it with a 4x4 kernel, gy's patch, and 3x3 numbers of it
// are wanted: F(3x3, 4x4). The sum over patches moves inside its brackets, as the one over channels
// did before: at each place a matrix product [o, patches] x [patches, c].
#include <algorithm>
#include <vector>

#include "tensor/cpu/panel.h"
#include "tensor/cpu/winograd.h"
#include "tensor/cpu/winograd_patches.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

constexpr int64_t kSide = 6, kPlaces = 36;

template <class T>
struct GradRun {
  const ConvShape& s;
  const Patches& patches;
  const T *gy, *x, *zeros;
  int64_t block;  // patches, a multiple of 8
  const Kernels<T>& table = kernels<T>();
  const int64_t rows = round_up(s.o, kTileRows);
  // 32 numbers between planes, or all 36 would fall into the same cache sets.
  const int64_t u_plane = rows * block + 32, v_plane = s.c * block + 32, m_plane = rows * s.c + 32;
  const Scratch<T> u{kPlaces * u_plane};  // of gy: left panels of [o, patches]
  const Scratch<T> v{kPlaces * v_plane};  // of x: right panels of [patches, c]
  const Scratch<T> m{kPlaces * m_plane};  // [o, c], summed over the blocks

  // Patches of the block beyond `count` become zeros. depth: count rounded up to 8.
  void transform(int64_t first, int64_t count, int64_t depth) const {
    parallel_for(depth, kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t += kGroup) {
        WinogradInput<T> in;
        const T* out[kGroup][16];  // size x size of them
        for (int64_t r = 0; r < kGroup; ++r) {
          if (t + r < count) {
            patches.pixels(first + t + r, x, zeros, in.pixels[r]);
            patches.outputs(first + t + r, gy, zeros, out[r]);
          } else {
            std::fill_n(in.pixels[r], kPlaces, zeros);
            std::fill_n(out[r], 16, zeros);
          }
        }
        in.side = kSide;
        in.patches = kGroup;
        in.channels = s.c;
        in.v = v.data + t * kTileColumns;
        in.plane = v_plane;
        in.line = depth * kTileColumns;
        in.half = kGroup;
        in.row = kTileColumns;
        table.winograd_input(in);
        for (int64_t o = 0; o < s.o; o += kGroup) transform_outputs(out, o, t, depth);
      }
    });
  }

  // Eight channels of eight patches of gy, from o and t on.
  void transform_outputs(const T* const (&out)[kGroup][16], int64_t o, int64_t t,
                         int64_t depth) const {
    T places[kPlaces * kGroup * kGroup];  // [place][patch][channel]
    for (int64_t r = 0; r < kGroup; ++r) {
      WinogradKernel<T> kernel;
      kernel.side = kSide;
      kernel.size = patches.size;
      for (int64_t i = 0; i < patches.size * patches.size; ++i) kernel.taps[i] = out[r][i] + o;
      kernel.count = kGroup;
      kernel.u = places + r * kGroup;
      kernel.plane = kGroup * kGroup;
      table.winograd_kernel(kernel);
    }
    T* to[kGroup];
    for (int64_t k = 0; k < kGroup; ++k) to[k] = left_row(u.data, depth, o + k) + t * kTileRows;
    for (int64_t i = 0; i < kPlaces; ++i) {
      table.transpose(places + i * kGroup * kGroup, kGroup, to);
      for (T*& line : to) line += u_plane;
    }
  }

  // Rows of m, a few tiles at a time: they stay in the cache until they are transformed back, which
  // the last block does at once.
  void multiply(int64_t depth, bool accumulate, T* gw) const {
    const int64_t group = (s.o > 96 ? 4 : 2) * kTileRows;
    parallel_for(s.o, group, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; o += group) {
        const int64_t last = std::min(o + group, s.o);
        for (int64_t place = 0; place < kPlaces; ++place)
          multiply_rows(place, o, last, depth, accumulate);
        if (gw) transform_back(o, last, gw);
      }
    });
  }

  void multiply_rows(int64_t place, int64_t o, int64_t last, int64_t depth, bool accumulate) const {
    for (int64_t k0 = 0; k0 < depth; k0 += kDepth)
      for (int64_t j = 0; j < s.c; j += kTileColumns) {
        Tile<T> tile;
        tile.depth = std::min(kDepth, depth - k0);
        tile.b = v.data + place * v_plane + j * depth + k0 * kTileColumns;
        tile.stride = s.c;
        tile.accumulate = accumulate || k0 > 0;
        tile.ahead = tile.b + kTileColumns * depth;
        for (int64_t i = o; i < last; i += kTileRows, tile.ahead += 4 * tile.depth) {
          tile.a = u.data + place * u_plane + i * depth + k0 * kTileRows;
          tile.c = m.data + place * m_plane + i * s.c + j;
          table.tile(tile);
        }
      }
  }

  void transform_back(int64_t first, int64_t last, T* gw) const {
    for (int64_t o = first; o < last; o += kTileRows) {
      WinogradOutput<T> out;
      out.patches = std::min(kTileRows, last - o);
      for (int64_t r = 0; r < out.patches; ++r)
        out.to[r] = {
            .y = gw + (o + r) * s.kh * s.kw * s.c, .add = nullptr, .rows = s.kh, .columns = s.kw};
      out.side = kSide;
      out.size = s.kh;
      out.channels = s.c;
      out.row_stride = s.kw * s.c;
      out.m = m.data + o * s.c;
      out.plane = m_plane;
      out.line = kTileColumns;
      out.row = s.c;
      out.bias = nullptr;
      out.relu = false;
      table.winograd_output(out);
    }
  }
};

}  // namespace

bool winograd_grad_w_possible(const ConvShape& s) {
  return (s.kh == 3 || s.kh == 4) && s.kw == s.kh && s.stride == 1 && s.c > 0 &&
         s.c % kTileColumns == 0 && s.o > 0 && s.o % kGroup == 0;
}

bool winograd_grad_w_gains(const ConvShape& s) {
  return winograd_grad_w_possible(s) && Patches{s, kSide}.count >= 12;
}

template <class T>
void winograd_grad_w(const ConvShape& s, const T* gy, const T* x, T* gw) {
  const Patches patches{s, kSide};
  const std::vector<T> zeros(std::size_t(std::max(s.c, s.o)), T(0));
  // About 4 MB transformed, so that they stay near, but deep enough for the sums to be worth
  // reading and writing.
  const int64_t bytes = kPlaces * (s.c + s.o) * int64_t(sizeof(T));
  const int64_t most = std::max<int64_t>(64, (4 << 20) / bytes);
  const int64_t blocks = std::max<int64_t>(1, (patches.count + most - 1) / most);
  const int64_t block = padded((patches.count + blocks - 1) / blocks);
  const GradRun<T> run{s, patches, gy, x, zeros.data(), block};
  for (int64_t first = 0; first == 0 || first < patches.count; first += block) {
    const int64_t count = std::min(block, patches.count - first), depth = padded(count);
    run.transform(first, count, depth);
    run.multiply(depth, first > 0, first + block >= patches.count ? gw : nullptr);
  }
}

template void winograd_grad_w(const ConvShape&, const float*, const float*, float*);
template void winograd_grad_w(const ConvShape&, const double*, const double*, double*);

}  // namespace munet::cpu

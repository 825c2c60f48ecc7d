// The micro-kernels: the innermost loops that depend on the instruction set, as one table per set,
// chosen once at run time. Everything above them is portable and the same for every table.
#pragma once

#include <cstdint>

namespace munet::cpu {

// The tile of one call. 6 x 16 floats are 12 of AVX2's 16 registers; 4 stay for the operands.
inline constexpr int64_t kTileRows = 6, kTileColumns = 16;
// A packed left operand lies in groups of 8 k, so that a vector copy from a row of x fills a group.
inline constexpr int64_t kGroup = 8;

// One tile of a matrix product, for i < 6 and j < 16:
//   c[i][j] = act((accumulate ? c[i][j] : 0) + sum_k a(i,k) * b[k][j] + bias[j] + add[i][j])
// The sum over k runs in order, in one accumulator per element, so equal operands give equal bits
// wherever the tile lies. All 96 numbers of c are written.
template <class T>
struct Tile {
  int64_t depth = 0;     // how many k: a multiple of 8, at least 8
  const T* a = nullptr;  // a(i,k) = a[k/8 * a_group + i * a_row + k%8]; by default [depth/8][6][8]
  int64_t a_row = kGroup, a_group = kTileRows * kGroup;
  const T* b = nullptr;  // [depth][16], 32-byte aligned
  T* c = nullptr;
  int64_t stride = 0;  // from row to row of c
  bool accumulate = false;
  const T* bias = nullptr;  // [16], or null
  const T* add = nullptr;   // or null
  int64_t add_stride = 0;
  bool relu = false;
  const T* ahead = nullptr;  // any address: depth * 4 numbers from here are read into the cache
};

// Winograd's transforms (winograd.h). The patches of 6x6 or 8x8 pixels of a tile are taken
// together, because they share cache lines of the transformed numbers.
template <class T>
struct WinogradInput {
  int64_t side;                 // of a patch, 6 or 8
  int64_t patches;              // at most 8
  const T* pixels[kGroup][64];  // side x side of each patch, all with `channels` numbers
  int64_t channels;             // a multiple of 8
  // Patch r, place i, channel c: v[i * plane + c/16 * line + c%16/8 * half + r * row + c%8].
  T* v;
  int64_t plane, line = 2 * kTileRows * kGroup, half = kTileRows * kGroup, row = kGroup;
};
template <class T>
struct WinogradOutput {
  int64_t patches;  // at most 6
  struct Patch {
    T* y;                   // the first of its size x size output pixels
    const T* add;           // beside it, or null
    int64_t rows, columns;  // how many of them lie inside y
  } to[kTileRows];
  int64_t side, size;  // 6 and 4 or 3, or 8 and 6 or 5
  int64_t channels;    // of y, a multiple of 16
  int64_t row_stride;  // of y and add
  // Patch r, place i, channel o: m[i * plane + o/16 * line + r * row + o%16].
  const T* m;
  int64_t plane, line = kTileRows * kTileColumns, row = kTileColumns;
  const T* bias;  // or null
  bool relu;
};
// The transform of `count` kernels g side by side, computed in f64 for patches of 8:
// u[i * plane + j] = place i < side^2 of G g G^T, g[p,q] = taps[p * size + q][j].
template <class T>
struct WinogradKernel {
  int64_t side, size;  // 6 or 8; 3 or 4 taps on each axis
  const T* taps[16];
  int64_t count;  // a multiple of 8
  T* u;
  int64_t plane;
};

template <class T>
struct Kernels {
  const char* name;
  void (*tile)(const Tile<T>&);
  void (*winograd_input)(const WinogradInput<T>&);
  void (*winograd_output)(const WinogradOutput<T>&);
  void (*winograd_kernel)(const WinogradKernel<T>&);
  // to[j][i] = from[i * stride + j] for i, j < 8.
  void (*transpose)(const T* from, int64_t stride, T* const* to);
};

// The table for this machine, and the two it is chosen from (avx2: null where it cannot run).
template <class T>
const Kernels<T>& kernels();
template <class T>
const Kernels<T>& generic_kernels();
const Kernels<float>* avx2_kernels();

}  // namespace munet::cpu

// The micro-kernels: the innermost loops that depend on the instruction set, as one table per set,
// chosen once at run time. Everything above them is portable and the same for every table.
#pragma once

#include <cstdint>

namespace munet::cpu {

// The tile of one call. 6 x 16 floats are 12 of AVX2's 16 registers; 4 stay for the operands.
inline constexpr int64_t kTileRows = 6, kTileColumns = 16;
// The left operand lies in groups of 8 k, so that a vector copy from a row of x fills a group.
inline constexpr int64_t kGroup = 8;

// One tile of a matrix product, for i < 6 and j < 16:
//   c[i][j] = act((accumulate ? c[i][j] : 0) + sum_k a(i,k) * b[k][j] + bias[j] + add[i][j])
// The sum over k runs in order, in one accumulator per element, so equal operands give equal bits
// wherever the tile lies. All 96 numbers of c are written.
template <class T>
struct Tile {
  int64_t depth = 0;     // how many k: a multiple of 8, at least 8
  const T* a = nullptr;  // [depth/8][6][8]
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

// Winograd's transforms (winograd.h) of up to six patches of 6x6 pixels, the rows of one tile: all
// six together, because they share cache lines of the transformed numbers.
template <class T>
struct WinogradInput {
  int64_t patches;
  const T* pixels[kTileRows][36];  // of each patch, all with `channels` numbers
  int64_t channels;                // a multiple of 8
  T* v;  // patch r, place i, channel c: v[i * plane + c/8 * 48 + r * 8 + c % 8]
  int64_t plane;
};
template <class T>
struct WinogradOutput {
  int64_t patches;
  struct Patch {
    T* y;                   // the first of its size x size output pixels
    const T* add;           // beside it, or null
    int64_t rows, columns;  // how many of them lie inside y
  } to[kTileRows];
  int64_t size;        // 4 or 3
  int64_t channels;    // of y, a multiple of 16
  int64_t row_stride;  // of y and add
  const T* m;          // patch r, place i, channel o: m[i * plane + o/16 * 96 + r * 16 + o % 16]
  int64_t plane;
  const T* bias;  // or null
  bool relu;
};

template <class T>
struct Kernels {
  const char* name;
  void (*tile)(const Tile<T>&);
  void (*winograd_input)(const WinogradInput<T>&);
  void (*winograd_output)(const WinogradOutput<T>&);
};

// The table for this machine, and the two it is chosen from (avx2: null where it cannot run).
template <class T>
const Kernels<T>& kernels();
template <class T>
const Kernels<T>& generic_kernels();
const Kernels<float>* avx2_kernels();

}  // namespace munet::cpu

// Matrix products on a GPU: what is asked for, and our own tiles, which compute on the host what
// the host test checks, and on the card what cuBLASLt has no algorithm for. Plain C++.
#pragma once

#include "ops_cuda/tile_body.h"
#include "tensor/device.h"

namespace munet::cuda {

// c = op(a) op(b) + beta c, row-major and without gaps: op(a) [m,k], op(b) [k,n], c [m,n], stored
// transposed where the flag says so; `batch` of them one behind the other. a and b are `in`, c is
// `out`; sums are f32 (f64 for f64).
struct MatrixProduct {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
  int64_t batch = 1;
  double beta = 0;
  DType in, out;
  const void *a, *b;
  void* c;
  Device device;
};

// c[row][column] = sum + beta c[row][column].
template <class In, class Out>
struct AddingStore {
  Out* c;
  int64_t columns;
  Compute<In> beta;
  HOST_DEVICE void operator()(int64_t, int64_t row, int64_t column, Compute<In> sum) const {
    Out& to = c[row * columns + column];
    if (beta != 0) sum += beta * Compute<In>(widen(to));
    to = narrow_to<Out>(sum);
  }
};

template <class Run, bool TransposeA, bool TransposeB, class In, class Out>
void multiply_tiles(const MatrixProduct& p) {
  using Body = Product<Tile<64, 64, Compute<In>>, Matrix<In, !TransposeA>, Matrix<In, TransposeB>,
                       AddingStore<In, Out>>;
  for (int64_t i = 0; i < p.batch; ++i)
    run_product<Run>("matmul",
                     Body{p.m,
                          p.n,
                          p.k,
                          {static_cast<const In*>(p.a) + i * p.m * p.k, TransposeA ? p.m : p.k},
                          {static_cast<const In*>(p.b) + i * p.k * p.n, TransposeB ? p.k : p.n},
                          {static_cast<Out*>(p.c) + i * p.m * p.n, p.n, Compute<In>(p.beta)}});
}

template <class Run>
void multiply_tiles(const MatrixProduct& p) {
  const auto run = [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    if (p.transpose_a)
      p.transpose_b ? multiply_tiles<Run, true, true, In, Out>(p)
                    : multiply_tiles<Run, true, false, In, Out>(p);
    else
      p.transpose_b ? multiply_tiles<Run, false, true, In, Out>(p)
                    : multiply_tiles<Run, false, false, In, Out>(p);
  };
  for_stored(p.in, "matmul", [&](auto in) {
    if (p.out == p.in)
      run(in, in);
    else
      run(in, Compute<decltype(in)>());
  });
}

struct OnDevice;
void multiply(OnDevice, const MatrixProduct& p);  // matmul.cu: by cuBLASLt
void multiply(OnHost, const MatrixProduct& p);    // the host test's: by the tiles

}  // namespace munet::cuda

// The micro-kernel over and over on one tile per thread.
#include "tensor/cpu/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "tensor/cpu/kernels.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace munet::cpu {

double measure_peak() {
  constexpr int64_t kDeep = 128, kTiles = 2000;
  const int threads = num_threads();
  const Tensor a = Tensor::full({threads, kDeep * kTileRows}, 1);
  const Tensor b = Tensor::full({threads, kDeep * kTileColumns}, 1);
  const Tensor c = Tensor::zeros({threads, kTileRows * kTileColumns});
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t thread = begin; thread < end; ++thread) {
        Tile<float> tile;
        tile.depth = kDeep;
        tile.a = a.data<float>() + thread * a.dim(1);
        tile.b = tile.ahead = b.data<float>() + thread * b.dim(1);
        tile.c = c.data<float>() + thread * c.dim(1);
        tile.stride = kTileColumns;
        for (int64_t i = 0; i < kTiles; ++i) kernels<float>().tile(tile);
      }
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double flops = 2.0 * double(threads * kTiles * kDeep * kTileRows * kTileColumns);
    best = std::max(best, flops / seconds.count());
  }
  return best;
}

}  // namespace munet::cpu

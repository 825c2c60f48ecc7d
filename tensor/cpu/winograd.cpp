// Winograd's convolution in three parallel steps over blocks of patches: transform the patches,
// multiply at each of its places, transform back with the epilogue. The why is in winograd.h.
#include "tensor/cpu/winograd.h"

#include <vector>

#include "tensor/cpu/panel.h"
#include "tensor/cpu/winograd_patches.h"
#include "tensor/parallel.h"

namespace munet::cpu {

bool winograd_possible(const ConvShape& s) {
  return (s.kh == 3 || s.kh == 4) && s.kw == s.kh && s.stride == 1 && s.c >= 16 &&
         s.c % kGroup == 0 && s.o >= 16 && s.o % kTileColumns == 0;
}

template <class T>
void winograd_weights(const ConvShape& s, int64_t side, const WeightView<T>& w, T* u) {
  const int64_t taps = s.kh * s.kw, panels = s.o / kTileColumns;
  parallel_for(panels, 1, [&](int64_t begin, int64_t end) {
    T block[16][kGroup * kTileColumns];  // of each tap: 8 rows of a right panel
    for (int64_t panel = begin; panel < end; ++panel)
      for (int64_t c = 0; c < s.c; c += kGroup) {
        WinogradKernel<T> kernel;
        for (int64_t i = 0; i < taps; ++i) {
          put_columns(w.at(panel * kTileColumns, i / s.kw, i % s.kw, c), w.o_step, w.c_step,
                      kTileColumns, kGroup, block[i]);
          kernel.taps[i] = block[i];
        }
        kernel.side = side;
        kernel.size = s.kh;
        kernel.count = kGroup * kTileColumns;
        kernel.u = u + (panel * s.c + c) * kTileColumns;
        kernel.plane = winograd_plane(s);
        kernels<T>().winograd_kernel(kernel);
      }
  });
}

namespace {

// How the patches are cut into blocks; the scratch memory holds one block transformed.
struct Blocks {
  bool alone;  // each thread takes whole blocks, else all threads share the steps of each
  int64_t patches, count;
  Blocks(const Patches& all, int64_t weight_bytes, int64_t bytes_per_patch) {
    // Four tiles high, for as long it takes until the next weights have come from the cache; the
    // scratch memory then fits, or nearly so, into a core's second-level cache.
    patches = 4 * kTileRows;
    // Many weights are to be read for larger blocks, and few patches to be shared out evenly.
    alone = weight_bytes <= 4 << 20 && all.count >= 4 * patches * num_threads();
    if (!alone) {
      const int64_t bytes = std::max<int64_t>(4 << 20, weight_bytes / 4);
      const int64_t blocks = (all.count * bytes_per_patch + bytes - 1) / bytes;
      patches = round_up((all.count + blocks - 1) / blocks, kTileRows);
    }
    count = (all.count + patches - 1) / patches;
  }
};

// One convolution on its way through the three steps; V and m hold one block.
template <class T>
struct Run {
  const ConvShape& s;
  const Patches& patches;
  const T *x, *u, *zeros;
  const Epilogue<T>& epilogue;
  T* y;
  int64_t block;
  const Kernels<T>& table = kernels<T>();
  // Planes of one place each; 32 numbers between them, or all would fall into the same cache sets.
  const int64_t places = patches.side * patches.side;
  const int64_t v_plane = block * s.c + 32, m_plane = block * s.o + 32;
  const Scratch<T> v{places * v_plane};  // left panels of [patches, c]
  const Scratch<T> m{places * m_plane};  // [patches/6][o/16][6][16]

  // 1. V = B^T d B of the patches first.. of a block, for all channels.
  void transform(int64_t first, int64_t count) const {
    parallel_for(count, kTileRows, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t += kTileRows) {
        WinogradInput<T> in;
        in.side = patches.side;
        in.patches = std::min(kTileRows, end - t);
        for (int64_t r = 0; r < in.patches; ++r)
          patches.pixels(first + t + r, x, zeros, in.pixels[r]);
        in.channels = s.c;
        in.v = left_row(v.data, s.c, t);
        in.plane = v_plane;
        table.winograd_input(in);
      }
    });
  }

  // Where patch t goes.
  typename WinogradOutput<T>::Patch output(int64_t t) const {
    const int64_t row = patches.row(t), column = patches.column(t);
    const int64_t at = (patches.image(t) * s.oh + row) * s.ow + column;
    return {.y = y + at * s.o,
            .add = epilogue.add ? epilogue.add + at % epilogue.add_rows * s.o : nullptr,
            .rows = std::min(patches.size, s.oh - row),
            .columns = std::min(patches.size, s.ow - column)};
  }

  // 2. m = V U at each place. Rows of the last panel beyond `count` hold anything; so do their
  // products, which nobody reads.
  void multiply(int64_t first, int64_t count) const {
    const int64_t panels = s.o / kTileColumns;
    const int64_t groups = std::min<int64_t>(panels, 2), group = (panels + groups - 1) / groups;
    const int64_t tasks = places * groups;
    parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        // The products leave the memory alone: meanwhile a share of what the next step will meet is
        // asked for.
        for (int64_t t = task * count / tasks; t < (task + 1) * count / tasks; ++t) {
          const auto to = output(first + t);
          for (int64_t i = 0; i < to.rows; ++i)
            for (int64_t k = 0; k < to.columns * s.o; k += kTileColumns) {
              __builtin_prefetch(to.y + i * s.ow * s.o + k, 1, 2);
              if (to.add) __builtin_prefetch(to.add + i * s.ow * s.o + k, 0, 2);
            }
        }
        const int64_t place = task / groups, first_panel = task % groups * group;
        for (int64_t k0 = 0; k0 < s.c; k0 += kDepth)
          for (int64_t j = first_panel; j < std::min(first_panel + group, panels); ++j) {
            Tile<T> tile;
            tile.depth = std::min(kDepth, s.c - k0);
            tile.b = u + place * winograd_plane(s) + (j * s.c + k0) * kTileColumns;
            tile.stride = kTileColumns;
            tile.accumulate = k0 > 0;
            for (int64_t t = 0; t < count; t += kTileRows) {
              tile.a = v.data + place * v_plane + t * s.c + k0 * kTileRows;
              tile.c = m.data + place * m_plane +
                       (t / kTileRows * panels + j) * kTileRows * kTileColumns;
              tile.ahead = t < 4 * kTileRows
                               ? tile.b + s.c * kTileColumns + t / kTileRows * 4 * tile.depth
                               : tile.b;
              table.tile(tile);
            }
          }
      }
    });
  }

  // 3. Y = A^T m A of each patch, and the epilogue.
  void transform_back(int64_t first, int64_t count) const {
    parallel_for(count, kTileRows, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; t += kTileRows) {
        WinogradOutput<T> out;
        out.patches = std::min(kTileRows, end - t);
        for (int64_t r = 0; r < out.patches; ++r) out.to[r] = output(first + t + r);
        out.side = patches.side;
        out.size = patches.size;
        out.channels = s.o;
        out.row_stride = s.ow * s.o;
        out.m = m.data + t * s.o;
        out.plane = m_plane;
        out.bias = epilogue.bias;
        out.relu = epilogue.relu;
        table.winograd_output(out);
      }
    });
  }
};

}  // namespace

template <class T>
void winograd_conv2d(const ConvShape& s, int64_t side, const T* x, const T* u,
                     const Epilogue<T>& epilogue, T* y) {
  const Patches patches{s, side};
  if (patches.count == 0) return;
  const Blocks blocks(patches, winograd_weights_size(s, side) * int64_t(sizeof(T)),
                      side * side * (s.c + s.o) * int64_t(sizeof(T)));
  const std::vector<T> zeros(std::size_t(s.c), T(0));
  // Inside one parallel_for another one runs serially; a single range runs on the caller, so that
  // the inner ones are shared out.
  parallel_for(blocks.count, blocks.alone ? 1 : blocks.count, [&](int64_t begin, int64_t end) {
    const Run<T> run{s, patches, x, u, zeros.data(), epilogue, y, blocks.patches};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * blocks.patches;
      const int64_t count = std::min(blocks.patches, patches.count - first);
      run.transform(first, count);
      run.multiply(first, count);
      run.transform_back(first, count);
    }
  });
}

template void winograd_weights(const ConvShape&, int64_t, const WeightView<float>&, float*);
template void winograd_weights(const ConvShape&, int64_t, const WeightView<double>&, double*);
template void winograd_conv2d(const ConvShape&, int64_t, const float*, const float*,
                              const Epilogue<float>&, float*);
template void winograd_conv2d(const ConvShape&, int64_t, const double*, const double*,
                              const Epilogue<double>&, double*);

}  // namespace munet::cpu

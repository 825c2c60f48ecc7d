// Query rows are products of a few queries with panels of 16 targets; only the panels that the
// window touches are computed, and each band of costs goes into a running softmax at once.
#include "tensor/cpu/correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/cpu/panel.h"
#include "tensor/cpu/rows.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

int64_t columns(const MatchSizes& s) { return round_up(s.w, kTileColumns); }

// Every image row of a map transposed as right panels, for products row x row.
template <class T>
void pack_rows(const MatchSizes& s, const T* x, T* packed) {
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      pack_transposed(x + i * s.w * s.c, s.w, s.c, packed + i * right_panels(s.w, s.c));
  });
}

// A row of costs may be read eight numbers at a time, so a little behind its end.
int64_t cost_size(const MatchSizes& s) { return round_up(s.w, kTileRows) * columns(s) + kGroup; }

// costs[x][x'] = <row x, packed x'> for |x - x'| <= radius, columns() numbers a row; row as left
// panels, packed as right panels. Elements farther away are left as they are or hold other
// products.
template <class T>
void band_costs(const MatchSizes& s, const T* row, const T* packed, T* costs) {
  const Kernels<T>& table = kernels<T>();
  const int64_t width = columns(s), deep = padded(s.c);
  for (int64_t first = 0; first < s.w; first += kTileColumns) {
    // The queries that see some target of this panel.
    const int64_t x0 = std::max<int64_t>(0, first - s.radius) / kTileRows * kTileRows;
    const int64_t x1 = std::min(s.w, first + kTileColumns + s.radius);
    for (int64_t x = x0; x < x1; x += kTileRows)
      table.tile({.depth = deep,
                  .a = row + x * deep,
                  .b = packed + first * deep,
                  .c = costs + x * width + first,
                  .stride = width,
                  .ahead = packed + first * deep});
  }
}

// The columns [first, last) of a map of size w inside the window around x.
struct Band {
  int64_t first, last;
  Band(int64_t x, int64_t w, int64_t radius)
      : first(std::max<int64_t>(0, x - radius)), last(std::min(w, x + radius + 1)) {}
  int64_t size() const { return last - first; }
  // The sum of the displacements from x.
  double sum(int64_t x) const {
    return double(size()) * (double(first + last - 1) / 2 - double(x));
  }
};

// What a query knows of the hypotheses seen so far, softmax sums relative to the cost `origin`.
template <class T>
struct Running {
  T origin, total, x, y, largest;
  int64_t where;
};

// Nothing seen yet; or all that lies outside the frame, with cost 0.
template <class T>
Running<T> start(const MatchSizes& s, int64_t x, int64_t y) {
  const Band columns(x, s.w, s.radius), rows(y, s.h, s.radius);
  const int64_t window = 2 * s.radius + 1;
  const int64_t outside = window * window - columns.size() * rows.size();
  const T none = -std::numeric_limits<T>::infinity();
  if (s.exclude || outside == 0) return {T(s.scale > 0 ? none : -none), 0, 0, 0, none, -1};
  // Displacements of the whole window sum to 0, so those outside are minus those inside. The first
  // hypothesis outside: the corner, else the first in the first row, else that of the first row
  // below.
  int64_t where = 0;
  if (y >= s.radius && x >= s.radius)
    where = columns.size() < window ? columns.size() : rows.size() * window;
  return {0,
          T(outside),
          T(-double(rows.size()) * columns.sum(x)),
          T(-double(columns.size()) * rows.sum(y)),
          0,
          where};
}

// Adds the hypotheses of one target row: costs[0..band) belong to displacements first_u.., v.
template <class T>
void update(const MatchSizes& s, const T* costs, int64_t band, int64_t first_u, int64_t v,
            Running<T>& run) {
  const auto [low, high] = row_range(band, costs);
  // Ties go to the first hypothesis in row order; those outside may stand before or after.
  if (high >= run.largest) {
    const int64_t u = std::find(costs, costs + band, high) - costs + first_u;
    const int64_t here = (v + s.radius) * (2 * s.radius + 1) + u + s.radius;
    if (high > run.largest || here < run.where) run.where = here;
    run.largest = high;
  }
  const T best = s.scale > 0 ? high : low;
  if (s.scale > 0 ? best > run.origin : best < run.origin) {
    const T factor = run.total > 0 ? std::exp(T(s.scale) * (run.origin - best)) : T(0);
    run.total *= factor;
    run.x *= factor;
    run.y *= factor;
    run.origin = best;
  }
  const Moments<T> sums = exp_moments(band, T(s.scale), run.origin, costs);
  run.total += sums.total;
  run.x += T(first_u) * sums.total + sums.first;
  run.y += T(v) * sums.total;
}

// One thread's walk over pairs of image rows: row i of one map against the rows near it of another.
template <class T>
struct RowPairs {
  RowPairs(const MatchSizes& sizes, const T* map, const T* packed_others)
      : s(sizes), rows(map), packed(packed_others) {}
  const MatchSizes& s;
  const T *rows, *packed;
  const Scratch<T> left{left_panels(s.w, s.c)}, costs{cost_size(s)};

  // Calls f(row - its own, as row v of the window; index of the other row) with `costs` filled.
  template <class F>
  void walk(int64_t i, F&& f) const {
    pack_left(rows + i * s.w * s.c, s.w, s.c, left.data);
    const int64_t y = i % s.h;
    const Band near(y, s.h, s.radius);
    for (int64_t other = near.first; other < near.last; ++other) {
      band_costs(s, left.data, packed + (i - y + other) * right_panels(s.w, s.c), costs.data);
      f(other - y, i - y + other);
    }
  }
};

}  // namespace

template <class T>
void match_forward(const MatchSizes& s, const T* f_t, const T* f_prev, T* y, T* state) {
  const int64_t pixels = s.n * s.h * s.w;
  const Scratch<T> packed(s.n * s.h * right_panels(s.w, s.c));
  pack_rows(s, f_prev, packed.data);
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    const RowPairs<T> pairs(s, f_t, packed.data);
    std::vector<Running<T>> runs(static_cast<std::size_t>(s.w));
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t x = 0; x < s.w; ++x) runs[std::size_t(x)] = start<T>(s, x, i % s.h);
      pairs.walk(i, [&](int64_t v, int64_t) {
        for (int64_t x = 0; x < s.w; ++x) {
          const Band band(x, s.w, s.radius);
          update(s, pairs.costs.data + x * columns(s) + band.first, band.size(), band.first - x, v,
                 runs[std::size_t(x)]);
        }
      });
      for (int64_t x = 0; x < s.w; ++x) {
        const Running<T>& run = runs[std::size_t(x)];
        const int64_t at = i * s.w + x;
        y[at * 3] = run.x / run.total;
        y[at * 3 + 1] = run.y / run.total;
        y[at * 3 + 2] = run.largest;
        if (!state) continue;
        state[at] = run.origin;
        state[pixels + at] = 1 / run.total;
        state[2 * pixels + at] = T(run.where);
      }
    }
  });
}

namespace {

// dL/dC = scale * p * (gu_x (u_x - mean u_x) + gu_y (u_y - mean u_y)) + gU [arg max], p the
// softmax.
template <class T>
struct MatchGradient {
  const MatchSizes& s;
  const T *y, *state, *gy;

  // For position x of a row of costs, against the positions [band) of another row. Exactly one of
  // the two rows holds the queries: the row at `query` in its map. Displacements are target -
  // query.
  void line(bool row_is_query, int64_t x, Band band, int64_t v, int64_t query, const T* costs,
            T* shifted, T* slopes) const {
    const int64_t pixels = s.n * s.h * s.w, first = query * s.w + (row_is_query ? x : band.first);
    const int64_t step = row_is_query ? 0 : 1, n = band.size();
    for (int64_t j = 0; j < n; ++j) shifted[j] = costs[j] - state[first + j * step];
    exp_row(n, T(s.scale), T(0), shifted, slopes, kGroup);
    const int64_t corner = (v + s.radius) * (2 * s.radius + 1) + s.radius;
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = first + j * step;
      const int64_t u = row_is_query ? band.first + j - x : x - band.first - j;
      slopes[j] *= T(s.scale) * state[pixels + at] *
                   (gy[at * 3] * (T(u) - y[at * 3]) + gy[at * 3 + 1] * (T(v) - y[at * 3 + 1]));
      if (state[2 * pixels + at] == T(corner + u)) slopes[j] += gy[at * 3 + 2];
    }
  }

  // The gradient of the map `rows` from its products with `others`, the other map.
  void operator()(bool rows_are_queries, const T* rows, const T* others, T* gradient) const {
    const int64_t depth = round_up(s.c, kTileColumns), block = padded(s.w) * depth;
    const Scratch<T> packed(s.n * s.h * right_panels(s.w, s.c)), values(s.n * s.h * block);
    pack_rows(s, others, packed.data);
    parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        pack_blocks(others + i * s.w * s.c, s.w, s.c, padded(s.w), values.data + i * block);
    });
    parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
      const RowPairs<T> pairs(s, rows, packed.data);
      const Scratch<T> sum(round_up(s.w, kTileRows) * depth), left(left_panels(1, s.w));
      const Scratch<T> shifted(columns(s)), slopes(columns(s));
      for (int64_t i = begin; i < end; ++i) {
        std::fill_n(sum.data, round_up(s.w, kTileRows) * depth, T(0));
        pairs.walk(i, [&](int64_t v, int64_t other) {
          for (int64_t x0 = 0; x0 < s.w; x0 += kTileRows) {
            const int64_t x1 = std::min(x0 + kTileRows, s.w);
            // The targets of these six, from a multiple of 8 on.
            const int64_t from = Band(x0, s.w, s.radius).first / kGroup * kGroup;
            const int64_t deep = padded(Band(x1 - 1, s.w, s.radius).last - from);
            std::fill_n(left.data, left_panels(1, deep), T(0));
            for (int64_t x = x0; x < x1; ++x) {
              const Band band(x, s.w, s.radius);
              line(rows_are_queries, x, band, rows_are_queries ? v : -v,
                   rows_are_queries ? i : other, pairs.costs.data + x * columns(s) + band.first,
                   shifted.data, slopes.data);
              put_row<kGroup>(left.data + (x - x0) * kGroup, kTileRows * kGroup, band.first - from,
                              slopes.data, band.size());
            }
            for (int64_t k = 0; k < depth; k += kTileColumns) {
              const T* panel = values.data + other * block + k * padded(s.w) + from * kTileColumns;
              kernels<T>().tile({.depth = deep,
                                 .a = left.data,
                                 .b = panel,
                                 .c = sum.data + x0 * depth + k,
                                 .stride = depth,
                                 .accumulate = true,
                                 .ahead = panel});
            }
          }
        });
        for (int64_t x = 0; x < s.w; ++x)
          std::copy_n(sum.data + x * depth, s.c, gradient + (i * s.w + x) * s.c);
      }
    });
  }
};

}  // namespace

template <class T>
void match_backward(const MatchSizes& s, const T* f_t, const T* f_prev, const T* y, const T* state,
                    const T* gy, T* g_t, T* g_prev) {
  const MatchGradient<T> gradient{s, y, state, gy};
  gradient(true, f_t, f_prev, g_t);
  gradient(false, f_prev, f_t, g_prev);
}

template <class T>
void cost_volume(const MatchSizes& s, const T* f_t, const T* f_prev, T* y) {
  const int64_t window = 2 * s.radius + 1;
  const Scratch<T> packed(s.n * s.h * right_panels(s.w, s.c));
  pack_rows(s, f_prev, packed.data);
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    const RowPairs<T> pairs(s, f_t, packed.data);
    for (int64_t i = begin; i < end; ++i) {
      T* to = y + i * s.w * window * window;
      std::fill_n(to, s.w * window * window, T(0));
      pairs.walk(i, [&](int64_t v, int64_t) {
        for (int64_t x = 0; x < s.w; ++x) {
          const Band band(x, s.w, s.radius);
          std::copy_n(pairs.costs.data + x * columns(s) + band.first, band.size(),
                      to + (x * window + v + s.radius) * window + band.first - x + s.radius);
        }
      });
    }
  });
}

template void match_forward(const MatchSizes&, const float*, const float*, float*, float*);
template void match_forward(const MatchSizes&, const double*, const double*, double*, double*);
template void match_backward(const MatchSizes&, const float*, const float*, const float*,
                             const float*, const float*, float*, float*);
template void match_backward(const MatchSizes&, const double*, const double*, const double*,
                             const double*, const double*, double*, double*);
template void cost_volume(const MatchSizes&, const float*, const float*, float*);
template void cost_volume(const MatchSizes&, const double*, const double*, double*);

}  // namespace munet::cpu

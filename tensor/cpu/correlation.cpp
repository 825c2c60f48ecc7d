// Query rows are products of a few queries with panels of 16 targets; only the panels that the
// window touches are computed, and each band of costs goes into a running softmax at once.
#include "tensor/cpu/correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/cpu/exponential.h"
#include "tensor/cpu/panel.h"
#include "tensor/parallel.h"

namespace munet::cpu {
namespace {

// Every image row of a map as panels of 16 positions, for products row x row.
template <class T>
void pack_rows(const MatchSizes& s, const T* x, T* packed) {
  const int64_t stride = round_up(s.w, kPanel) * s.c;
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      pack_transposed(x + i * s.w * s.c, s.w, s.c, packed + i * stride);
  });
}

// costs[x][x'] = <row[x], packed[x']> for |x - x'| <= radius; a row of costs is round_up(w, 16)
// long. Elements farther away are left as they are or hold other products.
template <class T>
void band_costs(const MatchSizes& s, const T* row, const T* packed, T* costs) {
  const int64_t width = round_up(s.w, kPanel);
  for (int64_t first = 0; first < s.w; first += kPanel) {
    // The queries that see some target of this panel.
    const int64_t x0 = std::max<int64_t>(0, first - s.radius) / 6 * 6;
    const int64_t x1 = std::min(s.w, first + kPanel + s.radius);
    multiply_panel(x1 - x0, s.c, row + x0 * s.c, s.c, packed + first * s.c,
                   costs + x0 * width + first, width, false);
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
  T low = costs[0], high = costs[0];
  for (int64_t i = 1; i < band; ++i) {
    low = std::min(low, costs[i]);
    high = std::max(high, costs[i]);
  }
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

}  // namespace

template <class T>
void match_forward(const MatchSizes& s, const T* f_t, const T* f_prev, T* y, T* state) {
  const int64_t width = round_up(s.w, kPanel), pixels = s.n * s.h * s.w;
  const Scratch<T> packed(s.n * s.h * width * s.c);
  pack_rows(s, f_prev, packed.data);
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> costs(s.w * width);
    const Scratch<Running<T>> runs(s.w);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % s.h, image = i - row;
      for (int64_t x = 0; x < s.w; ++x) runs.data[x] = start<T>(s, x, row);
      const Band rows(row, s.h, s.radius);
      for (int64_t target = rows.first; target < rows.last; ++target) {
        band_costs(s, f_t + i * s.w * s.c, packed.data + (image + target) * width * s.c,
                   costs.data);
        for (int64_t x = 0; x < s.w; ++x) {
          const Band band(x, s.w, s.radius);
          update(s, costs.data + x * width + band.first, band.size(), band.first - x, target - row,
                 runs.data[x]);
        }
      }
      for (int64_t x = 0; x < s.w; ++x) {
        const Running<T>& run = runs.data[x];
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
// softmax. Costs of one row against one other row become their gradients, in place; exactly one of
// the two rows holds the queries, at image position `query`, and the displacement is target -
// query.
template <class T>
void band_gradients(const MatchSizes& s, bool rows_are_queries, int64_t query, int64_t v,
                    const T* y, const T* state, const T* gy, T* origins, T* costs) {
  const int64_t width = round_up(s.w, kPanel), pixels = s.n * s.h * s.w;
  for (int64_t i = 0; i < s.w; ++i) {
    const Band band(i, s.w, s.radius);
    T* line = costs + i * width;
    for (int64_t j = band.first; j < band.last; ++j)
      origins[j - band.first] = state[query + (rows_are_queries ? i : j)];
    exp_row(band.size(), T(s.scale), origins, line + band.first);
    for (int64_t j = band.first; j < band.last; ++j) {
      const int64_t at = query + (rows_are_queries ? i : j), u = rows_are_queries ? j - i : i - j;
      const T p = line[j] * state[pixels + at];
      const int64_t here = (v + s.radius) * (2 * s.radius + 1) + u + s.radius;
      line[j] = T(s.scale) * p *
                (gy[at * 3] * (T(u) - y[at * 3]) + gy[at * 3 + 1] * (T(v) - y[at * 3 + 1]));
      if (state[2 * pixels + at] == T(here)) line[j] += gy[at * 3 + 2];
    }
  }
}

// The gradient of one of the maps: `rows` is that map, `others` the other one.
template <class T>
void match_gradient(const MatchSizes& s, bool rows_are_queries, const T* rows, const T* others,
                    const T* y, const T* state, const T* gy, T* gradient) {
  const int64_t width = round_up(s.w, kPanel), depth = round_up(s.c, kPanel);
  const Scratch<T> packed(s.n * s.h * width * s.c);
  pack_rows(s, others, packed.data);
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> costs(s.w * width), origins(width), panels(s.w * depth), sum(s.w * depth);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % s.h, image = i - row;
      std::fill_n(sum.data, s.w * depth, T(0));
      const Band near(row, s.h, s.radius);
      for (int64_t other = near.first; other < near.last; ++other) {
        band_costs(s, rows + i * s.w * s.c, packed.data + (image + other) * width * s.c,
                   costs.data);
        band_gradients(s, rows_are_queries, (rows_are_queries ? i : image + other) * s.w,
                       rows_are_queries ? other - row : row - other, y, state, gy, origins.data,
                       costs.data);
        pack_blocks(others + (image + other) * s.w * s.c, s.w, s.c, s.w, panels.data);
        for (int64_t x = 0; x < s.w; ++x) {
          const Band band(x, s.w, s.radius);
          for (int64_t k = 0; k < depth; k += kPanel)
            multiply_panel(1, band.size(), costs.data + x * width + band.first, width,
                           panels.data + k * s.w + band.first * kPanel, sum.data + x * depth + k,
                           depth, true);
        }
      }
      for (int64_t x = 0; x < s.w; ++x)
        std::copy_n(sum.data + x * depth, s.c, gradient + (i * s.w + x) * s.c);
    }
  });
}

}  // namespace

template <class T>
void match_backward(const MatchSizes& s, const T* f_t, const T* f_prev, const T* y, const T* state,
                    const T* gy, T* g_t, T* g_prev) {
  match_gradient(s, true, f_t, f_prev, y, state, gy, g_t);
  match_gradient(s, false, f_prev, f_t, y, state, gy, g_prev);
}

template <class T>
void cost_volume(const MatchSizes& s, const T* f_t, const T* f_prev, T* y) {
  const int64_t width = round_up(s.w, kPanel), window = 2 * s.radius + 1;
  const Scratch<T> packed(s.n * s.h * width * s.c);
  pack_rows(s, f_prev, packed.data);
  parallel_for(s.n * s.h, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> costs(s.w * width);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % s.h, image = i - row;
      T* to = y + i * s.w * window * window;
      std::fill_n(to, s.w * window * window, T(0));
      const Band rows(row, s.h, s.radius);
      for (int64_t target = rows.first; target < rows.last; ++target) {
        band_costs(s, f_t + i * s.w * s.c, packed.data + (image + target) * width * s.c,
                   costs.data);
        for (int64_t x = 0; x < s.w; ++x) {
          const Band band(x, s.w, s.radius);
          std::copy(
              costs.data + x * width + band.first, costs.data + x * width + band.last,
              to + (x * window + target - row + s.radius) * window + band.first - x + s.radius);
        }
      }
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

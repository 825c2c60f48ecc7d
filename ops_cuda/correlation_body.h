// Matching in a window: the costs of eight queries of one image row, tile by tile, handed on while
// they are in registers. The volume is never stored; the backward pass stores slopes of its size
// once and gathers both gradients from them.
#pragma once

#include <cmath>

#include "ops_cuda/run.h"

namespace munet::cuda {

struct MatchShape {
  int n, h, w, c, radius;
  bool exclude;  // targets outside the frame take no part (else with cost 0)
  double scale;  // sign / temperature
  HOST_DEVICE int window() const { return 2 * radius + 1; }
  HOST_DEVICE int hypotheses() const { return window() * window(); }
  HOST_DEVICE int64_t pixels() const { return int64_t(n) * h * w; }
  HOST_DEVICE int runs() const { return (w + 7) / 8; }  // of eight queries in an image row
  int64_t blocks() const { return int64_t(n) * h * runs(); }
};

// What a thread knows of the hypotheses it has seen, softmax sums relative to the cost `origin`.
template <class T>
struct Running {
  T origin, total, x, y, largest;
  int where;  // the first arg max, v * window + u; -1: nothing seen yet

  HOST_DEVICE void rebase(T best, T scale) {
    const T factor = std::exp(scale * (origin - best));
    total *= factor, x *= factor, y *= factor;
    origin = best;
  }
  HOST_DEVICE void largest_of(T cost, int here) {
    if (cost > largest || (cost == largest && here < where)) largest = cost, where = here;
  }
  HOST_DEVICE void see(T cost, int u, int v, int here, T scale) {
    if (where < 0) {
      *this = {cost, T(1), T(u), T(v), cost, here};
      return;
    }
    if (scale * cost > scale * origin) rebase(cost, scale);
    const T weight = std::exp(scale * (cost - origin));
    total += weight;
    x += weight * T(u);
    y += weight * T(v);
    largest_of(cost, here);
  }
  HOST_DEVICE void see(Running other, T scale) {
    if (other.where < 0) return;
    if (where < 0) {
      *this = other;
      return;
    }
    if (scale * other.origin > scale * origin)
      rebase(other.origin, scale);
    else
      other.rebase(origin, scale);
    total += other.total;
    x += other.x;
    y += other.y;
    largest_of(other.largest, other.where);
  }
};

// Shared memory: features of eight queries and of 32 targets in each of four rows; then states.
template <class T>
struct MatchTile {
  static constexpr int kQueries = 8, kTargets = 32, kRows = 4, kThreads = 256;
  static constexpr int kDepth = sizeof(T) == 8 ? 16 : 32;
  struct Features {
    alignas(16) T query[kQueries][kDepth + 4], target[kRows * kTargets][kDepth + 4];
  };
  union {
    Features features;
    Running<T> state[kQueries][kTargets];
  };
};
template <class T>
struct alignas(16) Four {
  T v[4];
};

// Calls visit(local, query of the thread 0..3, its column, u, v, cost) for every hypothesis of the
// queries x0.. of image row `row` (of n * h). A warp has 32 targets, its lanes; its four queries
// and its target row follow from the warp's number.
template <class Local, class T, class Block, class Visit>
HOST_DEVICE void walk_costs(Block& block, MatchTile<T>& shared, const MatchShape& s, const T* f_t,
                            const T* f_prev, int row, int x0, Visit visit) {
  using Tile = MatchTile<T>;
  constexpr int kDepth = Tile::kDepth, kAcross = Tile::kThreads / kDepth;
  auto& features = shared.features;
  const int y = row % s.h, reach = Tile::kQueries - 1 + s.window();
  for (int left = x0 - s.radius; left < x0 - s.radius + reach; left += Tile::kTargets)
    for (int v0 = -s.radius; v0 <= s.radius; v0 += Tile::kRows) {
      block.each([&](int, Local& my) {
        for (int i = 0; i < 4; ++i) my.cost[i] = 0;
      });
      for (int k0 = 0; k0 < s.c; k0 += kDepth) {
        block.each([&](int t, Local&) {
          const int k = k0 + t % kDepth;
          for (int q = t / kDepth; q < Tile::kQueries; q += kAcross) {
            const bool inside = x0 + q < s.w && k < s.c;
            features.query[q][t % kDepth] =
                inside ? T(f_t[(int64_t(row) * s.w + x0 + q) * s.c + k]) : T(0);
          }
          for (int i = t / kDepth; i < Tile::kRows * Tile::kTargets; i += kAcross) {
            const int v = v0 + i / Tile::kTargets, x = left + i % Tile::kTargets;
            const bool inside =
                v <= s.radius && y + v >= 0 && y + v < s.h && x >= 0 && x < s.w && k < s.c;
            features.target[i][t % kDepth] =
                inside ? T(f_prev[((int64_t(row) + v) * s.w + x) * s.c + k]) : T(0);
          }
        });
        block.each([&](int t, Local& my) {
          const int warp = t / 32, first = warp % 2 * 4, target = warp / 2 * 32 + t % 32;
          for (int d = 0; d < kDepth; d += 4) {
            const auto b = *reinterpret_cast<const Four<T>*>(&features.target[target][d]);
            for (int i = 0; i < 4; ++i) {
              const auto a = *reinterpret_cast<const Four<T>*>(&features.query[first + i][d]);
              for (int j = 0; j < 4; ++j) my.cost[i] += a.v[j] * b.v[j];
            }
          }
        });
      }
      block.each([&](int t, Local& my) {
        const int warp = t / 32, v = v0 + warp / 2, target = left + t % 32;
        const bool inside = y + v >= 0 && y + v < s.h && target >= 0 && target < s.w;
        if (v > s.radius || (s.exclude && !inside)) return;
        for (int i = 0; i < 4; ++i) {
          const int x = x0 + warp % 2 * 4 + i, u = target - x;
          if (x < s.w && u >= -s.radius && u <= s.radius) visit(my, i, x, u, v, my.cost[i]);
        }
      });
    }
}

HOST_DEVICE inline int hypothesis(const MatchShape& s, int u, int v) {
  return (v + s.radius) * s.window() + u + s.radius;
}

// y [n,h,w,3] and, unless null, state: three planes [n*h*w], as in tensor/cpu/correlation.h.
template <class T>
struct MatchForward {
  static constexpr int kThreads = MatchTile<T>::kThreads;
  using Shared = MatchTile<T>;
  struct Local {
    T cost[4];
    Running<T> run[4];
  };
  MatchShape s;
  const T *f_t, *f_prev;
  T *y, *state;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int row = int(index / s.runs()), x0 = int(index % s.runs()) * Shared::kQueries;
    const T scale = T(s.scale);
    block.each([&](int, Local& my) {
      for (int i = 0; i < 4; ++i) my.run[i] = {0, 0, 0, 0, 0, -1};
    });
    walk_costs<Local>(block, shared, s, f_t, f_prev, row, x0,
                      [&](Local& my, int i, int, int u, int v, T cost) {
                        my.run[i].see(cost, u, v, hypothesis(s, u, v), scale);
                      });
    // A query's states lie in 32 lanes of four warps: first the warps, then the lanes.
    for (int rows = 0; rows < Shared::kRows; ++rows)
      block.each([&](int t, Local& my) {
        const int warp = t / 32;
        if (warp / 2 != rows) return;
        for (int i = 0; i < 4; ++i) {
          Running<T>& to = shared.state[warp % 2 * 4 + i][t % 32];
          if (rows == 0)
            to = my.run[i];
          else
            to.see(my.run[i], scale);
        }
      });
    for (int half = 16; half > 0; half /= 2)
      block.each([&](int t, Local&) {
        Running<T>* const lane = &shared.state[t / 32][t % 32];
        if (t % 32 < half) lane->see(lane[half], scale);
      });
    block.each([&](int t, Local&) {
      if (t >= Shared::kQueries || x0 + t >= s.w) return;
      const Running<T> run = shared.state[t][0];
      const int64_t at = int64_t(row) * s.w + x0 + t;
      y[at * 3] = run.x / run.total;
      y[at * 3 + 1] = run.y / run.total;
      y[at * 3 + 2] = run.largest;
      if (!state) return;
      state[at] = run.origin;
      state[s.pixels() + at] = 1 / run.total;
      state[2 * s.pixels() + at] = T(run.where);
    });
  }
};

// The costs themselves -> y [n,h,w,window^2]. s.exclude is off: 0 outside the frame.
template <class T>
struct CostVolume {
  static constexpr int kThreads = MatchTile<T>::kThreads;
  using Shared = MatchTile<T>;
  struct Local {
    T cost[4];
  };
  MatchShape s;
  const T *f_t, *f_prev;
  T* y;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int row = int(index / s.runs()), x0 = int(index % s.runs()) * Shared::kQueries;
    walk_costs<Local>(block, shared, s, f_t, f_prev, row, x0,
                      [&](Local&, int, int x, int u, int v, T cost) {
                        const int64_t at = int64_t(row) * s.w + x;
                        y[at * s.hypotheses() + hypothesis(s, u, v)] = cost;
                      });
  }
};

// slopes[n,h,w,window^2] = dL/dC = scale * p * (g_x (u - mean u) + g_y (v - mean v)) + g_U [arg
// max]. s.exclude is on: hypotheses outside the frame have no gradient and are not written.
template <class T>
struct MatchSlopes {
  static constexpr int kThreads = MatchTile<T>::kThreads;
  using Shared = MatchTile<T>;
  struct Local {
    T cost[4];
  };
  MatchShape s;
  const T *f_t, *f_prev, *y, *state, *gy;
  T* slopes;

  HOST_DEVICE T slope(int64_t at, int u, int v, T cost) const {
    const T scale = T(s.scale);
    const T p = std::exp(scale * (cost - state[at])) * state[s.pixels() + at];
    const T along = gy[at * 3] * (T(u) - y[at * 3]) + gy[at * 3 + 1] * (T(v) - y[at * 3 + 1]);
    const bool first = int(state[2 * s.pixels() + at]) == hypothesis(s, u, v);
    return scale * p * along + (first ? gy[at * 3 + 2] : T(0));
  }
  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int row = int(index / s.runs()), x0 = int(index % s.runs()) * Shared::kQueries;
    walk_costs<Local>(block, shared, s, f_t, f_prev, row, x0,
                      [&](Local&, int, int x, int u, int v, T cost) {
                        const int64_t at = int64_t(row) * s.w + x;
                        slopes[at * s.hypotheses() + hypothesis(s, u, v)] = slope(at, u, v, cost);
                      });
  }
};

// Element i of the gradient of f_t (turned: of f_prev), gathered over the targets of its position
// (turned: over the queries that saw it); `other` is the other map.
template <class T>
struct MatchGradient {
  MatchShape s;
  bool turned;
  const T *slopes, *other;
  T* gradient;

  HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t channel = i % uint32_t(s.c), position = i / uint32_t(s.c);
    const int x = int(position % uint32_t(s.w)), y = int(position / uint32_t(s.w) % uint32_t(s.h));
    T sum = 0;
    for (int dy = -s.radius; dy <= s.radius; ++dy)
      for (int dx = -s.radius; dx <= s.radius; ++dx) {
        if (y + dy < 0 || y + dy >= s.h || x + dx < 0 || x + dx >= s.w) continue;
        const int64_t there = int64_t(position) + int64_t(dy) * s.w + dx;
        const int64_t query = turned ? there : position;
        const int here = turned ? hypothesis(s, -dx, -dy) : hypothesis(s, dx, dy);
        sum += slopes[query * s.hypotheses() + here] * other[there * s.c + channel];
      }
    gradient[i] = sum;
  }
};

}  // namespace munet::cuda

// Twin of autograd/ops/reduce.cpp, and the sum that norms, pooling and losses are made with. A
// thread adds sixteen terms in their own precision, a block the threads' sums as a tree in f64, and
// a further pass the blocks': the order is the shape's alone, so results repeat bit for bit.
#pragma once

#include "autograd/ops/reduce.h"
#include "ops_cuda/steps.h"

namespace munet::cuda {

// K sums over the middle axis of [outer, size, inner]. term(row, column, value[K]) gives what is
// added, row being outer * size + the middle index. Sum k goes to to[k][o * stride + column].
template <class Term, class To>
struct SumBody {
  static constexpr int kThreads = 256, kTerms = 16, K = Term::kSums;
  struct Local {};
  struct Shared {
    double part[K][kThreads];
  };
  Term term;
  int64_t size, inner, stride;
  int columns;   // threads of a block that stand side by side: a power of two up to 32
  int64_t rows;  // that a block adds up
  Divider row_blocks, column_blocks;
  double factor;
  To* to[K];

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const int64_t first_column = int64_t(column_blocks.split(index)) * columns;
    const int64_t first_row = int64_t(row_blocks.split(index)) * rows, o = index;
    const int64_t last_row = first_row + rows < size ? first_row + rows : size;
    const int64_t row_block = first_row / rows;
    const int lanes = kThreads / columns;
    block.each([&](int t, Local&) {
      const int64_t column = first_column + t % columns;
      typename Term::Value sum[K] = {}, value[K];
      if (column < inner)
        for (int64_t row = first_row + t / columns; row < last_row; row += lanes) {
          term(o * size + row, column, value);
          for (int k = 0; k < K; ++k) sum[k] += value[k];
        }
      for (int k = 0; k < K; ++k) shared.part[k][t] = double(sum[k]);
    });
    for (int half = kThreads / 2; half >= columns; half /= 2)
      block.each([&](int t, Local&) {
        if (t < half)
          for (int k = 0; k < K; ++k) shared.part[k][t] += shared.part[k][t + half];
      });
    block.each([&](int t, Local&) {
      const int64_t column = first_column + t;
      if (t < columns && column < inner)
        for (int k = 0; k < K; ++k)
          to[k][(o * row_blocks.divisor + row_block) * stride + column] =
              narrow_to<To>(factor * shared.part[k][t]);
    });
  }
};

// The sums of the pass before: [rows, K, inner].
template <int N>
struct PartialSums {
  using Value = double;
  static constexpr int kSums = N;
  const double* from;
  int64_t inner;
  HOST_DEVICE void operator()(int64_t row, int64_t column, double* value) const {
    for (int k = 0; k < N; ++k) value[k] = from[(row * N + k) * inner + column];
  }
};

template <class T>
struct Numbers {
  using Value = Compute<T>;
  static constexpr int kSums = 1;
  const T* from;
  int64_t inner;
  HOST_DEVICE void operator()(int64_t row, int64_t column, Value* value) const {
    *value = widen(from[row * inner + column]);
  }
};

// to[k] [outer, inner] = factor * the sums, for sums over tensors on `device`.
template <class Run, class Term, class To>
void sum_middle(const char* name, Device device, const Term& term, int64_t outer, int64_t size,
                int64_t inner, double factor, std::array<To*, Term::kSums> to) {
  constexpr int K = Term::kSums;
  if (outer * inner == 0) return;
  int columns = 1;
  while (columns < 32 && columns < inner) columns *= 2;
  using Body = SumBody<Term, To>;
  const int64_t rows = int64_t{Body::kTerms} * (Body::kThreads / columns);
  const int64_t column_blocks = (inner + columns - 1) / columns;
  const int64_t row_blocks = std::max<int64_t>(1, (size + rows - 1) / rows);
  const auto run = [&](auto* const* target, int64_t stride, double f) {
    using Target = std::remove_cvref_t<decltype(**target)>;
    SumBody<Term, Target> body{
        term, size, inner, stride, columns, rows, Divider(row_blocks), Divider(column_blocks),
        f,    {}};
    for (int k = 0; k < K; ++k) body.to[k] = target[k];
    Run::blocks(name, outer * row_blocks * column_blocks, body);
  };
  if (row_blocks == 1) return run(to.data(), inner, factor);
  const Tensor partial = Tensor::empty({outer, row_blocks, K * inner}, DType::f64, device);
  double* parts[K];
  for (int k = 0; k < K; ++k) parts[k] = partial.data<double>() + k * inner;
  run(parts, K * inner, 1);
  sum_middle<Run>(name, device, PartialSums<K>{partial.data<double>(), inner}, outer, row_blocks,
                  inner, factor, to);
}

// Groups of neighbouring summed axes one after the other, the last group first.
template <class Run>
void sum(const Tensor& x, const std::vector<bool>& summed, double factor, const Tensor& y) {
  for_stored(x.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    Tensor whole = x.detach();  // what is left to sum, [outer, size, inner]
    int64_t inner = 1;
    int axis = x.rank() - 1;
    for (bool last = false; !last;) {
      int64_t size = 1, outer = 1;
      for (; axis >= 0 && !summed[std::size_t(axis)]; --axis) inner *= x.dim(axis);
      for (; axis >= 0 && summed[std::size_t(axis)]; --axis) size *= x.dim(axis);
      last = true;
      for (int i = axis; i >= 0; --i) {
        outer *= x.dim(i);
        last = last && !summed[std::size_t(i)];
      }
      const auto add_up = [&](auto* to, double f) {
        using To = std::remove_pointer_t<decltype(to)>;
        if (whole.raw() == x.raw())
          sum_middle<Run>("sum", x.device(), Numbers<T>{x.data<T>(), inner}, outer, size, inner, f,
                          std::array<To*, 1>{to});
        else
          sum_middle<Run>("sum", x.device(), Numbers<double>{whole.data<double>(), inner}, outer,
                          size, inner, f, std::array<To*, 1>{to});
      };
      if (last) {
        add_up(y.data<T>(), factor);
      } else {
        const Tensor next = Tensor::empty({outer, inner}, DType::f64, x.device());
        add_up(next.data<double>(), 1);
        whole = next;
      }
    }
  });
}

template <class T, int N>
struct RepeatBody {  // y = factor * x, repeated
  Steps steps;
  bool repeat;
  Compute<T> factor;
  const T* x;
  T* y;
  HOST_DEVICE void operator()(uint32_t i) const {
    int64_t at, unused;
    steps.find(i, at, unused);
    Pack<T, N> to;
    for (int k = 0; k < N; ++k) to.v[k] = narrow_to<T>(factor * widen(x[repeat ? at : at + k]));
    store<N>(y + int64_t(i) * N, to);
  }
};

template <class Run>
void sum_backward(const Tensor& gy, double factor, const Tensor& gx) {
  Walk walk;
  int64_t step = 1, whole = 1;
  for (int i = gx.rank() - 1; i >= 0; --i) {
    walk.add(gx.dim(i), gy.dim(i) == 1 ? 0 : step, whole);
    step *= gy.dim(i);
    whole *= gx.dim(i);
  }
  for_stored(gx.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    T* to = gx.data<T>();
    for_pack(packs(walk) && aligned(kPack * sizeof(T), to), [&](auto pack) {
      constexpr int N = decltype(pack)::value;
      Run::loop("sum_backward", gx.numel() / N,
                RepeatBody<T, N>{Steps(walk, N), walk.step_a() == 0, Compute<T>(factor),
                                 gy.data<T>(), to});
    });
  });
}

template <class T>
struct MaxBody {
  int64_t size;
  Divider inner;
  const T* x;
  T* y;
  int32_t* index;  // may be null
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t outer = i;
    const int64_t j = inner.split(outer);
    const T* from = x + outer * size * inner.divisor + j;
    int64_t best = 0;
    auto value = widen(*from);
    for (int64_t k = 1; k < size; ++k) {
      const auto v = widen(from[k * inner.divisor]);
      if (!(v <= value) && value == value) value = v, best = k;  // the first NaN stays
    }
    y[i] = narrow_to<T>(value);
    if (index) index[i] = int32_t(best);
  }
};

template <class T>
struct MaxSlopeBody {
  Divider size, inner;
  const T* gy;
  const int32_t* index;
  T* gx;
  HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t outer = i;
    const uint32_t j = inner.split(outer), k = size.split(outer);
    const int64_t line = int64_t(outer) * inner.divisor + j;
    gx[i] = index[line] == int32_t(k) ? gy[line] : T();
  }
};

template <class Run>
void max_forward(const Tensor& x, int axis, const Tensor& y, const Tensor& index) {
  const Lines lines(x.shape(), axis);
  for_stored(x.dtype(), "max", [&](auto zero) {
    using T = decltype(zero);
    Run::loop("max", lines.count(),
              MaxBody<T>{lines.size, Divider(std::max<int64_t>(1, lines.inner)), x.data<T>(),
                         y.data<T>(), index ? index.data<int32_t>() : nullptr});
  });
}

template <class Run>
void max_backward(const Tensor& gy, const Tensor& index, int axis, const Tensor& gx) {
  const Lines lines(gx.shape(), axis);
  for_stored(gx.dtype(), "max", [&](auto zero) {
    using T = decltype(zero);
    Run::loop("max_backward", gx.numel(),
              MaxSlopeBody<T>{Divider(lines.size), Divider(std::max<int64_t>(1, lines.inner)),
                              gy.data<T>(), index.data<int32_t>(), gx.data<T>()});
  });
}

template <class Run, class Set>
void reduce_twins(Set set) {
  set(kernels::sum, sum<Run>);
  set(kernels::sum_backward, sum_backward<Run>);
  set(kernels::max_forward, max_forward<Run>);
  set(kernels::max_backward, max_backward<Run>);
}

}  // namespace munet::cuda

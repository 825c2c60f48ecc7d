// Twin of autograd/ops/update.cpp: one kernel over the pieces of all tensors. The table of pieces
// is made on the host and copied; each block takes one piece.
#pragma once

#include "autograd/ops/update.h"
#include "ops_cuda/run.h"
#include "tensor/tensor.h"

namespace munet::cuda {

constexpr int64_t kPiece = 1 << 15;  // elements

// A table of structs on `device`.
template <class Entry>
Tensor table_on(Device device, const std::vector<Entry>& entries) {
  const int64_t bytes = int64_t(entries.size() * sizeof(Entry));
  Tensor table = Tensor::empty({bytes}, DType::u8, device);
  copy_bytes(table.raw(), device, entries.data(), Device{}, std::size_t(bytes));
  return table;
}

template <class T>
struct AdamWPiece {
  T *p, *m, *v;
  const T* g;
  T keep, size, root;
  int32_t count;
};

template <class T>
struct AdamWBody {
  static constexpr int kThreads = 256;
  struct Local {};
  struct Shared {};
  T toward, beta2, rest2, eps;
  const AdamWPiece<T>* pieces;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared&) const {
    const AdamWPiece<T> piece = pieces[index];
    block.each([&](int t, Local&) {
      for (int i = t; i < piece.count; i += kThreads) {
        const T g = piece.g[i], m = piece.m[i] + toward * (g - piece.m[i]),
                v = piece.v[i] * beta2 + rest2 * g * g;
        piece.m[i] = m;
        piece.v[i] = v;
        piece.p[i] = piece.p[i] * piece.keep + piece.size * m / (std::sqrt(v) / piece.root + eps);
      }
    });
  }
};

template <class Run, class T>
void adamw_as(const std::vector<kernels::AdamWStep>& steps, kernels::AdamWConstants constants) {
  std::vector<AdamWPiece<T>> pieces;
  Device device;
  for (const kernels::AdamWStep& s : steps) {
    if (s.p.dtype() != dtype_of<T>) continue;
    device = s.p.device();
    for (int64_t i = 0; i < s.p.numel(); i += kPiece)
      pieces.push_back({s.p.data<T>() + i, s.m.data<T>() + i, s.v.data<T>() + i, s.g.data<T>() + i,
                        T(s.keep), T(s.size), T(s.root),
                        int32_t(std::min(kPiece, s.p.numel() - i))});
  }
  if (pieces.empty()) return;
  const Tensor table = table_on(device, pieces);
  Run::blocks("adamw", int64_t(pieces.size()),
              AdamWBody<T>{T(1 - constants.beta1), T(constants.beta2), T(1 - constants.beta2),
                           T(constants.eps), static_cast<const AdamWPiece<T>*>(table.raw())});
}

template <class Run>
void adamw(const std::vector<kernels::AdamWStep>& steps, kernels::AdamWConstants constants) {
  for (const kernels::AdamWStep& s : steps) for_precise(s.p.dtype(), "AdamW", [](auto) {});
  adamw_as<Run, float>(steps, constants);
  adamw_as<Run, double>(steps, constants);
}

template <class T>
struct Piece {
  T* x;
  const T* from;  // where a second list of tensors is read
  int32_t count;
};

template <class T>
std::vector<Piece<T>> pieces_of(const Tensors& tensors, const Tensors& from = {}) {
  std::vector<Piece<T>> pieces;
  for (std::size_t k = 0; k < tensors.size(); ++k)
    for (int64_t i = 0; i < tensors[k].numel(); i += kPiece)
      pieces.push_back({tensors[k].data<T>() + i, from.empty() ? nullptr : from[k].data<T>() + i,
                        int32_t(std::min(kPiece, tensors[k].numel() - i))});
  return pieces;
}

template <class T>
struct SquaresBody {
  static constexpr int kThreads = 256;
  struct Local {};
  struct Shared {
    double part[kThreads];
  };
  const Piece<T>* pieces;
  double* sums;

  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared& shared) const {
    const Piece<T> piece = pieces[index];
    block.each([&](int t, Local&) {
      double sum = 0;
      for (int first = t; first < piece.count; first += 16 * kThreads) {
        T part = 0;  // sixteen squares at a time in T, their sums in f64
        for (int i = first; i < piece.count && i < first + 16 * kThreads; i += kThreads)
          part += piece.x[i] * piece.x[i];
        sum += double(part);
      }
      shared.part[t] = sum;
    });
    for (int half = kThreads / 2; half > 0; half /= 2)
      block.each([&](int t, Local&) {
        if (t < half) shared.part[t] += shared.part[t + half];
      });
    block.each([&](int t, Local&) {
      if (t == 0) sums[index] = shared.part[0];
    });
  }
};

// All tensors are of one type; parameters are.
template <class Run>
std::vector<double> sums_of_squares(const Tensors& tensors) {
  std::vector<double> totals;
  if (tensors.empty()) return totals;
  const Device device = tensors[0].device();
  for_precise(tensors[0].dtype(), "sums_of_squares", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<Piece<T>> pieces = pieces_of<T>(tensors);
    const Tensor table = table_on(device, pieces);
    const Tensor sums = Tensor::empty({int64_t(pieces.size())}, DType::f64, device);
    Run::blocks("sums_of_squares", int64_t(pieces.size()),
                SquaresBody<T>{static_cast<const Piece<T>*>(table.raw()), sums.data<double>()});
    const std::vector<double> parts = sums.to_vector<double>();
    std::size_t next = 0;
    for (const Tensor& x : tensors) {
      totals.push_back(0);
      for (int64_t i = 0; i < x.numel(); i += kPiece) totals.back() += parts[next++];
    }
  });
  return totals;
}

// x *= factor, or with a second list x += factor * (from - x).
template <class T>
struct ScaleBody {
  static constexpr int kThreads = 256;
  struct Local {};
  struct Shared {};
  T factor;
  const Piece<T>* pieces;
  template <class Block>
  HOST_DEVICE void operator()(Block& block, uint32_t index, Shared&) const {
    const Piece<T> piece = pieces[index];
    block.each([&](int t, Local&) {
      for (int i = t; i < piece.count; i += kThreads)
        piece.x[i] =
            piece.from ? piece.x[i] + factor * (piece.from[i] - piece.x[i]) : piece.x[i] * factor;
    });
  }
};

template <class Run>
void move_toward(const Tensors& to, const Tensors& from, double rest) {
  if (to.empty()) return;
  for_precise(to[0].dtype(), "move_toward", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<Piece<T>> pieces = pieces_of<T>(to, from);
    const Tensor table = table_on(to[0].device(), pieces);
    Run::blocks("move_toward", int64_t(pieces.size()),
                ScaleBody<T>{T(rest), static_cast<const Piece<T>*>(table.raw())});
  });
}

template <class Run>
void scale_all(const Tensors& tensors, double factor) {
  if (tensors.empty()) return;
  for_precise(tensors[0].dtype(), "scale_all", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<Piece<T>> pieces = pieces_of<T>(tensors);
    const Tensor table = table_on(tensors[0].device(), pieces);
    Run::blocks("scale_all", int64_t(pieces.size()),
                ScaleBody<T>{T(factor), static_cast<const Piece<T>*>(table.raw())});
  });
}

template <class Run, class Set>
void update_twins(Set set) {
  set(kernels::adamw, adamw<Run>);
  set(kernels::sums_of_squares, sums_of_squares<Run>);
  set(kernels::move_toward, move_toward<Run>);
  set(kernels::scale_all, scale_all<Run>);
}

}  // namespace munet::cuda

// The slots of convolution with our own kernels: what conv.cu registers where cuDNN is absent, and
// what the host test runs.
#pragma once

#include <algorithm>

#include "autograd/ops/conv.h"
#include "ops_cuda/conv_body.h"

namespace munet::cuda {

inline ConvSizes conv_sizes(const Shape& x, const Shape& w, const Shape& y, Conv2dOptions options) {
  for (const Shape* shape : {&x, &w, &y})
    for (int axis = 0; axis < 4; ++axis)
      check((*shape)[axis] < (int64_t{1} << 31), "conv2d: a side is below 2^31 on a GPU; given ",
            *shape);
  return {int(x[0]), int(x[1]),      int(x[2]),       int(x[3]), int(w[0]), int(w[1]),
          int(w[2]), options.stride, options.padding, int(y[1]), int(y[2])};
}

template <class T>
const T* data_or_null(const Tensor& x) {
  return x ? x.data<T>() : nullptr;
}

// f(a tile's type) for a product with so many columns.
template <class T, class F>
void with_tile(int64_t columns, F&& f) {
  if (columns <= 16)
    f(NarrowTile<T>{});
  else
    f(SquareTile<T>{});
}

template <class Run, class T>
void forward_product(const ConvSizes& s, const T* x, const T* w, const Epilogue<T>& epilogue) {
  with_tile<T>(s.o, [&](auto tile) {
    run_product<Run>("conv2d",
                     Product<decltype(tile), WindowRows<T>, Matrix<T, true>, Epilogue<T>>{
                         s.outputs(), s.o, s.window(), {s, x}, {w, s.window()}, epilogue});
  });
}

template <class Run>
void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, Conv2dOptions options,
                    const Tensor& y) {
  for_stored(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const ConvSizes s = conv_sizes(x.shape(), w.shape(), y.shape(), options);
    forward_product<Run>(s, x.data<T>(), w.data<T>(),
                         Epilogue<T>{data_or_null<T>(bias), nullptr, 1, false, y.data<T>(), s.o});
  });
}

// Weights of a GPU are a plain copy.
inline void prepare_conv2d(const Tensor& w, PreparedConv2d& prepared) {
  prepared.weight = w.clone();
}

template <class Run>
void conv2d_fused(const Tensor& x, const PreparedConv2d& prepared, const Tensor& add,
                  Activation activation, const Tensor& y) {
  for_stored(x.dtype(), "conv2d_fused", [&](auto zero) {
    using T = decltype(zero);
    const ConvSizes s = conv_sizes(x.shape(), prepared.w, y.shape(), prepared.options);
    forward_product<Run>(s, x.data<T>(), prepared.weight.data<T>(),
                         Epilogue<T>{data_or_null<T>(prepared.bias), data_or_null<T>(add),
                                     add ? add.numel() / std::max(s.o, 1) : 1,
                                     activation == Activation::relu, y.data<T>(), s.o});
  });
}

template <class Run>
void conv2d_grad_x(const Tensor& gy, const Tensor& w, Conv2dOptions options, const Tensor& gx) {
  for_stored(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const ConvSizes s = conv_sizes(gx.shape(), w.shape(), gy.shape(), options);
    with_tile<T>(s.c, [&](auto tile) {
      run_product<Run>("conv2d_grad_x",
                       Product<decltype(tile), OutputsOver<T>, TurnedWeights<T>, PlainStore<T>>{
                           s.inputs(),
                           s.c,
                           int64_t(s.kh) * s.kw * s.o,
                           {s, gy.data<T>()},
                           {s, w.data<T>()},
                           {gx.data<T>(), s.inputs(), s.c}});
    });
  });
}

// The positions are cut into parts, so that the few tiles of gw fill the card; their sums lie in
// scratch and are added in order.
template <class Run>
void conv2d_grad_w(const Tensor& gy, const Tensor& x, Conv2dOptions options, const Tensor& gw) {
  for_stored(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const ConvSizes s = conv_sizes(x.shape(), gw.shape(), gy.shape(), options);
    using Body = Product<SquareTile<T>, Matrix<T, false>, WindowColumns<T>, PlainStore<Compute<T>>>;
    Body body{s.o, s.window(), s.outputs(), {gy.data<T>(), s.o}, {s, x.data<T>()}, {}};
    constexpr int64_t kEnough = 512, kLeast = 256;  // blocks; positions of a part
    const int64_t parts = std::clamp<int64_t>(kEnough / std::max<int64_t>(body.tiles(), 1), 1,
                                              std::max<int64_t>(s.outputs() / kLeast, 1));
    body.part_depth =
        blocks_for(blocks_for(s.outputs(), parts), Body::Shared::kDepth) * Body::Shared::kDepth;
    const Tensor partial =
        Tensor::empty({body.parts(), gw.numel()}, dtype_of<Compute<T>>, gw.device());
    body.store = {partial.data<Compute<T>>(), s.o, s.window()};
    run_product<Run>("conv2d_grad_w", body);
    Run::loop("conv2d_grad_w", gw.numel(),
              SumParts<T>{partial.data<Compute<T>>(), gw.numel(), body.parts(), gw.data<T>()});
  });
}

template <class Run>
void conv2d_grad_bias(const Tensor& gy, const Tensor& gbias) {
  for_stored(gy.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const int64_t o = gbias.numel(), rows = gy.numel() / std::max<int64_t>(o, 1);
    ColumnSums<T> body{gy.data<T>(), rows, o, 512, nullptr};
    const Tensor partial = Tensor::empty({body.parts(), o}, dtype_of<Compute<T>>, gy.device());
    body.partial = partial.data<Compute<T>>();
    Run::blocks("conv2d_grad_bias", body.blocks(), body);
    Run::loop("conv2d_grad_bias", o, SumParts<T>{body.partial, o, body.parts(), gbias.data<T>()});
  });
}

}  // namespace munet::cuda

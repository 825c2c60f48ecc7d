// Every op here is a reshape or a copy of a box of elements between two tensors.
#include "autograd/ops/shape.h"

#include <cstring>
#include <utility>

#include "autograd/node.h"
#include "tensor/parallel.h"
#include "tensor/walk.h"

namespace munet {
namespace kernels {
namespace {

void copy_box_cpu(const Tensor& from, const Box& from_box, const Tensor& to, const Box& to_box,
                  const Shape& size) {
  Walk walk;
  for (int i = size.rank() - 1; i >= 0; --i)
    walk.add(size[i], from_box.step[std::size_t(i)], to_box.step[std::size_t(i)]);
  for_any(from.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* source = from.data<T>() + from_box.first;
    T* target = to.data<T>() + to_box.first;
    const int64_t step_a = walk.step_a(), step_b = walk.step_b();
    parallel_for(size.numel(), 32768, [&](int64_t begin, int64_t end) {
      walk.for_runs(begin, end, [&](int64_t, int64_t a, int64_t b, int64_t n) {
        if (step_a == 1 && step_b == 1)
          std::memcpy(target + b, source + a, std::size_t(n) * sizeof(T));
        else
          for (int64_t k = 0; k < n; ++k) target[b + k * step_b] = source[a + k * step_a];
      });
    });
  });
}

}  // namespace

Kernel<void(const Tensor&, const Box&, const Tensor&, const Box&, const Shape&)> copy_box{
    "copy_box", copy_box_cpu};

}  // namespace kernels

namespace {

using kernels::Box;

// The box of x that starts at element `first`, along x's own axes.
Box box(const Shape& x, int64_t first = 0) {
  Box b{first, {}};
  int64_t step = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    b.step[std::size_t(i)] = step;
    step *= x[i];
  }
  return b;
}

int64_t step_of(const Shape& shape, int axis) { return box(shape).step[std::size_t(axis)]; }

void check_axis(const char* op, const Tensor& x, int axis) {
  check(x.defined(), op, ": expected a tensor; x is undefined");
  check<ShapeError>(axis >= -x.rank() && axis < x.rank(), op, ": there is no axis ", axis,
                    "; x is ", x.shape());
}

// Rows [start, start + length) of an axis, which was checked.
Tensor narrow_copy(const Tensor& x, int axis, int64_t start, int64_t length) {
  if (axis == 0) return x.rows(start, length);
  Shape size = x.shape();
  size.set(axis, length);
  const Tensor y = Tensor::empty(size, x.dtype(), x.device());
  kernels::copy_box(x.device(), x, box(x.shape(), start * step_of(x.shape(), axis)), y, box(size),
                    size);
  return y;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(x.defined(), "reshape: expected a tensor; x is undefined");
  check<ShapeError>(shape.numel() == x.numel(), "reshape: expected ", x.numel(), " elements; x is ",
                    x.shape(), ", the new shape ", shape);
  const Tensor y = x.view(shape);
  if (!recording(x)) return y;
  return record(y, "reshape", {x},
                [own = x.shape()](const Tensor& gy) -> Tensors { return {gy.view(own)}; });
}

Tensor reshape(const Tensor& x, std::initializer_list<int64_t> sizes) {
  std::vector<int64_t> filled(sizes);
  int64_t known = 1, *open = nullptr;
  for (int64_t& size : filled) {
    check<ShapeError>(size != -1 || !open, "reshape: expected at most one -1; x is ", x.shape());
    if (size == -1)
      open = &size;
    else
      known *= size;
  }
  if (open) {
    check<ShapeError>(known > 0 && x.numel() % known == 0, "reshape: expected a multiple of ",
                      known, " elements; x is ", x.shape());
    *open = x.numel() / known;
  }
  return reshape(x, Shape(filled));
}

Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t length) {
  check_axis("narrow", x, axis);
  axis = x.shape().index(axis);
  check<ShapeError>(start >= 0 && length >= 0 && start + length <= x.dim(axis), "narrow: [", start,
                    ", ", start + length, ") is outside axis ", axis, "; x is ", x.shape());
  const Tensor y = narrow_copy(x, axis, start, length);
  if (!recording(x)) return y;
  return record(y, "narrow", {x}, [shape = x.shape(), axis, start](const Tensor& gy) -> Tensors {
    const Tensor gx = Tensor::zeros(shape, gy.dtype(), gy.device());
    kernels::copy_box(gy.device(), gy, box(gy.shape()), gx,
                      box(shape, start * step_of(shape, axis)), gy.shape());
    return {gx};
  });
}

Tensor concat(const Tensors& xs, int axis) {
  check(!xs.empty(), "concat: expected at least one tensor; given none");
  for (const Tensor& x : xs) check_axis("concat", x, axis);
  axis = xs[0].shape().index(axis);
  Shape shape = xs[0].shape();
  int64_t total = 0;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const Tensor& x = xs[i];
    check<DTypeError>(x.dtype() == xs[0].dtype(), "concat: expected equal dtypes; x0 is ",
                      xs[0].dtype(), ", x", i, " is ", x.dtype());
    check<DeviceError>(x.device() == xs[0].device(), "concat: expected equal devices; x0 is on ",
                       xs[0].device(), ", x", i, " on ", x.device());
    Shape others = x.shape();
    if (others.rank() == shape.rank()) others.set(axis, shape[axis]);
    check<ShapeError>(others == shape, "concat: expected equal sizes but along axis ", axis,
                      "; x0 is ", xs[0].shape(), ", x", i, " is ", x.shape());
    total += x.dim(axis);
  }
  shape.set(axis, total);
  const Tensor y = Tensor::empty(shape, xs[0].dtype(), xs[0].device());
  int64_t start = 0;
  for (const Tensor& x : xs) {
    kernels::copy_box(y.device(), x, box(x.shape()), y, box(shape, start * step_of(shape, axis)),
                      x.shape());
    start += x.dim(axis);
  }
  if (!recording(xs)) return y;
  std::vector<int64_t> lengths;
  for (const Tensor& x : xs) lengths.push_back(x.dim(axis));
  return record(y, "concat", xs, [lengths, axis](const Tensor& gy) -> Tensors {
    Tensors gradients;
    int64_t start = 0;
    for (int64_t length : lengths) {
      gradients.push_back(narrow_copy(gy, axis, start, length));
      start += length;
    }
    return gradients;
  });
}

Tensor pad2d(const Tensor& x, Padding2d padding, double value) {
  const auto [left, right, top, bottom] = padding;
  check<ShapeError>(x.rank() == 4, "pad2d: expected x [n,h,w,c]; given ", x.shape());
  check<ShapeError>(left >= 0 && right >= 0 && top >= 0 && bottom >= 0,
                    "pad2d: expected paddings that are not negative; given left ", left, ", right ",
                    right, ", top ", top, ", bottom ", bottom);
  const Shape shape{x.dim(0), top + x.dim(1) + bottom, left + x.dim(2) + right, x.dim(3)};
  const Tensor y = value == 0 ? Tensor::zeros(shape, x.dtype(), x.device())
                              : Tensor::full(shape, value, x.dtype(), x.device());
  const int64_t first = top * step_of(shape, 1) + left * step_of(shape, 2);
  kernels::copy_box(x.device(), x, box(x.shape()), y, box(shape, first), x.shape());
  if (!recording(x)) return y;
  return record(y, "pad2d", {x}, [own = x.shape(), shape, first](const Tensor& gy) -> Tensors {
    const Tensor gx = Tensor::empty(own, gy.dtype(), gy.device());
    kernels::copy_box(gy.device(), gy, box(shape, first), gx, box(own), own);
    return {gx};
  });
}

Tensor transpose(const Tensor& x, int axis_a, int axis_b) {
  check_axis("transpose", x, axis_a);
  check_axis("transpose", x, axis_b);
  const int a = x.shape().index(axis_a), b = x.shape().index(axis_b);
  Shape shape = x.shape();
  shape.set(a, x.dim(b));
  shape.set(b, x.dim(a));
  const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  Box swapped = box(x.shape());
  std::swap(swapped.step[std::size_t(a)], swapped.step[std::size_t(b)]);
  kernels::copy_box(x.device(), x, swapped, y, box(shape), shape);
  if (!recording(x)) return y;
  return record(y, "transpose", {x},
                [a, b](const Tensor& gy) -> Tensors { return {transpose(gy, a, b)}; });
}

}  // namespace munet

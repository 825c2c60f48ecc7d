// Tensor: a handle on numbers of one type on one device, contiguous and row-major. Copies share the
// numbers. Feature maps are [n, h, w, c] everywhere. There is no arithmetic here: whatever can
// appear in a gradient is a free function of autograd/ops. Read after shape.h and storage.h.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace munet {

struct GradSlot;  // autograd/node.h; null = outside every graph

class Tensor {
 public:
  Tensor() = default;  // no tensor: defined() is false

  static Tensor empty(Shape shape, DType dtype = DType::f32, Device device = {});
  static Tensor zeros(Shape shape, DType dtype = DType::f32, Device device = {});
  static Tensor full(Shape shape, double value, DType dtype = DType::f32, Device device = {});
  // Copies `values` (row-major) into a CPU tensor. ShapeError if their number is not shape.numel().
  template <class T>
  static Tensor from(const std::vector<T>& values, Shape shape);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }  // a negative axis counts from the end
  int64_t numel() const { return shape_.numel(); }
  int64_t bytes() const { return numel() * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device{}; }
  bool in_arena() const { return storage_ && storage_->in_arena(); }  // arena.h

  // The numbers. data<T>: DTypeError unless T is the dtype. On a GPU this is a device pointer.
  void* raw() const { return storage_ ? static_cast<char*>(storage_->data()) + offset_ : nullptr; }
  template <class T>
  T* data() const {
    check<DTypeError>(dtype_ == dtype_of<T>, "tensor: data asked as ", dtype_of<T>, ", it is ",
                      dtype_, " ", shape_);
    return static_cast<T*>(raw());
  }
  // The only element as a double, from any device. ShapeError if there is not exactly one.
  double item() const;
  // All elements on the CPU, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // Copies; the tensor itself if nothing changes. Error if this would cut a live graph: the
  // recorded form of a type change is cast(x, dtype).
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;
  Tensor clone() const;  // always new numbers, no graph

  // The same numbers under another shape of as many elements / the rows [start, start + length) of
  // axis 0. They share storage and leave the graph: reshape and narrow of autograd/ops keep it.
  Tensor view(Shape shape) const;
  Tensor rows(int64_t start, int64_t length) const;

  // Autograd's side. A leaf asks for gradients by set_requires_grad; results of ops carry them on.
  bool requires_grad() const { return slot_ != nullptr; }
  Tensor& set_requires_grad(bool on = true);  // Error on a result of an op
  Tensor grad() const;                        // undefined before backward
  void set_grad(Tensor grad) const;           // an undefined tensor clears it
  Tensor detach() const;                      // the same numbers outside the graph
  const std::shared_ptr<GradSlot>& grad_slot() const { return slot_; }
  void set_grad_slot(std::shared_ptr<GradSlot> slot) { slot_ = std::move(slot); }

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<GradSlot> slot_;
};

using Tensors = std::vector<Tensor>;

// "f32 [2, 3] cpu" and, up to `limit` of them, the numbers.
std::string to_string(const Tensor& x, int64_t limit = 32);
std::ostream& operator<<(std::ostream& out, const Tensor& x);

// Bytes from anywhere to anywhere.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);

template <class T>
Tensor Tensor::from(const std::vector<T>& values, Shape shape) {
  check<ShapeError>(int64_t(values.size()) == shape.numel(), "tensor: ", values.size(),
                    " values given for shape ", shape);
  Tensor x = empty(shape, dtype_of<T>);
  if (!values.empty()) std::memcpy(x.raw(), values.data(), values.size() * sizeof(T));
  return x;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor x = detach().to(Device{}).to(dtype_of<T>);
  return {x.data<T>(), x.data<T>() + x.numel()};
}

}  // namespace munet

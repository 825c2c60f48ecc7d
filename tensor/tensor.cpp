#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <ostream>
#include <sstream>

#include "tensor/parallel.h"

namespace munet {
namespace {

template <class T>
constexpr bool kIsHalf = std::is_same_v<T, half> || std::is_same_v<T, bfloat16>;

template <class To, class From>
To convert(From value) {
  if constexpr (kIsHalf<From>) {
    return convert<To>(float(value));
  } else if constexpr (kIsHalf<To>) {
    return To(float(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes) {
  if (bytes == 0) return;
  if (to_device.kind == Device::cpu && from_device.kind == Device::cpu)
    std::memcpy(to, from, bytes);
  else
    cuda_backend().copy(to, to_device, from, from_device, bytes);
}

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  Tensor x;
  x.storage_ = std::make_shared<Storage>(std::size_t(shape.numel() * size_of(dtype)), device);
  x.shape_ = shape;
  x.dtype_ = dtype;
  return x;
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  Tensor x = empty(shape, dtype, device);
  const unsigned char zero = 0;
  if (device.kind == Device::cpu)
    std::memset(x.raw(), 0, std::size_t(x.bytes()));
  else
    cuda_backend().fill(device, x.raw(), &zero, 1, x.bytes());
  return x;
}

Tensor Tensor::full(Shape shape, double value, DType dtype, Device device) {
  Tensor x = empty(shape, dtype, device);
  for_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T element = convert<T>(value);
    if (device.kind == Device::cpu)
      std::fill_n(x.data<T>(), x.numel(), element);
    else
      cuda_backend().fill(device, x.raw(), &element, sizeof(T), x.numel());
  });
  return x;
}

double Tensor::item() const {
  check<ShapeError>(numel() == 1, "item: expected one element, given ", shape_);
  return to_vector<double>()[0];
}

Tensor Tensor::to(Device target) const {
  if (device() == target) return *this;
  check(!requires_grad(), "to: moving ", shape_, " to ", target,
        " would cut its graph; detach() it first");
  Tensor y = empty(shape_, dtype_, target);
  copy_bytes(y.raw(), target, raw(), device(), std::size_t(bytes()));
  return y;
}

Tensor Tensor::to(DType target) const {
  if (dtype_ == target) return *this;
  check(!requires_grad(), "to: converting ", shape_, " to ", target,
        " would cut its graph; use cast(x, dtype)");
  check<DeviceError>(device().kind == Device::cpu, "to: dtypes are converted on the CPU; given ",
                     device());
  Tensor y = empty(shape_, target);
  for_any(dtype_, [&](auto from) {
    for_any(target, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      parallel_for(numel(), 1 << 16, [&](int64_t begin, int64_t end) {
        std::transform(data<From>() + begin, data<From>() + end, y.data<To>() + begin,
                       convert<To, From>);
      });
    });
  });
  return y;
}

Tensor Tensor::clone() const {
  Tensor y = empty(shape_, dtype_, device());
  copy_bytes(y.raw(), device(), raw(), device(), std::size_t(bytes()));
  return y;
}

Tensor Tensor::view(Shape shape) const {
  check<ShapeError>(shape.numel() == numel(), "view: ", shape_, " has ", numel(),
                    " elements, the new shape ", shape, " ", shape.numel());
  Tensor y = detach();
  y.shape_ = shape;
  return y;
}

Tensor Tensor::rows(int64_t start, int64_t length) const {
  check<ShapeError>(rank() > 0 && start >= 0 && length >= 0 && start + length <= dim(0), "rows: [",
                    start, ", ", start + length, ") is outside axis 0 of ", shape_);
  Tensor y = detach();
  y.shape_.set(0, length);
  y.offset_ += start * (dim(0) ? bytes() / dim(0) : 0);
  return y;
}

Tensor Tensor::detach() const {
  Tensor y = *this;
  y.slot_.reset();
  return y;
}

std::string to_string(const Tensor& x, int64_t limit) {
  if (!x) return "(no tensor)";
  std::ostringstream out;
  out << x.dtype() << ' ' << x.shape() << ' ' << x.device();
  const std::vector<double> values = x.to_vector<double>();
  const int64_t shown = std::min<int64_t>(limit, x.numel());
  for (int64_t i = 0; i < shown; ++i) out << (i ? ", " : " {") << values[std::size_t(i)];
  if (shown) out << (shown < x.numel() ? ", ...}" : "}");
  return out.str();
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace munet

// The harness is tested: each planted bug must be reported by the sweep that exists for it.
#include <cmath>

#include "autograd/node.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"

using namespace munet;

namespace {

// y = x^T * 2 for x [a, b], with one bug of choice.
enum class Bug {
  none,
  scaled_gradient,
  unwritten_row,
  transposed_output,
  shared_gradient,
  wrong_text
};

OpCase planted(Bug bug) {
  const auto op = [bug](const Tensors& in) {
    const Tensor& x = in[0];
    const int64_t a = x.dim(0), b = x.dim(1);
    Tensor y = Tensor::empty({b, a}, x.dtype());
    const auto transposed = [](const Tensor& from, const Tensor& to, int64_t rows, int64_t cols,
                               double factor) {
      for_float(from.dtype(), "planted", [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < cols; ++j)
            to.data<T>()[j * rows + i] = T(factor * from.data<T>()[i * cols + j]);
      });
    };
    if (bug == Bug::transposed_output) {
      for_float(x.dtype(), "planted", [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < a * b; ++i) y.data<T>()[i] = 2 * x.data<T>()[i];
      });
    } else {
      transposed(x, y, bug == Bug::unwritten_row ? a - 1 : a, b, 2);
      if (bug == Bug::unwritten_row)  // the last written column is left as the allocator gave it
        transposed(x, y, a - 1, b, 2);
    }
    if (!recording(x)) return y;
    return record(y, "planted", {x}, [=, x = x.detach()](const Tensor& gy) -> Tensors {
      Tensor gx = Tensor::empty(x.shape(), x.dtype());
      transposed(gy, gx, gy.dim(0), gy.dim(1), bug == Bug::scaled_gradient ? 2.02 : 2);
      return {gx};
    });
  };
  const auto reference = [](const Tensors& in) {
    const int64_t a = in[0].dim(0), b = in[0].dim(1);
    Tensor y = Tensor::empty({b, a}, DType::f64);
    for (int64_t i = 0; i < a; ++i)
      for (int64_t j = 0; j < b; ++j)
        y.data<double>()[j * a + i] = 2 * in[0].data<double>()[i * b + j];
    return y;
  };
  return {.name = "planted",
          .inputs = {{3, 5}},
          .op = op,
          .reference = reference,
          .throws = {{[] { throw ShapeError("planted: text"); },
                      bug == Bug::wrong_text ? "another text" : "planted: text"}}};
}

}  // namespace

TEST_CASE("planted bugs are reported", "[harness]") {
  CHECK(sweep_forward(planted(Bug::none)) == "");
  CHECK(sweep_gradient(planted(Bug::none)) == "");
  CHECK(sweep_accumulation(planted(Bug::none)) == "");
  CHECK(sweep_errors(planted(Bug::none)) == "");
  CHECK(sweep_gradient(planted(Bug::scaled_gradient)) != "");
  CHECK(sweep_forward(planted(Bug::unwritten_row)) != "");
  CHECK(sweep_forward(planted(Bug::transposed_output)) != "");
  CHECK(sweep_errors(planted(Bug::wrong_text)) != "");
}

TEST_CASE("a closure that holds its own output is reported as a leak", "[harness]") {
  OpCase c = planted(Bug::none);
  auto holder = std::make_shared<Tensor>();
  c.op = [holder](const Tensors& in) {
    Tensor y = in[0].clone();
    if (!recording(in[0])) return y;
    y = record(y, "leaky", {in[0]}, [holder](const Tensor& gy) -> Tensors { return {gy}; });
    *holder = y;
    return y;
  };
  // backward() frees the closure, so the leak shows only in a graph that nobody walks.
  const int64_t live = memory::live_storages();
  {
    Tensor x = Tensor::zeros({2, 3}, DType::f32).set_requires_grad();
    c.op({x});
  }
  CHECK(memory::live_storages() > live);
  *holder = {};  // opens the circle again, so that a leak checker finds nothing
  CHECK(memory::live_storages() == live);
}

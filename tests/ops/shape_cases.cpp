// Rows of the op table: shape.
#include "autograd/node.h"
#include "autograd/ops/shape.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// x as [a, b, c]: element (i, j, k).
double at(const Tensor& x, int64_t b, int64_t c, int64_t i, int64_t j, int64_t k) {
  return x.data<double>()[(i * b + j) * c + k];
}

// A tensor of `shape` seen as [a, b, c] whose element (i, j, k) is f(i, j, k).
template <class F>
Tensor made(const Shape& shape, int64_t a, int64_t b, int64_t c, F f) {
  Tensor y = Tensor::empty(shape, DType::f64);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t j = 0; j < b; ++j)
      for (int64_t k = 0; k < c; ++k) y.data<double>()[(i * b + j) * c + k] = f(i, j, k);
  return y;
}

OpCase narrow_case(const char* name, int axis, int64_t start, Shape result) {
  const int64_t length = result[axis];
  return {.name = name,
          .inputs = {{5, 7, 11}},
          .op = [=](const Tensors& in) { return narrow(in[0], axis, start, length); },
          .reference =
              [=](const Tensors& in) {
                const int64_t di = axis == 0 ? start : 0, dj = axis == 1 ? start : 0,
                              dk = axis == 2 || axis == -1 ? start : 0;
                return made(result, result[0], result[1], result[2],
                            [&](int64_t i, int64_t j, int64_t k) {
                              return at(in[0], 7, 11, i + di, j + dj, k + dk);
                            });
              }};
}

OpCase transpose_case(const char* name, int a, int b, Shape result) {
  return {.name = name,
          .inputs = {{5, 7, 11}},
          .op = [=](const Tensors& in) { return transpose(in[0], a, b); },
          .reference =
              [=](const Tensors& in) {
                return made(result, result[0], result[1], result[2],
                            [&](int64_t i, int64_t j, int64_t k) {
                              int64_t place[3] = {i, j, k};
                              std::swap(place[(a + 3) % 3], place[(b + 3) % 3]);
                              return at(in[0], 7, 11, place[0], place[1], place[2]);
                            });
              }};
}

std::vector<OpCase> shape_cases() {
  std::vector<OpCase> cases = {
      {.name = "reshape",
       .inputs = {{3, 5, 7}},
       .op =
           [](const Tensors& in) {
             return reshape(in[0], {7, -1, 3});
           },
       .reference =
           [](const Tensors& in) {
             return in[0].view({7, 5, 3});
           },
       .throws = {{[] {
                     reshape(Tensor::zeros({2, 3}), Shape{7});
                   },
                   "reshape: expected 6 elements; x is [2, 3], the new shape [7]"},
                  {[] {
                     reshape(Tensor::zeros({2, 3}), {-1, -1});
                   },
                   "reshape: expected at most one -1; x is [2, 3]"},
                  {[] {
                     reshape(Tensor::zeros({2, 3}), {-1, 4});
                   },
                   "reshape: expected a multiple of 4 elements; x is [2, 3]"}}},
      narrow_case("narrow/first axis", 0, 2, {3, 7, 11}),
      narrow_case("narrow/middle axis", 1, 3, {5, 2, 11}),
      narrow_case("narrow/last axis", -1, 4, {5, 7, 6}),
      transpose_case("transpose/first two", 0, 1, {7, 5, 11}),
      transpose_case("transpose/last two", -1, 1, {5, 11, 7}),
      transpose_case("transpose/outer", 2, 0, {11, 7, 5}),
      {.name = "concat/last axis",
       .inputs = {{3, 5, 2}, {3, 5, 7}, {3, 5, 4}},
       .op = [](const Tensors& in) { return concat(in, -1); },
       .reference =
           [](const Tensors& in) {
             return made({3, 5, 13}, 3, 5, 13, [&](int64_t i, int64_t j, int64_t k) {
               return k < 2   ? at(in[0], 5, 2, i, j, k)
                      : k < 9 ? at(in[1], 5, 7, i, j, k - 2)
                              : at(in[2], 5, 4, i, j, k - 9);
             });
           },
       .throws = {{[] {
                     concat({Tensor::zeros({2, 3}), Tensor::zeros({3, 3})}, 1);
                   },
                   "concat: expected equal sizes but along axis 1; x0 is [2, 3], x1 is [3, 3]"},
                  {[] {
                     concat({Tensor::zeros({2, 3}), Tensor::zeros({2, 3, 2})}, 1);
                   },
                   "concat: expected equal sizes but along axis 1; x0 is [2, 3], x1 is [2, 3, 2]"},
                  {[] {
                     concat({Tensor::zeros({2, 3}), Tensor::zeros({2, 3}, DType::u8)}, 0);
                   },
                   "concat: expected equal dtypes; x0 is f32, x1 is u8", "DTypeError"},
                  {[] {
                     concat({Tensor::zeros({2, 3})}, 2);
                   },
                   "concat: there is no axis 2; x is [2, 3]"},
                  {[] { concat({}, 0); }, "concat: expected at least one tensor; given none",
                   "Error"}}},
      {.name = "concat/first axis",
       .inputs = {{2, 5, 3}, {4, 5, 3}},
       .op = [](const Tensors& in) { return concat(in, 0); },
       .reference =
           [](const Tensors& in) {
             return made({6, 5, 3}, 6, 5, 3, [&](int64_t i, int64_t j, int64_t k) {
               return i < 2 ? at(in[0], 5, 3, i, j, k) : at(in[1], 5, 3, i - 2, j, k);
             });
           }},
      {.name = "concat/the same tensor twice",
       .inputs = {{3, 2, 5}},
       .op =
           [](const Tensors& in) {
             return concat({in[0], in[0]}, 1);
           },
       .reference =
           [](const Tensors& in) {
             return made({3, 4, 5}, 3, 4, 5, [&](int64_t i, int64_t j, int64_t k) {
               return at(in[0], 2, 5, i, j % 2, k);
             });
           }},
  };
  cases[1].throws = {{[] {
                        narrow(Tensor::zeros({2, 3}), 1, 2, 2);
                      },
                      "narrow: [2, 4) is outside axis 1; x is [2, 3]"},
                     {[] {
                        narrow(Tensor::zeros({2, 3}), 2, 0, 1);
                      },
                      "narrow: there is no axis 2; x is [2, 3]"}};
  cases[4].throws = {{[] {
                        transpose(Tensor::zeros({2, 3}), 0, -3);
                      },
                      "transpose: there is no axis -3; x is [2, 3]"}};
  for (const double value : {0.0, -1.5}) {
    const Padding2d padding{.left = 2, .right = 4, .top = 1, .bottom = 3};
    cases.push_back(
        {.name = str("pad2d/value ", value),
         .inputs = {{2, 3, 5, 7}},
         .op = [=](const Tensors& in) { return pad2d(in[0], padding, value); },
         .reference =
             [=](const Tensors& in) {
               Tensor y = Tensor::full({2, 7, 11, 7}, value, DType::f64);
               for (int64_t n = 0; n < 2; ++n)
                 for (int64_t i = 0; i < 3; ++i)
                   for (int64_t j = 0; j < 5; ++j)
                     for (int64_t c = 0; c < 7; ++c)
                       y.data<double>()[((n * 7 + i + 1) * 11 + j + 2) * 7 + c] =
                           in[0].data<double>()[((n * 3 + i) * 5 + j) * 7 + c];
               return y;
             },
         .throws = {{[] {
                       pad2d(Tensor::zeros({2, 3, 5}), {});
                     },
                     "pad2d: expected x [n,h,w,c]; given [2, 3, 5]"},
                    {[] {
                       pad2d(Tensor::zeros({2, 3, 5, 7}), {.top = -1});
                     },
                     "pad2d: expected paddings that are not negative; given left 0, right 0, top "
                     "-1, bottom 0"}}});
  }
  return cases;
}

}  // namespace

TEST_CASE("op/shape", "[op][shape]") { run_sweeps(shape_cases()); }

TEST_CASE("what shares storage and what copies", "[op][shape]") {
  const Tensor x = Tensor::from<float>({0, 1, 2, 3, 4, 5}, {3, 2});
  CHECK(reshape(x, {2, 3}).raw() == x.raw());
  CHECK(narrow(x, 0, 1, 2).raw() == x.data<float>() + 2);
  CHECK(narrow(x, 1, 1, 1).to_vector<float>() == std::vector<float>{1, 3, 5});
  CHECK(transpose(x, 0, 0).raw() != x.raw());
}

TEST_CASE("every dtype can be moved", "[op][shape]") {
  for (const DType dtype : {DType::f64, DType::f16, DType::i32, DType::i64, DType::u8}) {
    const Tensor x = Tensor::from<float>({0, 1, 2, 3, 4, 5}, {2, 3}).to(dtype);
    CHECK(transpose(x, 0, 1).to_vector<int>() == std::vector<int>{0, 3, 1, 4, 2, 5});
    CHECK(concat({x, x}, 1).to_vector<int>() ==
          std::vector<int>{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5});
  }
}

TEST_CASE("a large transpose crosses many ranges", "[op][shape]") {
  const Tensor x = random_tensor({317, 421}, 1);
  const Tensor y = transpose(x, 0, 1);
  int64_t wrong = 0;
  for (int64_t i = 0; i < 317; ++i)
    for (int64_t j = 0; j < 421; ++j)
      wrong += y.data<float>()[j * 317 + i] != x.data<float>()[i * 421 + j];
  CHECK(wrong == 0);
}

TEST_CASE("empty parts", "[op][shape]") {
  CHECK(narrow(Tensor::zeros({2, 3}), 1, 3, 0).shape() == Shape{2, 0});
  CHECK(concat({Tensor::zeros({2, 0}), Tensor::full({2, 1}, 7)}, 1).to_vector<float>() ==
        std::vector<float>{7, 7});
}

// tensor/ and the tape: what the op table does not see.
#include <atomic>
#include <cmath>
#include <thread>

#include "autograd/gradcheck.h"
#include "autograd/node.h"
#include "ops_cuda/failures.h"
#include "tensor/parallel.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

// y = a + b, returning the same gradient tensor twice: the engine must not sum into it in place.
Tensor plus(const Tensor& a, const Tensor& b) {
  Tensor y = Tensor::empty(a.shape(), a.dtype());
  for (int64_t i = 0; i < a.numel(); ++i)
    y.data<float>()[i] = a.data<float>()[i] + b.data<float>()[i];
  if (!recording(a, b)) return y;
  return record(y, "plus", {a, b}, [](const Tensor& gy) -> Tensors { return {gy, gy}; });
}

Tensor leaf(float value) { return Tensor::full({1}, value).set_requires_grad(); }

}  // namespace

TEST_CASE("shape", "[tensor]") {
  const Shape s{2, 3, 5};
  CHECK(s.rank() == 3);
  CHECK(s[-1] == 5);
  CHECK(s.numel() == 30);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{2, 0}.numel() == 0);
  CHECK(text_of([&] { s[3]; }) == "shape: axis 3 is outside [2, 3, 5]");
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5, 6, 7}), ShapeError);
  CHECK_THROWS_AS((Shape{-1}), ShapeError);
  CHECK_THROWS_AS((Shape{int64_t{1} << 40, int64_t{1} << 40}), ShapeError);
}

TEST_CASE("tensor: create, convert, view", "[tensor]") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(x.to(DType::f64).data<double>()[5] == 6);
  CHECK(x.view({3, 2}).raw() == x.raw());
  CHECK(x.rows(1, 1).data<float>()[0] == 4);
  CHECK(x.clone().raw() != x.raw());
  CHECK(to_string(x, 2) == "f32 [2, 3] cpu {1, 2, ...}");
  CHECK(text_of([&] { x.data<double>(); }) == "tensor: data asked as f64, it is f32 [2, 3]");
  CHECK_THROWS_AS(x.view({4}), ShapeError);
  CHECK_THROWS_AS(x.rows(1, 2), ShapeError);
  CHECK_THROWS_AS(x.item(), ShapeError);
  CHECK_THROWS_AS(Tensor::from<float>({1}, {2}), ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({2}, DType::f32, {Device::cuda, 0}), DeviceError);
  CHECK_THROWS_AS(parse_device("gpu"), DeviceError);
}

TEST_CASE("half and bfloat16 round to nearest even and come back", "[tensor]") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {  // every half survives the round trip
    half h;
    h.bits = uint16_t(bits);
    const float f = float(h);
    if (std::isnan(f)) {
      REQUIRE(std::isnan(float(half(f))));
    } else {
      REQUIRE(half(f).bits == h.bits);
    }
  }
  CHECK(half(65504.f).bits == 0x7bff);
  CHECK(half(65520.f).bits == 0x7c00);               // halfway to the next: infinity
  CHECK(half(1 + 0x1p-11f).bits == half(1.f).bits);  // tie to even
  CHECK(half(1 + 0x3p-11f).bits == half(1.f).bits + 2);
  CHECK(float(half(0x1p-24f)) == 0x1p-24f);
  CHECK(bfloat16(1 + 0x1p-8f).bits == bfloat16(1.f).bits);
  CHECK(bfloat16(1 + 0x3p-8f).bits == bfloat16(1.f).bits + 2);
  CHECK(std::isnan(float(bfloat16(NAN))));
}

TEST_CASE("random numbers are a pure function of seed and index", "[tensor]") {
  CHECK(random_bits(0, 0) == 0xe220a8397b1dcdafull);  // splitmix64's published first value
  Rng a{5}, b{5};
  for (int i = 0; i < 10; ++i) CHECK(a.bits() == b.bits());
  double mean = 0, square = 0;
  for (int i = 0; i < 100000; ++i) {
    const double z = random_normal(3, uint64_t(i));
    mean += z / 1e5;
    square += z * z / 1e5;
  }
  CHECK(std::abs(mean) < 0.02);
  CHECK(std::abs(square - 1) < 0.02);
}

TEST_CASE("memory: a freed block is used again, figures add up", "[tensor]") {
  memory::clear();
  const std::size_t before = memory::active();
  void* first;
  {
    const Tensor x = Tensor::empty({1000, 100});
    first = x.raw();
    CHECK(memory::active() >= before + 400000);
    CHECK(memory::peak() >= memory::active());
  }
  CHECK(memory::active() == before);
  CHECK(memory::cached() >= 400000);
  CHECK(Tensor::empty({1000, 90}).raw() == first);
  memory::clear();
  CHECK(memory::cached() == 0);
}

TEST_CASE("parallel_for covers every index once, for any number of threads", "[tensor]") {
  const int before = num_threads();
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    std::vector<std::atomic<int>> hits(1013);
    parallel_for(1013, 7, [&](int64_t begin, int64_t end) {
      parallel_for(end - begin, 2, [&](int64_t b, int64_t e) {  // nested: serial, still complete
        for (int64_t i = begin + b; i < begin + e; ++i) ++hits[std::size_t(i)];
      });
    });
    CHECK(std::all_of(hits.begin(), hits.end(), [](const auto& h) { return h == 1; }));
    CHECK_THROWS_AS(
        parallel_for(100, 1,
                     [](int64_t begin, int64_t end) { check(begin > 50 || end <= 50, "stop"); }),
        Error);
  }
  set_num_threads(before);
  CHECK_THROWS_AS(set_num_threads(0), Error);
  std::vector<std::thread> callers;  // several callers at once: nobody waits for ever
  std::atomic<int64_t> total{0};
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        parallel_for(64, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4 * 200 * 64);
}

TEST_CASE("backward sums over paths and leaves", "[tape]") {
  const Tensor x = leaf(3), y = leaf(4);
  const Tensor a = plus(x, y), b = plus(a, x);
  backward(plus(b, a));  // x twice through a, once through b
  CHECK(x.grad().item() == 3);
  CHECK(y.grad().item() == 2);
  backward(plus(x, y));  // adds to what is there
  CHECK(x.grad().item() == 4);
}

TEST_CASE("the same tensor as both inputs", "[tape]") {
  const Tensor x = leaf(3);
  backward(plus(x, x));
  CHECK(x.grad().item() == 2);
  const Tensor y = leaf(1), z = leaf(1);
  backward(plus(y, z));  // both got the same tensor from the op: their grads must be separate
  CHECK(y.grad().raw() != z.grad().raw());
}

TEST_CASE("NoGrad records nothing, nests, and is per thread", "[tape]") {
  const Tensor x = leaf(1);
  {
    NoGrad outer;
    { NoGrad inner; }
    CHECK(!plus(x, x).requires_grad());
    std::thread([&] { CHECK(plus(x, x).requires_grad()); }).join();
  }
  CHECK(plus(x, x).requires_grad());
}

TEST_CASE("tape errors name the node", "[tape]") {
  const Tensor x = leaf(1);
  const Tensor y = plus(x, x);
  backward(y);
  CHECK(
      text_of([&] { backward(y); }) ==
      "backward: plus was walked already; its saved tensors are gone (run the forward pass again)");
  CHECK(text_of([&] { backward(Tensor::zeros({1})); }) ==
        "backward: the loss depends on no tensor that requires a gradient");
  const auto bad = [&](Tensors grads) {
    return record(Tensor::zeros({1}), "bad", {x}, [grads](const Tensor&) { return grads; });
  };
  CHECK(text_of([&] { backward(bad({Tensor::zeros({2})})); }) ==
        "backward of bad: gradient is [2], its input [1]");
  CHECK(text_of([&] { backward(bad({})); }) == "backward of bad: 0 gradients for 1 inputs");
  CHECK(text_of([&] { backward(bad({Tensor::zeros({1}, DType::f64)})); }) ==
        "backward of bad: gradient is f64, its input f32");
  CHECK_THROWS_AS(plus(x, x).set_requires_grad(), Error);
  CHECK_THROWS_AS(plus(x, x).to(DType::f64), Error);
}

TEST_CASE("a chain of 200,000 nodes neither overflows nor leaks", "[tape]") {
  const int64_t live = memory::live_storages();
  {
    const Tensor x = leaf(1), zero = Tensor::zeros({1});
    Tensor y = x, unused = x;
    for (int i = 0; i < 200000; ++i) y = plus(y, zero);
    for (int i = 0; i < 200000; ++i) unused = plus(unused, zero);  // dropped without backward
    backward(y);
    CHECK(x.grad().item() == 1);
  }
  CHECK(memory::live_storages() == live);
}

TEST_CASE("gradcheck finds a wrong gradient and says where", "[tape]") {
  const auto square = [](double wrong) {
    return [wrong](const Tensors& in) {
      const Tensor x = in[0].detach();
      Tensor y = Tensor::empty(x.shape(), DType::f64);
      for (int64_t i = 0; i < x.numel(); ++i)
        y.data<double>()[i] = std::pow(x.data<double>()[i], 2);
      if (!recording(in)) return y;
      return record(y, "square", in, [x, wrong](const Tensor& gy) -> Tensors {
        Tensor gx = x.clone();
        for (int64_t i = 0; i < x.numel(); ++i)
          gx.data<double>()[i] =
              (2 + (i == 3 ? wrong : 0)) * x.data<double>()[i] * gy.data<double>()[i];
        return {gx};
      });
    };
  };
  Tensor x = random_tensor({2, 5}, 1, 0.5, 1, DType::f64).set_requires_grad();
  CHECK(gradcheck(square(0), {x}).ok);
  const GradcheckResult bad = gradcheck(square(0.1), {x});
  CHECK(!bad.ok);
  CHECK(bad.message.find("worst at element 3") != std::string::npos);
}

TEST_CASE("a GPU's failures: each its own text", "[cuda]") {
  using namespace munet::cuda;
  const Device card{Device::cuda, 1};
  CHECK(no_device_text("no CUDA-capable device is detected") ==
        "Device::cuda: no usable device: no CUDA-capable device is detected");
  CHECK(unsupported_text("GTX 1080", 61, "75-real,90") ==
        "Device::cuda: GTX 1080 has compute capability 6.1, but this build has code for 7.5, 9.0; "
        "nvcc 13 makes none before 7.5");
  CHECK(unsupported_text("RTX 3090", 86, "75-real,90") ==
        "Device::cuda: RTX 3090 has compute capability 8.6, but this build has code for 7.5, 9.0; "
        "configure with -DCMAKE_CUDA_ARCHITECTURES=86");
  CHECK(
      out_of_memory_text(card, 3u << 29, 9 * (std::size_t{1} << 30), 200 << 20) ==
      "cuda:1: out of memory: 1.50 GiB asked, 9.00 GiB used by tensors, 200.0 MiB free; lower the "
      "frame size, the number of objects or frames in memory, when training the clip's frames or "
      "crop, or compute in f16 or bf16");
  CHECK(
      lost_text(card, "an illegal memory access was encountered", "kernel sum") ==
      "cuda:1: the device is lost: an illegal memory access was encountered (seen at kernel sum); "
      "nothing can be computed on it any more by this process, start it again");
  CHECK(other_device_text({Device::cuda, 0}, card) ==
        "Device::cuda: this process computes on cuda:0; given cuda:1 (one card per process)");
}

TEST_CASE("which cards a build's code covers", "[cuda]") {
  using munet::cuda::covers;
  CHECK(covers("75-real,80-real,90", 75));
  CHECK(covers("75-real,80-real,90", 86));   // machine code of a minor version before
  CHECK(covers("75-real,80-real,90", 120));  // PTX
  CHECK(covers("75-real,80-real,90-real", 90));
  CHECK_FALSE(covers("75-real,80-real,90-real", 100));
  CHECK_FALSE(covers("75-real,86-real", 80));
  CHECK_FALSE(covers("90-virtual", 75));
  CHECK(covers("80-virtual", 90));
  CHECK(covers("native", 61));
}

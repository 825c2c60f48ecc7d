// Work that is recorded and queued again, on a GPU that the host plays: recording does nothing, a
// replay does what was recorded on the same memory. And the two pinned buffers of copies.
#include "tensor/replay.h"

#include <deque>
#include <functional>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "ops_cuda/staging.h"
#include "tensor/tally.h"
#include "tests/catch.h"
#include "tests/software_device.h"
#include "tests/support.h"

using namespace munet;

namespace {

constexpr Device kCard{Device::cuda, 0};

Tensor on_card(uint64_t seed, const Shape& shape = {7, 5}) {
  return random_tensor(shape, seed).to(kCard);
}
// Several kernels, with memory that is taken and given back in between.
Tensors work(const Tensors& in) {
  const Tensor a = relu(add(in[0], in[1])), b = sub(mul(a, in[1]), in[0]);
  return {softmax(b, -1), scale(sum(b, {0}), 3)};
}
std::vector<float> numbers(const Tensors& xs) {
  std::vector<float> all;
  for (const Tensor& x : xs)
    for (float value : x.to_vector<float>()) all.push_back(value);
  return all;
}
std::size_t active() { return cuda_backend().memory(kCard).active; }

}  // namespace

TEST_CASE("a replay does what was recorded, on new inputs", "[replay]") {
  NoGrad no_grad;
  clear_tally();
  const std::size_t before = active();
  {
    Replay replay;
    for (uint64_t i = 0; i < 6; ++i) {
      INFO("call " << i);
      const Tensors in{on_card(2 * i), on_card(2 * i + 1)};
      const std::vector<float> want = numbers(work(in));
      CHECK(numbers(replay("work", in, work)) == want);
    }
    CHECK(tallied("replay work: run as it is") == 1);
    CHECK(tallied("replay work: recorded") == 1);
    CHECK(tallied("replay work: replayed") == 4);
    CHECK(replay.recordings() == 1);
    // Another shape is another recording.
    const Tensors wide{on_card(1, {3, 9}), on_card(2, {3, 9})};
    for (int i = 0; i < 3; ++i) CHECK(numbers(replay("work", wide, work)) == numbers(work(wide)));
    CHECK(replay.recordings() == 2);
  }
  CHECK(active() == before);
}

TEST_CASE("recording does nothing; results lie in the recording until they are kept", "[replay]") {
  NoGrad no_grad;
  Replay replay;
  const Tensors first{on_card(1), on_card(2)}, second{on_card(3), on_card(4)};
  const std::vector<float> want = numbers(work(first)), then = numbers(work(second));
  replay("work", first, work);
  const Tensors recorded = replay("work", first, work);
  REQUIRE(recorded[0].in_arena());
  const Tensor kept = Replay::keep(recorded[0]);
  CHECK(!kept.in_arena());
  CHECK(Replay::keep(kept).raw() == kept.raw());
  const std::vector<float> was = kept.to_vector<float>();
  CHECK(numbers(recorded) == want);
  const Tensors again = replay("work", second, work);
  CHECK(again[0].raw() == recorded[0].raw());
  CHECK(numbers(recorded) == then);
  CHECK(kept.to_vector<float>() == was);
  replay.forget();
  CHECK(numbers(recorded) == then);  // the memory stays as long as a tensor lies in it
}

TEST_CASE("work that reads on the CPU is not recorded, and is right all the same", "[replay]") {
  NoGrad no_grad;
  clear_tally();
  Replay replay;
  const auto reads = [](const Tensors& in) -> Tensors {
    return {scale(in[0], in[1].to(Device{}).to_vector<float>()[3])};
  };
  for (uint64_t i = 0; i < 4; ++i) {
    const Tensors in{on_card(i), on_card(i + 9)};
    const std::vector<float> want = numbers(reads(in));
    CHECK(numbers(replay("reads", in, reads)) == want);
  }
  CHECK(tallied("replay reads: not recorded: a copy from or to the CPU") == 1);
  CHECK(tallied("replay reads: run as it is") == 3);
  CHECK(replay.recordings() == 0);
}

TEST_CASE("an error while recording is the caller's, and leaves nothing behind", "[replay]") {
  NoGrad no_grad;
  Replay replay;
  const std::size_t before = active();
  bool fails = false;
  const auto f = [&](const Tensors& in) -> Tensors {
    const Tensor y = scale(in[0], 2);
    check<ShapeError>(!fails, "the function's own error");
    return {y};
  };
  const Tensor x = on_card(1);
  replay("f", {x}, f);
  fails = true;
  CHECK_THROWS_AS(replay("f", {x}, f), ShapeError);
  fails = false;
  for (int i = 0; i < 3; ++i) CHECK(numbers(replay("f", {x}, f)) == numbers({scale(x, 2)}));
  replay.forget();
  CHECK(active() == before + std::size_t(x.bytes()));
}

TEST_CASE("short memory: recordings give way", "[replay]") {
  NoGrad no_grad;
  clear_tally();
  Replay replay;
  const Tensors in{on_card(1, {1000}), on_card(2, {1000})};
  const std::vector<float> want = numbers(work({in[0], in[1]}));
  replay("work", in, work);
  cuda_backend().limit_memory(kCard, active() + 13000);  // not with copies of the inputs
  CHECK(numbers(replay("work", in, work)) == want);
  CHECK(tallied("replay work: not recorded: out of memory") == 1);
  cuda_backend().limit_memory(kCard, 0);
  for (int i = 0; i < 2; ++i) CHECK(numbers(replay("work", in, work)) == want);
  REQUIRE(replay.recordings() == 1);
  cuda_backend().limit_memory(kCard, active() + 9000);
  const auto other = [](const Tensors& x) -> Tensors {
    return {add(scale(x[0], 2), scale(x[1], 3))};
  };
  const std::vector<float> sum = numbers(replay("other", in, other));
  cuda_backend().limit_memory(kCard, 0);
  CHECK(sum == numbers(other(in)));
  CHECK(replay.recordings() == 0);
}

TEST_CASE("only the recordings used last are kept", "[replay]") {
  NoGrad no_grad;
  Replay replay(2);
  const auto twice = [](const Tensors& in) -> Tensors { return {scale(in[0], 2)}; };
  for (int64_t size : {3, 4, 5, 4, 3, 5}) {
    const Tensor x = on_card(1, {size});
    for (int i = 0; i < 3; ++i) CHECK(numbers(replay("f", {x}, twice)) == numbers(twice({x})));
  }
  CHECK(replay.recordings() == 2);
  Replay none(0);
  const Tensor x = on_card(1);
  for (int i = 0; i < 3; ++i) CHECK(!none("f", {x}, twice)[0].in_arena());
}

TEST_CASE("on the CPU a replay is the call", "[replay]") {
  Replay replay;
  int calls = 0;
  for (int i = 0; i < 3; ++i)
    replay("f", {Tensor::zeros({3})}, [&](const Tensors& in) -> Tensors {
      ++calls;
      return in;
    });
  CHECK(calls == 3);
  CHECK(replay.recordings() == 0);
}

TEST_CASE("copies to a card have read their source when they return", "[replay]") {
  std::vector<Tensor> sent;
  Tensor source = Tensor::empty({5000});
  for (int i = 0; i < 9; ++i) {
    std::fill_n(source.data<float>(), source.numel(), float(i));
    sent.push_back(source.to(kCard));
  }
  std::fill_n(source.data<float>(), source.numel(), -1.f);
  for (int i = 0; i < 9; ++i)
    CHECK(sent[std::size_t(i)].to_vector<float>() == std::vector<float>(5000, float(i)));
}

namespace {

// A device that copies as late as it may; a broken one says that everything is done.
struct LatePort {
  bool broken;
  std::deque<std::function<void()>> late = {};
  std::size_t marks[2] = {}, done = 0;
  std::vector<std::vector<char>> memory = {};
  void* pinned(std::size_t bytes) { return memory.emplace_back(bytes).data(); }
  void queue(void* to, const void* from, std::size_t bytes) {
    late.push_back([=] { std::memcpy(to, from, bytes); });
  }
  void mark(int buffer) { marks[buffer] = done + late.size(); }
  void wait(int buffer) {
    if (!broken) work_until(marks[buffer]);
  }
  void work_until(std::size_t mark) {
    for (; done < mark && !late.empty(); ++done) late.front()(), late.pop_front();
  }
};

}  // namespace

TEST_CASE("a pinned buffer is not filled again while the card reads it", "[replay]") {
  for (const bool broken : {false, true}) {
    LatePort port{broken};
    cuda::Staging<LatePort> staging(port, 10);
    std::string source(95, ' '), arrived(95, '-'), back(95, '-');
    for (std::size_t i = 0; i < source.size(); ++i) source[i] = char('a' + i % 26);
    staging.upload(arrived.data(), source.data(), source.size());
    CHECK((arrived == source) == false);  // it is on its way
    port.work_until(100);
    CHECK((arrived == source) == !broken);
    staging.download(back.data(), source.data(), source.size());
    CHECK((back == source) == !broken);
  }
}

// Rows of the op table: the memory read, whole and from packed slots.
#include <algorithm>
#include <cmath>

#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/elementwise.h"
#include "tensor/cpu/rows.h"
#include "tensor/parallel.h"
#include "tests/catch.h"
#include "tests/ops/harness.h"
#include "tests/support.h"

using namespace munet;

namespace {

// key [n,p,dk], value [n,p,dv], query [q,dk], all f64; used i32 [n]: positions that take part.
Tensor naive_read(const Tensor& key, const Tensor& value, const Tensor& query, std::size_t top_k,
                  const Tensor& used = {}) {
  const int64_t n = key.dim(0), p = key.dim(1), dk = key.dim(2), dv = value.dim(2);
  const int64_t queries = query.dim(0);
  Tensor y = Tensor::zeros({n, queries, dv}, DType::f64);
  for (int64_t o = 0; o < n; ++o)
    for (int64_t q = 0; q < queries; ++q) {
      const int64_t end = used ? used.data<int32_t>()[o] : p;
      std::vector<double> score;
      for (int64_t i = 0; i < end; ++i) {
        double dot = 0;
        for (int64_t k = 0; k < dk; ++k)
          dot += key.data<double>()[(o * p + i) * dk + k] * query.data<double>()[q * dk + k];
        score.push_back(dot / std::sqrt(double(dk)));
      }
      std::vector<double> sorted = score;
      std::sort(sorted.rbegin(), sorted.rend());
      const double threshold = top_k && top_k < sorted.size() ? sorted[top_k - 1] : -INFINITY;
      double total = 0;
      for (double s : score) total += s >= threshold ? std::exp(s - sorted[0]) : 0;
      for (int64_t i = 0; i < end; ++i) {
        const double s = score[std::size_t(i)];
        if (s < threshold) continue;
        for (int64_t k = 0; k < dv; ++k)
          y.data<double>()[(o * queries + q) * dv + k] +=
              std::exp(s - sorted[0]) / total * value.data<double>()[(o * p + i) * dv + k];
      }
    }
  return y;
}

OpCase read_case(const char* name, std::vector<Shape> shapes, int top_k, double range = 2) {
  return {.name = str("memory_read/", name),
          .inputs = shapes,
          .op = [top_k](const Tensors& in) { return memory_read(in[0], in[1], in[2], top_k); },
          .reference =
              [top_k](const Tensors& in) {
                return naive_read(in[0], in[1], in[2], std::size_t(top_k));
              },
          .low = -range,
          .high = range};
}

std::vector<OpCase> attention_cases() {
  OpCase first = read_case("small", {{2, 7, 3}, {2, 7, 5}, {4, 3}}, 0);
  first.throws = {
      {[] {
         memory_read(Tensor::zeros({2, 7, 3}), Tensor::zeros({2, 6, 5}), Tensor::zeros({4, 3}));
       },
       "memory_read: expected key [n,p,dk], value [n,p,dv], query [q,dk], p and dk > 0; given [2, "
       "7, 3], [2, 6, 5], [4, 3]"},
      {[] {
         memory_read(Tensor::zeros({2, 0, 3}), Tensor::zeros({2, 0, 5}), Tensor::zeros({4, 3}));
       },
       "memory_read: expected key [n,p,dk], value [n,p,dv], query [q,dk], p and dk > 0; given [2, "
       "0, 3], [2, 0, 5], [4, 3]"},
      {[] {
         memory_read(Tensor::zeros({2, 7, 3}), Tensor::zeros({2, 7, 5}),
                     Tensor::zeros({4, 3}, DType::f64));
       },
       "memory_read: expected one type; given key f32, value f32, query f64", "DTypeError"},
      {[] {
         memory_read(Tensor::zeros({2, 7, 3}), Tensor::zeros({2, 7, 5}), Tensor::zeros({4, 3}), -1);
       },
       "memory_read: expected top_k >= 0 (0 = all); given -1", "Error"},
      {[] {
         memory_read({}, Tensor::zeros({4, 3}));
       },
       "memory_read: expected at least one slot; given none", "Error"},
      {[] {
         const MemorySlot slot = pack_memory(Tensor::zeros({7, 3}), Tensor::zeros({7, 5}));
         memory_read({&slot}, Tensor::zeros({4, 2}));
       },
       "memory_read: expected query [q,3]; given [4, 2]"},
      {[] {
         const MemorySlot slot = pack_memory(Tensor::zeros({7, 3}), Tensor::zeros({7, 5}));
         memory_read({&slot}, Tensor::zeros({4, 3}).set_requires_grad());
       },
       "memory_read: packed slots have no gradient; use it under NoGrad", "Error"},
      {[] {
         const MemorySlot a = pack_memory(Tensor::zeros({7, 3}), Tensor::zeros({7, 5}));
         const MemorySlot b = pack_memory(Tensor::zeros({7, 3}), Tensor::zeros({7, 4}));
         memory_read({&a, &b}, Tensor::zeros({4, 3}));
       },
       "memory_read: expected slots of one key and value size; given 3, 5 and 3, 4"},
      {[] {
         pack_memory(Tensor::zeros({7, 3}), Tensor::zeros({6, 5}));
       },
       "pack_memory: expected key [p,dk] and value [p,dv], p and dk > 0; given [7, 3] and [6, 5]"},
      {[] {
         pack_memory(Tensor::zeros({7, 3}).set_requires_grad(), Tensor::zeros({7, 5}));
       },
       "pack_memory: has no gradient; use it under NoGrad", "Error"},
      {[] {
         pack_memory(Tensor::zeros({7, 3}, DType::f64), Tensor::zeros({7, 5}, DType::f64));
       },
       "pack_memory: expected f32 on the CPU; given f64", "DTypeError"}};
  OpCase blocks = read_case("several blocks", {{2, 301, 18}, {2, 301, 21}, {101, 18}}, 0);
  OpCase long_top = read_case("several blocks, top 5", {{2, 301, 18}, {2, 301, 21}, {101, 18}}, 5);
  blocks.gradient_samples = long_top.gradient_samples = 15;
  return {first,
          read_case("top 3", {{2, 7, 3}, {2, 7, 5}, {4, 3}}, 3),
          read_case("top 1", {{2, 19, 3}, {2, 19, 5}, {4, 3}}, 1),
          read_case("top of more than there are", {{2, 7, 3}, {2, 7, 5}, {4, 3}}, 8),
          read_case("one position", {{1, 1, 1}, {1, 1, 1}, {1, 1}}, 0),
          blocks,
          long_top};
}

// Of p positions the first object uses most, the last one alone; what lies behind is not read.
OpCase padded_case(const char* name, std::vector<Shape> shapes, int top_k) {
  const int64_t n = shapes[0][0], p = shapes[0][1];
  return {.name = str("memory_read_padded/", name),
          .inputs = {shapes[0], shapes[1], {n}, shapes[2]},
          .op =
              [top_k](const Tensors& in) {
                return memory_read_padded(in[0], in[1], in[2], in[3], top_k);
              },
          .reference =
              [top_k](const Tensors& in) {
                return naive_read(in[0], in[1], in[3], std::size_t(top_k), in[2]);
              },
          .low = -2,
          .high = 2,
          .no_grad = {0, 1, 2, 3},
          .prepare =
              [n, p](int input, Tensor x) {
                if (input != 2) return x;
                std::vector<int32_t> used;
                for (int64_t o = 0; o < n; ++o)
                  used.push_back(int32_t(1 + (p - 1) * (n - 1 - o) / n));
                return Tensor::from(used, {n});
              }};
}

std::vector<OpCase> padded_cases() {
  OpCase first = padded_case("three objects", {{3, 11, 2}, {3, 11, 5}, {4, 2}}, 0);
  constexpr auto read = [](const Shape& key, const Shape& value, const Tensor& used,
                           const Shape& query, int top_k) {
    memory_read_padded(Tensor::zeros(key), Tensor::zeros(value), used, Tensor::zeros(query), top_k);
  };
  const Tensor two = Tensor::full({2}, 3, DType::i32);
  first.throws = {
      {[=] {
         read({2, 7, 3}, {2, 6, 5}, two, {4, 3}, 0);
       },
       "memory_read_padded: expected key [n,p,dk], value [n,p,dv], query [q,dk], p and dk > 0; "
       "given [2, 7, 3], [2, 6, 5], [4, 3]"},
      {[=] {
         read({2, 7, 3}, {2, 7, 5}, Tensor::full({3}, 3, DType::i32), {4, 3}, 0);
       },
       "memory_read_padded: expected used i32 [2]; given i32 [3]"},
      {[=] {
         read({2, 7, 3}, {2, 7, 5}, Tensor::full({2}, 3, DType::i64), {4, 3}, 0);
       },
       "memory_read_padded: expected used i32 [2]; given i64 [2]"},
      {[=] {
         memory_read_padded(Tensor::zeros({2, 7, 3}), Tensor::zeros({2, 7, 5}, DType::f64), two,
                            Tensor::zeros({4, 3}));
       },
       "memory_read_padded: expected one type; given key f32, value f64, query f32", "DTypeError"},
      {[=] {
         read({2, 7, 3}, {2, 7, 5}, two, {4, 3}, -1);
       },
       "memory_read_padded: expected top_k >= 0 (0 = all); given -1", "Error"},
      {[=] {
         memory_read_padded(Tensor::zeros({2, 7, 3}), Tensor::zeros({2, 7, 5}), two,
                            Tensor::zeros({4, 3}).set_requires_grad());
       },
       "memory_read_padded: has no gradient; use it under NoGrad", "Error"}};
  return {first, padded_case("top 3", {{3, 11, 2}, {3, 11, 5}, {4, 2}}, 3),
          padded_case("several blocks", {{3, 301, 18}, {3, 301, 21}, {101, 18}}, 0),
          padded_case("several blocks, top 5", {{3, 301, 18}, {3, 301, 21}, {101, 18}}, 5)};
}

// One object's memory in three slots, as the segmenter reads it: on a CPU where the slots lie, on a
// GPU gathered into a larger one. Packed for a CPU they are f32, so f64 inputs are rounded first.
Tensor read_slots(const Tensors& in, int top_k, bool gathered) {
  const auto stored = [](const Tensor& x) {
    return x.dtype() == DType::f64 ? cast(x, DType::f32) : x;
  };
  const Tensor key = stored(in[0]), value = stored(in[1]), query = stored(in[2]);
  std::vector<MemorySlot> slots;
  for (const auto& [first, count] : {std::pair{0, 37}, {37, 150}, {187, 5}})
    slots.push_back(pack_memory(key.rows(first, count), value.rows(first, count)));
  const std::vector<const MemorySlot*> all{&slots[0], &slots[1], &slots[2]};
  if (!gathered) return cast(memory_read(all, query, top_k), DType::f64);
  const int64_t room = 211, dk = key.dim(1), dv = value.dim(1);
  const Tensor keys = Tensor::full({room, dk}, 3, key.dtype(), key.device());
  const Tensor values = Tensor::full({room, dv}, 3, key.dtype(), key.device());
  gather_memory(all, keys, values);
  const Tensor used = Tensor::full({1}, 192, DType::i32, key.device());
  const Tensor y =
      memory_read_padded(keys.view({1, room, dk}), values.view({1, room, dv}), used, query, top_k);
  return cast(y.view({query.dim(0), dv}), DType::f64);
}

OpCase slots_case(const char* name, int top_k, bool on_gpu) {
  return {.name = str("memory_read/slots", name),
          .inputs = {{192, 12}, {192, 35}, {53, 12}},
          .op =
              [=](const Tensors& in) {
                const bool can = kernels::gather_memory.cpu || in[0].device().kind != Device::cpu;
                return read_slots(in, top_k, on_gpu && can);
              },
          .reference =
              [top_k](const Tensors& in) {
                return naive_read(in[0].view({1, 192, 12}), in[1].view({1, 192, 35}), in[2],
                                  std::size_t(top_k))
                    .view({53, 35});
              },
          .low = -2,
          .high = 2,
          .no_grad = {0, 1, 2},
          .cuda_tolerance = 1e-5};  // f64 is rounded to f32
}

struct Memory {
  std::vector<MemorySlot> slots;
  Tensor key, value;  // all slots in one, [1,p,dk] and [1,p,dv]
  std::vector<const MemorySlot*> pointers() const {
    std::vector<const MemorySlot*> all;
    for (const MemorySlot& slot : slots) all.push_back(&slot);
    return all;
  }
};

Memory make_memory(const std::vector<int64_t>& sizes, int64_t dk, int64_t dv, double range = 2) {
  Memory m;
  std::vector<float> key, value;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Tensor k = random_tensor({sizes[i], dk}, 10 + i, -range, range);
    const Tensor v = random_tensor({sizes[i], dv}, 20 + i);
    m.slots.push_back(pack_memory(k, v));
    key.insert(key.end(), k.data<float>(), k.data<float>() + k.numel());
    value.insert(value.end(), v.data<float>(), v.data<float>() + v.numel());
  }
  const int64_t p = int64_t(key.size()) / dk;
  m.key = Tensor::from(key, {1, p, dk});
  m.value = Tensor::from(value, {1, p, dv});
  return m;
}

}  // namespace

TEST_CASE("op/attention", "[op][attention]") {
  run_sweeps(attention_cases());
  run_sweeps(padded_cases());
  run_sweeps({slots_case("", 0, false), slots_case(", top 7", 7, false),
              slots_case(", gathered on a GPU", 0, true),
              slots_case(", gathered on a GPU, top 7", 7, true)});
}

TEST_CASE("memory_read over slots is memory_read over all positions", "[op][attention]") {
  const Memory m = make_memory({37, 150, 5}, 12, 35);
  const Tensor query = random_tensor({53, 12}, 3, -2, 2);
  for (int top_k : {0, 7}) {
    const Tensor want = naive_read(m.key.to(DType::f64), m.value.to(DType::f64),
                                   query.to(DType::f64), std::size_t(top_k));
    CHECK(relative_error(memory_read(m.pointers(), query, top_k), want.view({53, 35})) < 2e-6);
    CHECK(relative_error(memory_read(m.key, m.value, query, top_k), want) < 2e-6);
  }
}

TEST_CASE("packed_memory_bytes is exact", "[op][attention][cpu]") {
  for (const MemorySlot& slot : make_memory({37, 160, 5}, 12, 35).slots)
    CHECK(slot.bytes() == packed_memory_bytes(slot.positions, slot.key_dim, slot.value_dim));
  CHECK(packed_memory_bytes(1620, 128, 512) == (1632 * 128 + 1624 * 512) * 4);
}

TEST_CASE("memory_read keeps all that tie with the k-th largest", "[op][attention]") {
  // Similarities 3, 2, 2, 2, 1 (dk = 1): top 2 keeps four positions, in both forms and with
  // gradient.
  const Tensor key = Tensor::from<float>({2, 1, 3, 2, 2}, {1, 5, 1});
  const Tensor value = Tensor::from<float>({10, 1000, 1, 20, 30}, {1, 5, 1});
  const Tensor query = Tensor::from<float>({1}, {1, 1});
  const double e = std::exp(-1.0), want = (1 + e * (10 + 20 + 30)) / (1 + 3 * e);
  CHECK(memory_read(key, value, query, 2).item() == Approx(want));
  const MemorySlot slot = pack_memory(key.view({5, 1}), value.view({5, 1}));
  CHECK(memory_read({&slot}, query, 2).item() == Approx(want));
  CHECK(memory_read({&slot}, query, 1).item() == Approx(1));
  Tensor leaf = value.clone().set_requires_grad();
  backward(memory_read(key, leaf, query, 2), Tensor::full({1, 1, 1}, 1));
  for (int i : {0, 3, 4}) CHECK(leaf.grad().data<float>()[i] == Approx(e / (1 + 3 * e)));
  CHECK(leaf.grad().data<float>()[1] == 0);
}

TEST_CASE("memory_read does not overflow", "[op][attention]") {
  // Keys and queries of +-130: products / sqrt(dk) reach 1e4 and nearly all weight is on one
  // position.
  const Memory m = make_memory({150, 20}, 4, 3, 130);
  const Tensor query = random_tensor({29, 4}, 3, -130, 130);
  for (int top_k : {0, 3}) {
    const Tensor want =
        memory_read(m.key.to(DType::f64), m.value.to(DType::f64), query.to(DType::f64), top_k);
    CHECK(relative_error(memory_read(m.pointers(), query, top_k), want.view({29, 3})) < 1e-3);
  }
}

TEST_CASE("memory_read is the same for any number of threads", "[op][attention]") {
  const int before = num_threads();
  const Memory m = make_memory({150, 301}, 20, 35);
  std::vector<std::vector<float>> results, gradients;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Tensor query = random_tensor({203, 20}, 3, -2, 2), key = m.key.clone();
    results.push_back(memory_read(m.pointers(), query).to_vector<float>());
    query.set_requires_grad();
    key.set_requires_grad();
    const Tensor y = memory_read(key, m.value, query, 9);
    backward(y, random_tensor(y.shape(), 5));
    gradients.push_back(query.grad().to_vector<float>());
    const std::vector<float> g_key = key.grad().to_vector<float>();
    gradients.back().insert(gradients.back().end(), g_key.begin(), g_key.end());
  }
  set_num_threads(before);
  for (std::size_t i : {1, 2}) {
    CHECK(results[i] == results[0]);
    CHECK(gradients[i] == gradients[0]);
  }
}

TEST_CASE("rows of exponentials agree with the library's, with and without AVX2",
          "[op][attention][cpu]") {
  const cpu::RowKernels* const avx2 = cpu::avx2_rows();
  for (const cpu::RowKernels* rows : {&cpu::generic_rows(), avx2 ? avx2 : &cpu::generic_rows()})
    for (const float scale : {0.7f, -0.7f})
      for (int64_t n : {1, 7, 8, 13, 1000}) {
        const Tensor x = random_tensor({n + 8}, uint64_t(n), 0, 120);  // scale * x reaches 84
        const float* p = x.data<float>();
        const auto [low, high] = rows->range(n, p);
        CHECK(low == *std::min_element(p, p + n));
        CHECK(high == *std::max_element(p, p + n));
        const float origin = scale > 0 ? high : low;
        std::vector<float> y(1008, 7);
        const float total = rows->exponentials(n, scale, origin, p, y.data(), 8);
        double sum = 0, first = 0, worst = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double want = std::exp(double((p[i] - origin) * scale));
          sum += want;
          first += double(i) * want;
          worst = std::max(worst, std::abs(double(y[std::size_t(i)]) / want - 1));
        }
        CHECK(worst < 2e-7);
        CHECK(total == Approx(sum).epsilon(1e-6));
        for (int64_t i = n; i < (n + 7) / 8 * 8; ++i) CHECK(y[std::size_t(i)] == 0);
        const auto moments = rows->moments(n, scale, origin, p);
        CHECK(moments.total == Approx(sum).epsilon(1e-6));
        CHECK(moments.first == Approx(first).epsilon(1e-6));
      }
  std::vector<float> y = {-1000, -88, -INFINITY, NAN, 0, 0, 0, 0};
  cpu::exp_row(4, 1.0f, 0.0f, y.data(), y.data(), 8);
  CHECK(std::vector<float>(y.begin(), y.begin() + 3) == std::vector<float>{0, 0, 0});
  CHECK(std::isnan(y[3]));
}

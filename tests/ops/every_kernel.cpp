// Counts the calls of every kernel on the CPU: after the whole op table, each has a row or a
// reason.
#include <array>
#include <string>
#include <utility>

#include "autograd/ops/slots.h"
#include "tests/catch.h"

using namespace munet;

namespace {

constexpr std::size_t kKernels = std::tuple_size_v<decltype(all_kernels())>;
std::array<int64_t, kKernels> calls;

// Stands in kernel I's slot, and calls what stood there.
template <std::size_t I, class R, class... A>
struct Counted {
  static inline R (*body)(A...) = nullptr;
  static R call(A... arguments) {
    ++calls[I];
    return body(arguments...);
  }
};

template <std::size_t I, class R, class... A>
void count(Kernel<R(A...)>& kernel) {
  if (!kernel.cpu) return;
  Counted<I, R, A...>::body = kernel.cpu;
  kernel.cpu = Counted<I, R, A...>::call;
}

[[maybe_unused]] const bool counted = [] {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (count<I>(std::get<I>(all_kernels())), ...); }
  (std::make_index_sequence<kKernels>());
  return true;
}();

}  // namespace

// Hidden: it is for after the table, in one run with it (ctest has an entry for both).
TEST_CASE("every kernel has a row in the op table", "[.][rows]") {
  std::size_t i = 0;
  for_each_kernel([&](const auto& kernel) {
    INFO(kernel.name);
    if (kernel.cpu)
      CHECK(calls[i] > 0);
    else  // only a GPU's; the row "memory_read/slots, gathered on a GPU" is about it
      CHECK(kernel.name == std::string("gather_memory"));
    ++i;
  });
}

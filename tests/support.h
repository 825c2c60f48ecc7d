// What several tests need: random tensors, relative error, where real data lies, loud skips.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/tensor.h"

// Uniform in [low, high), element i from (seed, i).
munet::Tensor random_tensor(const munet::Shape& shape, uint64_t seed, double low = -1,
                            double high = 1, munet::DType dtype = munet::DType::f32);

// norm(a - b) / norm(b) in double; infinite where shapes differ or a number is NaN.
double relative_error(const munet::Tensor& a, const munet::Tensor& b);

// The repository's root, and the folder of real data beside it ($MUNET_SHARED, else ../shared).
std::filesystem::path source_dir();
std::filesystem::path shared_dir();

// Says that this test cannot run and why; main() prints all reasons and returns 77.
//   if (!exists(shared_dir() / "parity")) return skip("no ../shared/parity");
void skip(const std::string& reason);
const std::vector<std::string>& skipped();

// The text of the error (of class E) that the call throws; "" if it throws none.
template <class E = munet::Error>
std::string text_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

// A fresh empty folder, removed with everything in it at the end of the scope.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path path;
  std::filesystem::path operator/(const std::string& name) const { return path / name; }
};

#include "tests/support.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "tensor/random.h"

using munet::DType;
using munet::Tensor;

Tensor random_tensor(const munet::Shape& shape, uint64_t seed, double low, double high,
                     DType dtype) {
  Tensor x = Tensor::empty(shape, DType::f64);
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<double>()[i] = low + (high - low) * munet::random_uniform(seed, uint64_t(i));
  return x.to(dtype);
}

double relative_error(const Tensor& a, const Tensor& b) {
  if (!a || !b || !(a.shape() == b.shape())) return std::numeric_limits<double>::infinity();
  const std::vector<double> va = a.to_vector<double>(), vb = b.to_vector<double>();
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < va.size(); ++i) {
    difference += (va[i] - vb[i]) * (va[i] - vb[i]);
    norm += vb[i] * vb[i];
  }
  const double error = norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

std::filesystem::path source_dir() { return MUNET_SOURCE_DIR; }

std::filesystem::path shared_dir() {
  const char* named = std::getenv("MUNET_SHARED");
  return named ? std::filesystem::path(named) : source_dir() / ".." / "shared";
}

namespace {
std::vector<std::string>& skips() {
  static std::vector<std::string> reasons;
  return reasons;
}
}  // namespace

void skip(const std::string& reason) { skips().push_back(reason); }
const std::vector<std::string>& skipped() { return skips(); }

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "munet-test-XXXXXX").string();
  munet::check(mkdtemp(name.data()) != nullptr, "cannot make a temporary folder ", name);
  path = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

// CUDA twin of autograd/ops/matmul.cpp: products by cuBLASLt. It thinks in columns: our row-major c
// = a b is its c^T = b^T a^T, with the same bytes.
#include <array>
#include <map>
#include <mutex>

#include "ops_cuda/cuda.h"
#include "ops_cuda/matmul_twins.h"
#include "ops_cuda/register.h"
#include "tensor/precision.h"
#include "tensor/tally.h"

namespace munet::cuda {
namespace {

constexpr uint64_t kMostWorkspace = uint64_t{32} << 20;

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return CUDA_R_64F;
    case DType::f16:
      return CUDA_R_16F;
    case DType::bf16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

struct Layout {
  cublasLtMatrixLayout_t layout = nullptr;
  Layout(DType type, int64_t rows, int64_t columns, int64_t batch) {
    CUDA_CHECK(cublasLtMatrixLayoutCreate(&layout, data_type(type), uint64_t(rows),
                                          uint64_t(columns), rows));
    if (batch == 1) return;
    const int32_t count = int32_t(batch);
    const int64_t step = rows * columns;
    CUDA_CHECK(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                                sizeof(count)));
    CUDA_CHECK(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                &step, sizeof(step)));
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(layout); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
};

// One kind of product, prepared: kept as long as the process lives.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
  std::size_t workspace = 0;
  bool found = false;

  // alignments: of the three addresses, bytes.
  Plan(const MatrixProduct& p, bool fast, const std::array<uint32_t, 3>& alignments)
      : a(p.in, p.transpose_a ? p.m : p.k, p.transpose_a ? p.k : p.m, p.batch),
        b(p.in, p.transpose_b ? p.k : p.n, p.transpose_b ? p.n : p.k, p.batch),
        c(p.out, p.n, p.m, p.batch) {
    const bool f64 = p.in == DType::f64, tf32 = fast && p.in == DType::f32;
    CUDA_CHECK(cublasLtMatmulDescCreate(&product,
                                        f64    ? CUBLAS_COMPUTE_64F
                                        : tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                               : CUBLAS_COMPUTE_32F,
                                        f64 ? CUDA_R_64F : CUDA_R_32F));
    const auto operation = [&](cublasLtMatmulDescAttributes_t which, bool transpose) {
      const cublasOperation_t value = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
      CUDA_CHECK(cublasLtMatmulDescSetAttribute(product, which, &value, sizeof(value)));
    };
    operation(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b);  // its first factor is our second
    operation(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a);
    cublasLtMatmulPreference_t wish;
    CUDA_CHECK(cublasLtMatmulPreferenceCreate(&wish));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
      CUDA_CHECK(cublasLtMatmulPreferenceSetAttribute(wish, which, &value, sizeof(value)));
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments[1]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments[0]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments[2]);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments[2]);
    cublasLtMatmulHeuristicResult_t best = {};
    int results = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        cublas(), product, b.layout, a.layout, c.layout, c.layout, wish, 1, &best, &results);
    cublasLtMatmulPreferenceDestroy(wish);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) CUDA_CHECK(status);
    found = status == CUBLAS_STATUS_SUCCESS && results > 0 && best.state == CUBLAS_STATUS_SUCCESS;
    algorithm = best.algo;
    workspace = best.workspaceSize;
  }
};

// The largest power of two up to 256 that divides an address.
uint32_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) | 256;
  return uint32_t(address & (~address + 1));
}

const Plan& plan_for(const MatrixProduct& p) {
  const bool fast = fast_matmul();
  const std::array<uint32_t, 3> alignments{alignment_of(p.a), alignment_of(p.b), alignment_of(p.c)};
  using Key = std::array<int64_t, 12>;
  static std::mutex mutex;  // of the table; plans are only read, and the handle may be shared
  std::lock_guard lock(mutex);
  static std::map<Key, std::unique_ptr<Plan>>& plans = *new std::map<Key, std::unique_ptr<Plan>>;
  std::unique_ptr<Plan>& plan =
      plans[{p.m, p.n, p.k, p.batch, p.transpose_a, p.transpose_b, int64_t(p.in), int64_t(p.out),
             fast, alignments[0], alignments[1], alignments[2]}];
  if (!plan) {
    plan = std::make_unique<Plan>(p, fast, alignments);
    if (!plan->found)
      tally(str("cuBLASLt has no algorithm for ", p.m, 'x', p.k, " by ", p.k, 'x', p.n, ", ", p.in,
                p.batch > 1 ? str(", ", p.batch, " of them") : ""));
  }
  return *plan;
}

}  // namespace

void multiply(OnDevice, const MatrixProduct& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  // A sum of nothing, and what cuBLASLt has no algorithm for.
  if (p.k == 0) return multiply_tiles<OnDevice>(p);
  const Plan& plan = plan_for(p);
  tally(plan.found ? "product: cuBLASLt" : "product: own kernel");
  if (!plan.found) return multiply_tiles<OnDevice>(p);
  const Tensor workspace =
      plan.workspace ? Tensor::empty({int64_t(plan.workspace)}, DType::u8, p.device) : Tensor();
  const double one = 1, beta = p.beta;
  const float one_f = 1, beta_f = float(p.beta);
  const bool f64 = p.in == DType::f64;
  CUDA_CHECK(cublasLtMatmul(
      cublas(), plan.product, f64 ? static_cast<const void*>(&one) : &one_f, p.b, plan.b.layout,
      p.a, plan.a.layout, f64 ? static_cast<const void*>(&beta) : &beta_f, p.c, plan.c.layout, p.c,
      plan.c.layout, &plan.algorithm, workspace.raw(), plan.workspace, stream()));
  after_launch("cublasLtMatmul");
}

void register_matmul() { kernels::matmul.cuda = matmul<OnDevice>; }

}  // namespace munet::cuda

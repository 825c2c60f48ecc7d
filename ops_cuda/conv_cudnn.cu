// cuDNN's graph API through its C descriptors: a convolution and what follows it as one graph, the
// first engine that takes it, kept by shape. Its names for sizes are n, c, h, w; strides say that
// the channels lie together.
#include "ops_cuda/conv_cudnn.h"

#include <array>
#include <cstdio>
#include <map>
#include <mutex>
#include <vector>

#include "ops_cuda/cuda.h"
#include "tensor/precision.h"
#include "tensor/tally.h"

namespace munet::cuda {

#ifndef MUNET_CUDNN

bool run_cudnn(const ConvCall&) { return false; }

#else

namespace {

constexpr int64_t kMostWorkspace = int64_t{256} << 20;

// A graph, engine or plan that cuDNN does not make: the caller goes on without it.
struct NoEngine {
  cudnnStatus_t status;
};

void need(cudnnStatus_t status) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  cudaGetLastError();
  throw NoEngine{status};
}

// A backend descriptor; set() before finalize().
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    need(cudnnBackendCreateDescriptor(type, &descriptor_));
  }
  ~Descriptor() {
    if (descriptor_) cudnnBackendDestroyDescriptor(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = nullptr;
  }
  Descriptor& operator=(Descriptor&&) = delete;
  cudnnBackendDescriptor_t get() const { return descriptor_; }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const std::vector<T>& values) {
    need(cudnnBackendSetAttribute(descriptor_, name, type, int64_t(values.size()), values.data()));
    return *this;
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const T& value) {
    need(cudnnBackendSetAttribute(descriptor_, name, type, 1, &value));
    return *this;
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.descriptor_);
  }
  Descriptor& finalize() {
    need(cudnnBackendFinalize(descriptor_));
    return *this;
  }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

cudnnDataType_t data_type(DType dtype) {
  if (dtype == DType::f16) return CUDNN_DATA_HALF;
  return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// The names by which a plan is told the addresses.
enum Id : int64_t { kX = 1, kW, kY, kBias, kAdd, kBetween };

// [n,h,w,c] in memory. Tensors between two operations exist in registers only, as f32.
Descriptor tensor(int64_t id, DType type, int64_t n, int64_t h, int64_t w, int64_t c,
                  int64_t alignment) {
  const bool between = id >= kBetween;
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
        between ? CUDNN_DATA_FLOAT : data_type(type));
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::vector<int64_t>{n, c, h, w});
  d.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::vector<int64_t>{h * w * c, 1, w * c, c});
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  if (between) d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  d.finalize();
  return d;
}

Descriptor convolution(const ConvSizes& s) {
  const auto both = [](int64_t value) { return std::vector<int64_t>{value, value}; };
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t{2});
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, both(1));
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, both(s.stride));
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, both(s.padding));
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, both(s.padding));
  d.finalize();
  return d;
}

// The largest power of two up to 16 that divides an address.
int64_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) | 16;
  return int64_t(address & (~address + 1));
}

// The call as a graph. Its parts live as long as it does.
struct Graph {
  std::vector<Descriptor> parts;
  std::vector<cudnnBackendDescriptor_t> operations;
  std::vector<int64_t> ids;
  std::vector<const void*> addresses;
  int64_t next = kBetween;

  std::size_t add(Descriptor d) {
    parts.push_back(std::move(d));
    return parts.size() - 1;
  }
  std::size_t add_operation(Descriptor d) {
    operations.push_back(d.get());
    return add(std::move(d));
  }
  std::size_t add_tensor(int64_t id, const void* address, DType type, int64_t n, int64_t h,
                         int64_t w, int64_t c) {
    ids.push_back(id);
    addresses.push_back(address);
    return add(tensor(id, type, n, h, w, c, alignment_of(address)));
  }

  // out = mode(in, other): other is an index of parts, or none (< 0).
  void pointwise(cudnnPointwiseMode_t mode, std::size_t in, std::ptrdiff_t other, std::size_t out) {
    Descriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
    how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    how.finalize();
    Descriptor d(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    d.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    d.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, parts[in]);
    if (other >= 0) d.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, parts[std::size_t(other)]);
    d.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, parts[out]);
    d.finalize();
    add(std::move(how));
    add_operation(std::move(d));
  }

  explicit Graph(const ConvCall& call) {
    const ConvSizes& s = call.sizes;
    const std::size_t x = add_tensor(kX, call.x, call.type, s.n, s.h, s.w, s.c);
    const std::size_t w = add_tensor(kW, call.w, call.type, s.o, s.kh, s.kw, s.c);
    const std::size_t y = add_tensor(kY, call.y, call.type, s.n, s.oh, s.ow, s.o);
    const std::size_t conv = add(convolution(s));
    const double one = 1, zero = 0;
    if (call.kind == ConvKind::grad_x) {
      Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, parts[conv]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, parts[x]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, parts[w]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, parts[y]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_DOUBLE, one);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_DOUBLE, zero);
      add_operation(std::move(d.finalize()));
    } else if (call.kind == ConvKind::grad_w) {
      Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, parts[conv]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, parts[x]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, parts[w]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, parts[y]);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_DOUBLE, one);
      d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_DOUBLE, zero);
      add_operation(std::move(d.finalize()));
    } else {
      forward(call, x, w, y, conv);
    }
  }

  // Convolution, + add, + bias, ReLU: the order that the ready-made engines know.
  void forward(const ConvCall& call, std::size_t x, std::size_t w, std::size_t y,
               std::size_t conv) {
    const ConvSizes& s = call.sizes;
    int left = int(call.add != nullptr) + int(call.bias != nullptr) + int(call.relu);
    const auto result = [&] {  // of the next operation
      return left == 0 ? y : add(tensor(next++, call.type, s.n, s.oh, s.ow, s.o, 16));
    };
    std::size_t at = result();
    Descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, parts[conv]);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, parts[x]);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, parts[w]);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, parts[at]);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_DOUBLE, 1.0);
    d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_DOUBLE, 0.0);
    add_operation(std::move(d.finalize()));
    const auto then = [&](cudnnPointwiseMode_t mode, std::ptrdiff_t other) {
      --left;
      const std::size_t out = result();
      pointwise(mode, at, other, out);
      at = out;
    };
    if (call.add)
      then(CUDNN_POINTWISE_ADD,
           std::ptrdiff_t(
               add_tensor(kAdd, call.add, call.type, call.shared_add ? 1 : s.n, s.oh, s.ow, s.o)));
    if (call.bias)
      then(CUDNN_POINTWISE_ADD,
           std::ptrdiff_t(add_tensor(kBias, call.bias, call.type, 1, 1, 1, s.o)));
    if (call.relu) then(CUDNN_POINTWISE_RELU_FWD, -1);
  }
};

// A graph that an engine takes, ready to run. Kept as long as the process lives.
struct Plan {
  std::unique_ptr<Descriptor> plan;  // null: no engine
  std::size_t workspace = 0;
  std::string refusal = {};  // why there is none
};

// What an engine may not do: differ from run to run; round its factors where f32 was asked for;
// or Winograd with the largest tiles, whose error is over 1e-5.
bool allowed(const Descriptor& config, bool exact) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  int64_t count = 0;
  need(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw));
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  need(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count,
                                notes));
  for (int64_t i = 0; i < count; ++i) {
    const cudnnBackendNumericalNote_t note = notes[i];
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
        note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
        note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13)
      return false;
    if (exact && (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                  note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS))
      return false;
  }
  return true;
}

Plan find_plan(const ConvCall& call, bool exact) try {
  std::string refusal = "no engine is deterministic, exact enough and small enough";
  Graph graph(call);
  Descriptor whole(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  whole.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, graph.operations);
  whole.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, cudnn());
  whole.finalize();
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) try {
      Descriptor search(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
      search.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, whole);
      search.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
      search.finalize();
      int64_t count = 0;
      need(cudnnBackendGetAttribute(search.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
      std::vector<Descriptor> configs;
      std::vector<cudnnBackendDescriptor_t> raw;
      for (int64_t i = 0; i < count; ++i) {
        configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        raw.push_back(configs.back().get());
      }
      need(cudnnBackendGetAttribute(search.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()));
      for (int64_t i = 0; i < count; ++i) try {  // best first
          const Descriptor& config = configs[std::size_t(i)];
          if (!allowed(config, exact)) continue;
          auto plan = std::make_unique<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
          plan->set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
          plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, cudnn());
          plan->finalize();
          int64_t workspace = 0, one = 0;
          need(cudnnBackendGetAttribute(plan->get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                        CUDNN_TYPE_INT64, 1, &one, &workspace));
          if (workspace <= kMostWorkspace)
            return {.plan = std::move(plan), .workspace = std::size_t(workspace)};
        } catch (const NoEngine& no) {  // the next one
          refusal = cudnnGetErrorString(no.status);
        }
    } catch (const NoEngine& no) {  // the next way to look for one
      refusal = cudnnGetErrorString(no.status);
    }
  return {.plan = nullptr, .refusal = refusal};
} catch (const NoEngine& no) {
  return {.plan = nullptr, .refusal = cudnnGetErrorString(no.status)};
}

std::string text_of(const ConvCall& call, bool exact) {
  const ConvSizes& s = call.sizes;
  return str(name(call.kind), ' ', s.n, 'x', s.h, 'x', s.w, 'x', s.c, " to ", s.o, ", ", s.kh, 'x',
             s.kw, " stride ", s.stride, ", ", call.type, exact ? " exact" : "",
             call.bias ? ", bias" : "", call.add ? ", add" : "", call.relu ? ", relu" : "");
}

using Key = std::array<int64_t, 22>;
Key key_of(const ConvCall& call, bool exact) {
  const ConvSizes& s = call.sizes;
  return {int64_t(call.kind),
          int64_t(call.type),
          exact,
          s.n,
          s.h,
          s.w,
          s.c,
          s.o,
          s.kh,
          s.kw,
          s.stride,
          s.padding,
          s.oh,
          s.ow,
          call.relu,
          call.shared_add,
          alignment_of(call.x),
          alignment_of(call.w),
          alignment_of(call.y),
          call.bias ? alignment_of(call.bias) : 0,
          call.add ? alignment_of(call.add) : 0};
}

}  // namespace

bool run_cudnn(const ConvCall& call) {
  const ConvSizes& s = call.sizes;
  if (call.type == DType::f64 || s.outputs() == 0 || s.inputs() == 0 || s.c == 0 || s.o == 0)
    return false;
  const bool exact = call.type == DType::f32 && !fast_matmul();
  // One handle, whose stream is this thread's (cuda.h), so one call at a time; and one table.
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  static std::map<Key, Plan>& plans = *new std::map<Key, Plan>;
  const auto [found, first] = plans.try_emplace(key_of(call, exact));
  const Plan& plan = found->second;
  if (first) {
    found->second = find_plan(call, exact);
    if (!plan.plan) tally(str("cuDNN refuses ", text_of(call, exact), ": ", plan.refusal));
  }
  if (!plan.plan) return false;

  const Tensor workspace =
      plan.workspace ? Tensor::empty({int64_t(plan.workspace)}, DType::u8, call.device) : Tensor();
  std::vector<int64_t> ids{kX, kW, kY};
  std::vector<const void*> addresses{call.x, call.w, call.y};
  if (call.bias) ids.push_back(kBias), addresses.push_back(call.bias);
  if (call.add) ids.push_back(kAdd), addresses.push_back(call.add);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, addresses);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace.raw());
  pack.finalize();
  CUDA_CHECK(cudnnBackendExecute(cudnn(), plan.plan->get(), pack.get()));
  after_launch("cudnnBackendExecute");
  return true;
}

#endif

}  // namespace munet::cuda

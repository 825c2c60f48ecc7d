#include "tensor/precision.h"

namespace munet {
namespace {

constexpr const char* kNames[] = {"f32", "tf32", "bf16", "f16"};
thread_local bool fast = false;

}  // namespace

Precision parse_precision(const std::string& text) {
  for (int i = 0; i < 4; ++i)
    if (text == kNames[i]) return Precision(i);
  throw Error(str("precision: expected f32, tf32, bf16 or f16; given '", text, "'"));
}

const char* name(Precision precision) { return kNames[int(precision)]; }

DType storage_type(Precision precision) {
  if (precision == Precision::bf16) return DType::bf16;
  return precision == Precision::f16 ? DType::f16 : DType::f32;
}

bool fast_matmul() { return fast; }
void set_fast_matmul(bool on) { fast = on; }

}  // namespace munet

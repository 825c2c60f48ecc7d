// In what the network computes on a GPU.
#pragma once

#include <string>

#include "tensor/dtype.h"

namespace munet {

// f32, the baseline; tf32: the same storage, products of 10-bit factors on tensor cores; bf16 and
// f16: half storage, sums in f32. The CPU computes in f32 only.
enum class Precision { f32, tf32, bf16, f16 };

// "f32", "tf32", "bf16", "f16". Error on anything else.
Precision parse_precision(const std::string& text);
const char* name(Precision precision);
// The type that activations, weights and memory are stored in.
DType storage_type(Precision precision);

// Whether f32 products (matmul, conv2d, memory_read) on a GPU may round their factors to TF32. Off
// at first: results then agree with the CPU's to 1e-5, with it to 1e-3. Each thread has its own.
bool fast_matmul();
void set_fast_matmul(bool on);

}  // namespace munet

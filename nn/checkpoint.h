// safetensors: a length, a JSON table, raw bytes (github.com/huggingface/safetensors). PyTorch reads
// and writes it. The one place that knows that files hold convolution weights as [o,c,kh,kw].
#pragma once

#include <map>
#include <string>

#include "nn/module.h"

namespace munet::nn {

struct Checkpoint {
  StateDict tensors;                            // as the file has them; rank-4 already [o,kh,kw,c]
  std::map<std::string, std::string> metadata;  // "munet": the model's keys as one JSON object
};

enum class Layout { weights, plain };  // weights: rank 4 is converted from / to [o,c,kh,kw]

// F64, F32, F16, BF16, I32, I64 and U8 tensors, all copied. FileError (path, what is wrong, where) for a file that
// cannot be read, is truncated, has overlapping, misaligned or out-of-range offsets, a table over
// 100 MB, duplicate names, shapes that do not match their bytes. Nothing is allocated on the word of
// the file beyond the file's own size.
Checkpoint load_checkpoint(const std::string& path, Layout layout = Layout::weights);

// Writes to a temporary name beside `path`, flushes, renames: a crash leaves the old file. `half`
// stores floating-point tensors as F16. FileError if it cannot.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint, bool half = false,
                     Layout layout = Layout::weights);

}  // namespace munet::nn

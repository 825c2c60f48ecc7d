// safetensors: a length, a JSON table, raw bytes (github.com/huggingface/safetensors). PyTorch
// reads and writes it. The one place that knows that files hold convolution weights as [o,c,kh,kw].
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

// F64, F32, F16, BF16, I32, I64 and U8 tensors of up to 6 axes, all copied from the mapped file, in
// its types. (Who cuts the file short at this moment ends the process, by SIGBUS; one that is
// replaced, as save_checkpoint does, is read as it was.)
// FileError (path, what was expected, what was found) if the file cannot be read, is truncated, has
// a table over 100 MB or one that is not the format's: duplicate names, another type, values of the
// wrong kind, shapes that do not match their bytes, bytes that overlap, lie outside or belong to no
// tensor. What a wrong file costs in memory goes by its size, not by what it claims.
Checkpoint load_checkpoint(const std::string& path, Layout layout = Layout::weights);

// Writes to `path`.part, flushes it to the disk, renames: a crash leaves the old file. Tensors may
// lie on any device. `half` stores floating-point tensors as F16; Error if one does not fit in it.
// FileError with the system's reason if it cannot; then `path` is as it was and nothing is left
// over.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint, bool half = false,
                     Layout layout = Layout::weights);

}  // namespace munet::nn

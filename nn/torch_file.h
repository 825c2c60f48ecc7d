// PyTorch's .pth files, read without running anything in them.
#pragma once

#include "nn/checkpoint.h"

namespace munet::nn {

// Whether the file begins as a zip archive or a pickle does.
bool is_torch_file(const std::string& path);

// All tensors of a file that torch.save wrote, in the zip format (from PyTorch 1.6 on) or the one
// before; names of nested dicts are joined with dots. Knows tensors, dicts, lists, tuples, numbers
// and strings; FileError that names anything else (a .pth is a pickle, and a pickle can name any
// function to call: here nothing is ever called), and if the file is damaged.
Checkpoint load_torch_file(const std::string& path, Layout layout = Layout::weights);

}  // namespace munet::nn

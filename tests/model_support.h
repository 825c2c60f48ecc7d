// What the tests of the network share: reproducible weights, PyTorch's layout, writing a
// checkpoint.
#pragma once

#include <string>

#include "munet/model.h"

// [n,c,h,w] -> [n,h,w,c], for comparing with PyTorch's recordings.
munet::Tensor channels_last(const munet::Tensor& nchw);

// Weights from a counter, the same as tests/golden/record.py gives the reference (its table,
// NETWORKS).
void fill_like_reference(munet::MUNet& model);

// A checkpoint with such weights in `folder`; its path.
std::string write_checkpoint(const std::string& folder, const munet::Config& config);

// What a run starts from: new layers, and weights of others.
#pragma once

#include <string>

#include "munet/model.h"

// New layers (network.md 11): convolutions as PyTorch's Conv2d starts them, those of the trunks as
// torchvision's ResNet (He et al. 2015), mask inputs from N(0, 0.05). Each from its own stream of
// the seed.
void start_weights(munet::MUNet& model, uint64_t seed);

// Copies what fits from a file and returns lines that say what matched, what stays new and what was
// ignored. Files: a munet checkpoint or training checkpoint (safetensors); a ResNet with
// torchvision's names, bare or below "backbone.body.", "backbone." or "module." (safetensors or
// PyTorch's .pth), which goes into both encoders. FileError if it cannot be read or nothing
// matches; Error if a matching name has another shape.
std::string load_start(munet::MUNet& model, const std::string& path);

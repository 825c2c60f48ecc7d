// A training clip through the network (network.md 11): from frames and masks to the loss.
#pragma once

#include <vector>

#include "data/clips.h"
#include "munet/loss.h"
#include "munet/model.h"

struct Rollout {
  munet::Tensor loss;  // mean over the query frames; a scalar that carries the graph
  double j = 0;        // mean of the hard labels' J over objects and query frames, for watching
  std::vector<std::vector<uint8_t>> labels;  // most probable object of each pixel, per query frame
};

// The first frame's mask is given, the others are found. recurrent: as at run time, each frame
// reads the memory of all before it, of which the found ones hold soft predictions, and gradients
// flow through them; else the memory is the first frame alone (ref_only). Each frame's neighbour is
// the "previous frame" of its MU-Layer. Maps are kept in the type of the model's parameters, or in
// `storage` if that is f16 or bf16. ShapeError unless the frame's sides are multiples of 16.
Rollout roll_out(munet::MUNet& model, const munet::Clip& clip, bool recurrent,
                 const munet::LossOptions& options, munet::DType storage = munet::DType::f32);

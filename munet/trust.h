// How far a mask can be trusted, from what the network knows without the truth.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor/tensor.h"

namespace munet {

// Signs of one object in one frame, each better the higher.
struct TrustSigns {
  // How sure the soft mask p is of the mask m: sum min(p, m) / sum max(p, m) over pixels. 0 where
  // the object is nowhere: whether it is really gone has to be looked at.
  double certainty = 0;
  // How well the last frame's soft mask, moved by the measured motion, meets this one: the same
  // measure between the two, over cells of 16 pixels. 1 where no motion is measured.
  double agreement = 1;
  double matching = 1;  // the mean of U (Eq. 2) over the object, -1..1
};

// 0..1: roughly the J to expect. A linear combination, clamped, fitted on training
// sequences. `matching` has no part in it: it did not help there.
double trust(const TrustSigns& signs);

// One of the soft masks [n,h,w], on any device, as means over cells [h/16,w/16].
Tensor mask_cells(const Tensor& masks, int64_t position);

// agreement and matching of one object: matched [1,h,w,3] of MULayer::match between the frames,
// cells [h,w] of its mask in the last frame and in this one (mask_cells).
TrustSigns motion_signs(const Tensor& matched, const Tensor& before, const Tensor& now);

// Where a true mask would help most: up to `count` frames (indices into `trust`, ascending), none
// of them frame 0 or one whose trust is 1 (it was given). A true mask at t mends of a later frame i
// what was wrong at t already, less so with time: min(e_t, e_i) exp(-(i - t) / kTrustReach), where
// e is what a frame's trust lacks to the best one's that was not given. Frames are taken one by
// one, each where this sums to most of what is left.
std::vector<std::size_t> frames_to_check(const std::vector<double>& trust, std::size_t count);
inline constexpr double kTrustReach = 15;  // frames

}  // namespace munet

// The random numbers of a clip turned into geometry and colours (network.md 11).
#pragma once

#include <vector>

#include "data/clips.h"
#include "data/warp.h"
#include "tensor/random.h"

namespace munet {

// The camera's small movements from frame to frame of a video, in the crop's coordinates: a share
// (frame_share) of the clip's angles, shifts and scales, about the crop's centre. The first is the
// identity.
std::vector<Affine> video_path(const ClipOptions& options, Rng& rng);

// A smooth path over a still: constant speeds (turn, zoom, shift) with small jerks. No corner of
// the crop moves by more than still_max_step pixels between frames. The first is the identity.
std::vector<Affine> still_path(const ClipOptions& options, Rng& rng);

// From a picture of width x height to the crop: resized so that the shorter side becomes
// resize_low..resize_high crops, cut out so that the point (x, y) is inside, and by chance turned,
// sheared, shifted and mirrored.
Affine draw_crop(const ClipOptions& options, int width, int height, double x, double y, Rng& rng);

// The colours of each frame: a jitter of the clip and a share of it for each frame.
std::vector<ColorMap> draw_colors(const ClipOptions& options, double mean, Rng& rng);

// How many pixels of the crop a pixel of the source becomes, along a side.
double zoom_of(const Affine& to_crop);

}  // namespace munet

// What the network saw, as pictures over frames: for `munet view` and `munet report`.
#pragma once

#include "data/flow.h"
#include "data/image.h"
#include "munet/inspect.h"

// Shown as uncertainty is 1 - U; from 0 to this (real videos stay below it but for a few pixels).
inline constexpr double kUncertainty = 0.25;

munet::Flow flow_of(const munet::PixelMap& displacement);
munet::ScalarMap scalar_map(const munet::PixelMap& map);  // of one channel
munet::ScalarMap uncertainty_of(const munet::PixelMap& confidence);

// The length that 99 of 100 displacements stay below, at least 1 pixel: a good full scale.
double full_displacement(const munet::Flow& flow);

// The value that this share of a map's values lie below.
double quantile(const munet::ScalarMap& map, double share);

// Heat over a grey version of the frame.
munet::Image heat_over(const munet::Image& frame, const munet::ScalarMap& map, double low,
                       double high);

// The frame before with the window's outline in red, and in yellow where the pixel was (the best
// cost). And its costs as squares of `zoom` pixels, the best one framed.
munet::Image window_picture(const munet::Image& before, const munet::SearchWindow& window);
munet::Image cost_picture(const munet::SearchWindow& window, int zoom);

// A cross of this colour, for the pixel that is asked about.
void mark_pixel(munet::Image& image, int x, int y, const uint8_t (&color)[3]);

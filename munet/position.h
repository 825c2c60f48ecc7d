// A position cue in the memory (key position_cue): of two places that look alike, the nearer one
// answers.
#pragma once

#include <memory>

#include "nn/module.h"

namespace munet {

struct PositionCue : nn::Module {
  explicit PositionCue(int key_dim);  // even

  // key [n,h,w,d] + s. Channels c and c + d/2 of s are gain[c] times the sine and cosine of the
  // cell's column (c < d/4) or row, with wavelengths from 4 to 128 cells: the product of two cells'
  // s depends on their distance alone and is largest at 0. Added to the keys of the memory and of
  // the query. Gradients: key, gain. ShapeError on another d, and on more than 2048 rows or
  // columns. strength: a factor on all gains.
  Tensor operator()(const Tensor& key, double strength = 1) const;
  void visit(nn::Visitor& v) override { v("gain", gain); }

  // [d/2]; new: 1.5, which helps before any training: weights trained without the cue, given it,
  // had J&F 65.9 instead of 57.5 on three training videos held out (0.5: 58.1, 1: 62.2, 2.5: 66.1).
  Tensor gain;

 private:
  // Sines and cosines for every row and column, of each device and type that asked: made once, and
  // there to stay, so that a GPU's work can be recorded (tensor/replay.h).
  struct Tables;
  std::shared_ptr<Tables> tables_;
};

}  // namespace munet

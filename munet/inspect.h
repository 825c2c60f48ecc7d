// Inspector: what the network sees between two frames, map by map, at the frames' own size. For
// pictures; the segmenter keeps none of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "munet/segmenter.h"

namespace munet {

// Numbers per pixel of a frame.
struct PixelMap {
  int width = 0, height = 0, channels = 0;
  std::vector<float> values;  // [height, width, channels]; empty: the model has no such map
  bool empty() const { return values.empty(); }
};

// Interpolated from cells of 16 pixels.
struct PairMaps {
  // Where each pixel was in the frame before: (x, y) in pixels, the soft-argmin over the window.
  PixelMap displacement;
  PixelMap confidence;  // U of Eq. (2), -1..1: the similarity of the best match
  PixelMap attention;   // of the MSAM, 0..1
  PixelMap energy;      // of the features that ask the memory: root mean square over channels
};

// One cell's search window in the frame before.
struct SearchWindow {
  int side = 0;  // cells
  std::vector<float>
      cost;  // [side, side] similarity -1..1 (0 outside of the frame), centre: no motion
  double left = 0, top = 0, cell = 0;  // its corner, and the side of a cell, in pixels
};

class Inspector {
 public:
  // As Segmenter's. FileError if the checkpoint is absent, damaged or of another model.
  explicit Inspector(const std::string& checkpoint, int shorter_side = 480);
  ~Inspector();

  // Looks at two frames of one size (ShapeError otherwise). What follows is of this pair.
  PairMaps look(FrameView previous, FrameView current);

  // The matching cost of a pixel of the current frame. Error if the model has no MU-Layer, or if
  // the pixel is outside of the frame.
  SearchWindow window(int x, int y) const;

  // Where a pixel looks in the memory, which holds the previous frame with this mask: the weights
  // of the read, summing to 1 over cells, one map per object of the mask (ids ascending).
  struct Attention {
    int id;
    PixelMap weight;
  };
  std::vector<Attention> attention(const MaskView& mask, int x, int y) const;

  bool has_motion() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace munet

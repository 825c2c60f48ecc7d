// What a segmenter keeps of its video: the last frame, the memory bank, and how a frame is pushed.
// Read after segmenter.h (what it promises), memory_bank.h and model.h.
#pragma once

#include <optional>
#include <set>

#include "munet/frame.h"
#include "munet/memory_bank.h"
#include "munet/model.h"
#include "munet/segmenter.h"

namespace munet {

// What one frame leaves behind: its result, and what the next frame needs of it.
struct Frame {
  FrameGeometry geometry;
  int64_t index = 0;
  Tensor x;  // prepared
  QueryFeatures query;
  std::vector<int> ids;  // the objects, ascending; channel k+1 of P is ids[k]
  std::set<int> named;   // of them, those whose mask was given with this frame
  Tensor probability;    // P [1, height, width, n+1] at working size, channel 0 the background
  Tensor masks;          // [n, padded_height, padded_width]: what is to be memorised
  std::vector<uint8_t> given;  // ids at input size, empty if no mask came with the frame
};

struct Segmenter::State {
  SegmenterOptions options;
  std::unique_ptr<MUNet> model;
  MemoryBank bank;
  int top_k = 0;
  int64_t frames = 0;
  std::optional<Frame> last;

  // Pushes a frame; nothing has changed if it throws (but that the last frame is memorised).
  void step(const FrameView& view, const MaskView* given);
  // Bytes of one memorised frame of one object.
  std::size_t slot_bytes(const FrameGeometry& g) const;

 private:
  void memorize_last();
  Tensor segment(const Frame& frame);
  void predict(Frame& frame);
  void apply_given(Frame& frame);
};

}  // namespace munet

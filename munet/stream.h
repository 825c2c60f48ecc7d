// What a segmenter keeps of its video: the last frame, the memory bank, and how a frame is pushed.
// Read after segmenter.h (what it promises), memory_bank.h and model.h.
#pragma once

#include <deque>
#include <optional>
#include <set>

#include "munet/frame.h"
#include "munet/memory_bank.h"
#include "munet/model.h"
#include "munet/segmenter.h"
#include "tensor/precision.h"
#include "tensor/replay.h"

namespace munet {

struct UnknownObject : Error {  // no object has this id
  using Error::Error;
};

// A frozen model. The network's functions only read it, so any number of threads may call them.
struct Weights::Model {
  std::unique_ptr<MUNet> net;
  std::size_t bytes = 0;
  std::string fingerprint;  // of keys and weights, before packing
  Device device;
  Precision precision = Precision::f32;
  DType storage() const { return storage_type(precision); }  // of maps, weights and memory
};

// What one frame leaves behind: its result, and what the next frame needs of it.
struct Frame {
  FrameGeometry geometry;
  int64_t index = 0;
  Tensor x;              // prepared; like all maps on the weights' device and of their storage type
  QueryFeatures query;   // once the frame is segmented, of it only the motion
  std::vector<int> ids;  // the objects, ascending; channel k+1 of P is ids[k]
  std::set<int> named;   // of them, those whose mask was given with this frame
  Tensor probability;    // P [1, height, width, n+1] at working size, channel 0 the background; f32
  Tensor masks;          // [n, padded_height, padded_width]: what is to be memorised; f32
  std::vector<uint8_t> given;  // ids at input size, empty if no mask came with the frame
  // What MULayer::match measured since the frame before, if it did, and the ids and masks that that
  // frame had.
  Tensor matched;
  std::vector<int> ids_before;
  Tensor masks_before;
  // An object's of the latter, [1, padded_height, padded_width]; undefined if it had none.
  Tensor mask_before(int id) const;
};

struct Segmenter::State {
  SegmenterOptions options;
  std::shared_ptr<Weights::Model> weights;
  MemoryBank bank;
  int top_k = 0;
  int64_t frames = 0;  // pushed
  int64_t next = 0;    // number of the next frame in its video
  bool jump = false;   // and that it is no neighbour of the last
  std::optional<Frame> last;
  std::deque<Frame> announced;  // geometry, x and query
  std::function<bool(double)> progress;
  Replay replay;  // what the network does to a frame, on a GPU

  MUNet& net() const { return *weights->net; }
  // Pushes a frame; nothing has changed if it throws (but that the last frame is memorised).
  void step(const FrameView& view, const MaskView* given);
  void announce(const std::vector<FrameView>& views);
  void step_announced(const MaskView* given);
  // Bytes of one memorised frame of one object.
  std::size_t slot_bytes(const FrameGeometry& g) const;
  // A prepared frame where and as the network wants it.
  Tensor on_device(const Tensor& x) const;
  QueryFeatures encode(const Tensor& x);  // of t frames
  // Of one of the last frame's objects, 0 for the first; UnknownObject if it is none.
  std::size_t position(int id) const;

 private:
  FrameGeometry geometry_of(const FrameView& view) const;
  Tensor picture(const FrameView& view, const FrameGeometry& g) const;  // prepared, on the device
  void take_mask(Frame& frame, const MaskView* given) const;
  void finish(Frame frame);
  void memorize_last();
  Tensors segment_inputs(const Frame& frame) const;
  Tensor segment(const Tensors& inputs, Tensor& matched) const;
  void predict(Frame& frame);
  void apply_given(Frame& frame);
  void keep_one_piece(Frame& frame) const;
  void report(double done) const;  // to the progress function; throws Cancelled
};

}  // namespace munet

// Segmenter: push one frame, get its masks. All that an embedding application sees; C++17-clean,
// no type of the engine or of a third party behind it. The same for C and other languages: munet.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#pragma GCC visibility push(default)

namespace munet {

// How the 8-bit pixels of a frame lie in memory. rgb, bgr: 3 bytes a pixel; rgba, bgra: 4, the last
// is not looked at. nv12: a plane of luma, then one of U and V in turn for each 2x2 pixels, in
// video range (16..235), of BT.601 (most cameras); nv12_709: of BT.709 (HD video).
enum class PixelFormat { rgb, bgr, rgba, bgra, nv12, nv12_709 };

// A picture. Not owned; read only during the call.
struct FrameView {
  const unsigned char* pixels = nullptr;  // the uppermost row; of luma for nv12
  int width = 0;                          // pixels
  int height = 0;                         // pixels
  std::ptrdiff_t stride = 0;  // bytes to the next row; 0: rows follow each other; may be negative
  PixelFormat format = PixelFormat::rgb;  // of the pixels
  const unsigned char* chroma = nullptr;  // nv12: the rows of U and V; null: right behind the luma
  std::ptrdiff_t chroma_stride = 0;       // bytes; 0: the luma's
};

// One id per pixel: 0 nothing, 1..254 an object, 255 void (read as 0). The frame's size.
struct MaskView {
  const unsigned char* ids = nullptr;  // the uppermost row
  int width = 0;                       // pixels
  int height = 0;                      // pixels
  std::ptrdiff_t stride = 0;           // as a frame's
};

// How a segmenter works.
struct SegmenterOptions {
  std::string device = "cpu";     // these two: those of the weights where weights are given
  std::string precision = "f32";  // f32; cuda: also tf32, bf16, f16
  int shorter_side = 480;         // larger frames are reduced to it; 0: never
  bool enlarge = false;           // smaller frames are enlarged to it: for small objects
  std::size_t memory_budget = std::size_t{1} << 30;  // bytes of keys and values, all objects
  std::string memory = "stm";                        // stm | fifo
  int every = 5;                                     // stm: every how many frames one is kept
  int last = 5;                                      // fifo: how many frames are kept
  int top_k = -1;       // memory positions per read; 0 all, -1 the model's own
  bool motion = true;   // false: none is measured, as in a model whose key motion is none
  double nearness = 1;  // 0..10: how much nearness counts in the memory, by the model's own measure
  bool one_piece = false;  // true: an object is one area; what is apart from it is dropped
};

// What a segmenter holds.
struct MemoryReport {
  // One object and what is remembered of it.
  struct Object {
    int id;               // 1..254
    std::int64_t frames;  // memorised
    std::size_t bytes;    // of these
  };
  std::vector<Object> objects;  // ids ascending
  std::size_t bytes = 0;        // of what is remembered
  std::size_t budget = 0;       // its limit
  std::size_t weights = 0;      // bytes, once for all segmenters that share them
};

// How far a mask can be trusted: score 0..1, and what it is made of (munet/trust.h).
struct Trust {
  double score = 1;      // 0 wrong .. 1 right
  double certainty = 1;  // of the soft mask
  double agreement = 1;  // with the mask before, moved by the measured motion
  double matching = 1;   // similarity of the object's pixels with where they came from, -1..1
};

// What step() throws when the progress function asked it to stop.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("segmenter: cancelled by the progress function") {}
};

// A checkpoint, read once and packed for the kernels once. Copies share it, and so do all
// segmenters made from it, in any number of threads; it goes with the last of them.
class Weights {
 public:
  // FileError if the checkpoint is absent, damaged or of another model. For a device (cpu, cuda,
  // cuda:n) and precision (f32; on a GPU also tf32, bf16, f16); DeviceError if it is not there.
  explicit Weights(const std::string& checkpoint, const std::string& device = "cpu",
                   const std::string& precision = "f32");
  std::size_t bytes() const;  // of the packed weights

 private:
  friend class Segmenter;
  struct [[gnu::visibility("hidden")]] Model;
  std::shared_ptr<Model> model_;
};

// Errors are exceptions derived from munet::Error (a std::runtime_error) that say what was expected
// and what was found; a step that throws leaves the segmenter as it was before the call.
// One segmenter is used by one thread at a time; different ones need no care, also if they share
// weights: the results are the same bits as alone.
class Segmenter {
 public:
  // One that has seen no frame. Error on an option that is not known or outside its range.
  explicit Segmenter(const Weights& weights, SegmenterOptions options = {});
  // The same, with weights of its own. FileError as Weights.
  explicit Segmenter(const std::string& checkpoint, SegmenterOptions options = {});
  ~Segmenter();
  Segmenter(Segmenter&&) noexcept;             // the moved one may only be destroyed or assigned to
  Segmenter& operator=(Segmenter&&) noexcept;  // as above

  // Pushes the next frame. A mask may come with any frame: the objects it names start (or are set
  // right) there, for good in memory; other objects keep their prediction where the mask is 0. All
  // frames have one size, until reset(). Before the first mask there is nothing to find.
  void step(FrameView frame, const MaskView* given = nullptr);

  // The next frames of the video, ahead of their turn, in order: what the network does to a frame
  // alone is done for all of them at once, which fills a GPU better than one by one. Each then gets
  // its turn by step_announced(), and all that is said of step() holds; step() itself is an Error
  // until then. They are not part of save(); reset() and load() forget them.
  void announce(const std::vector<FrameView>& frames);
  void step_announced(const MaskView* given = nullptr);  // Error if none is left
  std::size_t announced() const;                         // how many are left

  // Called during step() with the share of it that is done, rising in 0..1, some five times a
  // frame and, on a CPU, once per object. If it returns false, step() throws Cancelled. It must not
  // use this segmenter. Null: none.
  void on_progress(std::function<bool(double)> progress);

  // The next frame pushed is number `frame` of the video, anywhere in it, and not the neighbour of
  // the last: no motion is measured between them, objects and memory stay, and which frames
  // are kept goes on by their numbers. Without seek() a frame's number is the one before plus 1.
  // Error if negative.
  void seek(std::int64_t frame);

  // The id of the most probable object for each pixel of the last frame, at its own size; 0: none.
  // Error before the first step.
  std::vector<unsigned char> labels() const;

  // The soft mask of one object in the last frame, 0..1. Error before the first step or on an
  // unknown object.
  std::vector<float> probability(int id) const;

  // Of an object in the last frame: 1 where its mask was given, 0 where it is nowhere. Low where a
  // look, and perhaps a mask, is worth it. Errors as probability().
  Trust trust(int id) const;

  // Replaces what will be memorised of the last frame for an object: a soft mask of the frame's
  // size, 0..1, for example after a refinement of your own.
  void correct(int id, const std::vector<float>& probability);

  std::vector<int> objects() const;  // ids, ascending
  void remove(int id);               // forgets an object; Error if unknown
  void reset();                      // forgets all objects and frames; weights and options stay
  std::int64_t frames() const;       // pushed since the start or reset()
  int width() const;                 // of the last frame, pixels; 0 before the first
  int height() const;                // likewise
  MemoryReport memory() const;       // bytes and frames, per object and over all

  // Everything but the weights and the options, with a note of the caller's: a segmenter of the
  // same weights and options that loads the file goes on exactly as this one would. FileError
  // (path, reason) if it cannot be written.
  void save(const std::string& path, const std::string& note = "") const;

  // Back from such a file; returns the note. FileError (path, reason) if it cannot be read, is not
  // such a file, or comes from other weights or another working size; then nothing has changed.
  std::string load(const std::string& path);

  // CPU threads that work on one step, the caller included, at most; at first the cores this
  // process may run on. They are one pool for the process: of steps that run at the same time one
  // gets the pool, the others work alone. Not during a step. Error outside 1..256.
  static void set_threads(int threads);
  static int threads();  // as set

 private:
  struct [[gnu::visibility("hidden")]] State;
  std::unique_ptr<State> state_;
};

}  // namespace munet

#pragma GCC visibility pop

// Segmenter: push one frame, get its masks. All that an embedding application sees; C++17-clean,
// no type of the engine or of a third party behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace munet {

// 8-bit RGB, interleaved; rows `stride` bytes apart. Not owned; read only during the call.
struct FrameView {
  const unsigned char* rgb = nullptr;
  int width = 0, height = 0;  // pixels
  std::ptrdiff_t stride = 0;  // bytes; 0: rows follow each other
};

// One id per pixel: 0 nothing, 1..254 an object, 255 void (read as 0). The frame's size.
struct MaskView {
  const unsigned char* ids = nullptr;
  int width = 0, height = 0;
  std::ptrdiff_t stride = 0;
};

struct SegmenterOptions {
  std::string device = "cpu";
  std::string precision = "f32";
  int shorter_side = 480;                            // larger frames are reduced to it; 0: never
  std::size_t memory_budget = std::size_t{1} << 30;  // bytes of keys and values, all objects
  std::string memory = "stm";                        // stm | fifo
  int every = 5;                                     // stm: every how many frames one is kept
  int last = 5;                                      // fifo: how many frames are kept
  int top_k = -1;  // memory positions per read; 0 all, -1 the model's own
};

struct MemoryReport {
  struct Object {
    int id;
    std::int64_t frames;  // memorised
    std::size_t bytes;
  };
  std::vector<Object> objects;
  std::size_t bytes = 0, budget = 0;
};

// Errors are exceptions derived from munet::Error (a std::runtime_error) that say what was expected
// and what was found; a step that throws leaves the segmenter as it was before the call.
// One segmenter is used by one thread at a time.
class Segmenter {
 public:
  // FileError if the checkpoint is absent, damaged or of another model.
  explicit Segmenter(const std::string& checkpoint, SegmenterOptions options = {});
  ~Segmenter();
  Segmenter(Segmenter&&) noexcept;
  Segmenter& operator=(Segmenter&&) noexcept;

  // Pushes the next frame. A mask may come with any frame: the objects it names start (or are set
  // right) there, for good in memory; other objects keep their prediction where the mask is 0. All
  // frames have one size, until reset(). Before the first mask there is nothing to find.
  void step(FrameView frame, const MaskView* given = nullptr);

  // Of the last frame, at its own size: the id of the most probable object per pixel (0: none), and
  // the soft mask of one object, 0..1. Error before the first step or on an unknown object.
  std::vector<unsigned char> labels() const;
  std::vector<float> probability(int id) const;

  // Replaces what will be memorised of the last frame for an object: a soft mask of the frame's
  // size, 0..1, for example after a refinement of your own.
  void correct(int id, const std::vector<float>& probability);

  std::vector<int> objects() const;  // ids, ascending
  void remove(int id);               // forgets an object; Error if unknown
  void reset();                      // forgets all objects and frames; the model stays
  std::int64_t frames() const;       // pushed since the start or reset()
  MemoryReport memory() const;

  // Everything but the model and the options, with a note of the caller's: a segmenter of the same
  // checkpoint and options that loads the file goes on exactly as this one would. load() returns
  // the note. FileError (path, reason) if it cannot be written or read, or is not such a file.
  void save(const std::string& path, const std::string& note = "") const;
  std::string load(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace munet

// Replay: the work of a function of tensors, recorded once on a GPU and queued again as a whole
// (one CUDA graph). On the CPU it is the function's call.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "tensor/tensor.h"

namespace munet {

class Replay {
 public:
  using Function = std::function<Tensors(const Tensors&)>;

  // At most `kept` recordings, those used last. Each holds the memory of its inputs, its results
  // and all that lies between.
  explicit Replay(std::size_t kept = 6) : kept_(kept) {}
  ~Replay() { forget(); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // f(inputs). `what` and the inputs' types and shapes must decide all that f does: which kernels
  // run, on what but the inputs and on memory that outlives this object. On a GPU the first such
  // call runs f, the second records it, and later ones copy their inputs to where the recorded ones
  // lay and queue the recording. Results then lie in the recording's memory and are overwritten by
  // the next call: keep() those that are needed longer. f runs as it is where it cannot be recorded
  // (it copies to or from the CPU, or memory is short). What was done is tallied (tally.h): "replay
  // WHAT: recorded", ": replayed", ": run as it is", ": not recorded: REASON".
  Tensors operator()(const std::string& what, const Tensors& inputs, const Function& f);

  // x, or its copy if it lies in a recording's memory.
  static Tensor keep(const Tensor& x);

  void forget();  // all recordings
  std::size_t recordings() const;

 private:
  struct Recording {
    std::string key;
    void* work = nullptr;  // the device's; null: f runs as it is (never recorded, or it failed)
    bool refused = false;
    Device device;
    Tensors inputs = {}, results = {};
  };
  Tensors record(Recording& r, const std::string& what, const Tensors& inputs, const Function& f);
  static void drop(Recording& r);

  std::size_t kept_;
  std::list<Recording> recordings_;  // the last used first
};

}  // namespace munet

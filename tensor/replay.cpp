#include "tensor/replay.h"

#include "tensor/arena.h"
#include "tensor/precision.h"
#include "tensor/tally.h"

namespace munet {
namespace {

std::string key_of(const std::string& what, const Tensors& inputs) {
  std::string key = str(what, fast_matmul() ? ", tf32" : "");
  for (const Tensor& x : inputs)
    key += x ? str(' ', munet::name(x.dtype()), x.shape()) : std::string(" none");
  return key;
}

// Of the first input there is.
Device device_of(const Tensors& inputs) {
  for (const Tensor& x : inputs)
    if (x) return x.device();
  return {};
}

void copy_inputs(const Tensors& from, const Tensors& to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i] && from[i].raw() != to[i].raw())
      copy_bytes(to[i].raw(), to[i].device(), from[i].raw(), from[i].device(),
                 std::size_t(to[i].bytes()));
}

}  // namespace

Tensors Replay::operator()(const std::string& what, const Tensors& inputs, const Function& f) {
  const Device device = device_of(inputs);
  if (device.kind == Device::cpu) return f(inputs);
  const std::string key = key_of(what, inputs);
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const Recording& r) { return r.key == key; });
  if (found != recordings_.end()) {
    recordings_.splice(recordings_.begin(), recordings_, found);
    Recording& r = recordings_.front();
    if (!r.work && !r.refused) return record(r, what, inputs, f);
    if (r.work) {
      copy_inputs(inputs, r.inputs);
      cuda_backend().replay(device, r.work);
      tally(str("replay ", what, ": replayed"));
      return r.results;
    }
  } else {
    recordings_.push_front({.key = key, .device = device});
    while (recordings_.size() > kept_) {
      drop(recordings_.back());
      recordings_.pop_back();
    }
  }
  tally(str("replay ", what, ": run as it is"));
  try {
    return f(inputs);
  } catch (const OutOfMemory&) {  // recordings hold memory: without them it may be enough
    if (recordings() == 0) throw;
    forget();
    return f(inputs);
  }
}

// The memory that f takes belongs to an arena, which is there as long as a tensor lies in it. What
// was queued before may still read the inputs; it is done before the copies are made.
Tensors Replay::record(Recording& r, const std::string& what, const Tensors& inputs,
                       const Function& f) {
  const Backend& backend = cuda_backend();
  const auto run_as_it_is = [&](const std::string& reason) {
    r.refused = true;
    tally(str("replay ", what, ": not recorded: ", reason));
    return f(inputs);
  };
  try {
    const auto arena = std::make_shared<Arena>(r.device);
    {
      const Arena::Use use(arena);
      for (const Tensor& x : inputs)
        r.inputs.push_back(x ? Tensor::empty(x.shape(), x.dtype(), x.device()) : Tensor());
      copy_inputs(inputs, r.inputs);
      backend.begin_recording(r.device);
      try {
        r.results = f(r.inputs);
      } catch (...) {
        backend.end_recording(r.device, false);
        throw;
      }
      r.work = backend.end_recording(r.device, true);
    }
    backend.replay(r.device, r.work);
    tally(str("replay ", what, ": recorded"));
    return r.results;
  } catch (const NotRecordable& e) {
    drop(r);
    return run_as_it_is(e.what());
  } catch (const OutOfMemory&) {
    forget();  // r too: the next call may try again
    tally(str("replay ", what, ": not recorded: out of memory"));
    return f(inputs);
  } catch (...) {
    drop(r);
    throw;
  }
}

Tensor Replay::keep(const Tensor& x) { return x && x.in_arena() ? x.clone() : x; }

void Replay::drop(Recording& r) {
  if (r.work) cuda_backend().forget_recording(r.device, r.work);
  r.work = nullptr;
  r.inputs.clear();
  r.results.clear();
}

void Replay::forget() {
  for (Recording& r : recordings_) drop(r);
  recordings_.clear();
}

std::size_t Replay::recordings() const {
  return std::size_t(std::count_if(recordings_.begin(), recordings_.end(),
                                   [](const Recording& r) { return r.work != nullptr; }));
}

}  // namespace munet

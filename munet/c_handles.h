// Under the C functions: handles, and exceptions turned into a status. Private to c_api.cpp.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "munet/munet.h"
#include "munet/stream.h"
#include "tensor/error.h"

namespace munet::c_api {

struct ApiError : Error {  // what only this layer can find wrong
  ApiError(munet_status s, const std::string& text) : Error(text), status(s) {}
  munet_status status;
};

inline void require(bool ok, const char* what) {
  if (!ok) throw ApiError(MUNET_ERROR_ARGUMENT, str(what, ": expected a pointer; given null"));
}

inline thread_local char last_error[4096] = "";

inline munet_status failed(munet_status status, const char* text) {
  std::strncpy(last_error, text, sizeof last_error - 1);
  return status;
}

template <class F>
munet_status guarded(F&& f) noexcept {
  try {
    f();
    return MUNET_OK;
  } catch (const ApiError& e) {
    return failed(e.status, e.what());
  } catch (const Cancelled& e) {
    return failed(MUNET_CANCELLED, e.what());
  } catch (const ShapeError& e) {
    return failed(MUNET_ERROR_SIZE, e.what());
  } catch (const UnknownObject& e) {
    return failed(MUNET_ERROR_OBJECT, e.what());
  } catch (const FileError& e) {
    return failed(MUNET_ERROR_FILE, e.what());
  } catch (const BudgetError& e) {
    return failed(MUNET_ERROR_BUDGET, e.what());
  } catch (const DeviceError& e) {
    return failed(MUNET_ERROR_DEVICE, e.what());
  } catch (const Error& e) {
    return failed(MUNET_ERROR_ARGUMENT, e.what());
  } catch (const std::bad_alloc&) {
    return failed(MUNET_ERROR_MEMORY, "the system has no more memory");
  } catch (const std::exception& e) {
    return failed(MUNET_ERROR_INTERNAL, e.what());
  } catch (...) {
    return failed(MUNET_ERROR_INTERNAL, "an exception of unknown type");
  }
}

inline std::atomic<uintptr_t> handles_made{0};  // of all kinds: one is no handle of another

// Handles are numbers, never used twice, so that a stale one is told from a live one, and never
// pointers, so that nothing wrong is ever read.
template <class Handle, class Object>
class Handles {
 public:
  explicit Handles(const char* name) : name_(name) {}

  Handle* add(std::shared_ptr<Object> object) {
    const uintptr_t number = ++handles_made;
    std::lock_guard lock(mutex_);
    objects_[number] = std::move(object);
    return reinterpret_cast<Handle*>(number);
  }
  std::shared_ptr<Object> find(const Handle* handle) {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end())
      throw ApiError(MUNET_ERROR_HANDLE,
                     str(name_, ": expected a live handle; given ",
                         handle ? "one that was destroyed or never made" : "null"));
    return found->second;
  }
  void remove(const Handle* handle) {
    std::lock_guard lock(mutex_);
    objects_.erase(reinterpret_cast<uintptr_t>(handle));
  }

 private:
  const char* name_;
  std::mutex mutex_;
  std::map<uintptr_t, std::shared_ptr<Object>> objects_;
};

struct Video {
  Video(const Weights& weights, SegmenterOptions options)
      : segmenter(weights, std::move(options)) {}
  Segmenter segmenter;
  std::atomic<bool> busy{false};
};

// Never destroyed: threads may still call while the process ends.
inline auto& all_weights() {
  static auto* handles = new Handles<munet_weights, Weights>("weights");
  return *handles;
}
inline auto& all_videos() {
  static auto* handles = new Handles<munet_segmenter, Video>("segmenter");
  return *handles;
}

// A segmenter for the time of one call; keeps it alive and others out.
class Use {
 public:
  explicit Use(const munet_segmenter* handle) : video_(all_videos().find(handle)) {
    if (video_->busy.exchange(true))
      throw ApiError(MUNET_ERROR_BUSY, "segmenter: expected an idle one; this one is at work");
  }
  ~Use() { video_->busy = false; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  Segmenter* operator->() const { return &video_->segmenter; }

 private:
  std::shared_ptr<Video> video_;
};

}  // namespace munet::c_api

// Exceptions and the one function that throws them. Every message has the form
// "op: what was expected; what was given (shapes); a hint", and is tested.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace munet {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ShapeError : Error {  // sizes do not fit together
  using Error::Error;
};
struct DTypeError : Error {  // element type not accepted here
  using Error::Error;
};
struct DeviceError : Error {  // wrong, missing or unsupported device
  using Error::Error;
};
struct CudaError : Error {  // a call of CUDA failed: what was called, where, and what it said
  using Error::Error;
};
struct OutOfMemory : DeviceError {  // of a GPU; nothing is broken, the caller may go on with less
  using DeviceError::DeviceError;
};
struct NotRecordable : DeviceError {  // work that cannot be queued again (replay.h)
  using DeviceError::DeviceError;
};
struct FileError : Error {  // reading or writing; the message always holds the path
  using Error::Error;
};

// Joins its arguments with operator<< into one string.
template <class... Part>
std::string str(const Part&... part) {
  std::ostringstream out;
  (out << ... << part);
  return out.str();
}

// Throws E(str(part...)) unless ok. Called at public functions; kernels assume.
template <class E = Error, class... Part>
void check(bool ok, const Part&... part) {
  if (!ok) throw E(str(part...));
}

}  // namespace munet

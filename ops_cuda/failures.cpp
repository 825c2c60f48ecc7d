#include "ops_cuda/failures.h"

#include <cstdio>
#include <sstream>

#include "tensor/error.h"

namespace munet::cuda {
namespace {

std::string bytes_text(std::size_t bytes) {
  char text[32];
  const double mib = double(bytes) / (1 << 20);
  if (mib >= 1024)
    std::snprintf(text, sizeof(text), "%.2f GiB", mib / 1024);
  else
    std::snprintf(text, sizeof(text), "%.1f MiB", mib);
  return text;
}

std::string version(int capability) { return str(capability / 10, '.', capability % 10); }

}  // namespace

std::string no_device_text(const std::string& reason) {
  return "Device::cuda: no usable device: " + reason;
}

bool covers(const std::string& architectures, int capability) {
  std::istringstream list(architectures);
  for (std::string entry; std::getline(list, entry, ',');) {
    if (entry.rfind("native", 0) == 0 || entry.rfind("all", 0) == 0) return true;
    const int version = std::atoi(entry.c_str());
    const bool code = entry.find("-virtual") == std::string::npos;
    const bool ptx = entry.find("-real") == std::string::npos;
    if (code && version / 10 == capability / 10 && version <= capability) return true;
    if (ptx && version <= capability) return true;
  }
  return false;
}

std::string unsupported_text(const std::string& card, int capability,
                             const std::string& architectures) {
  std::string known;
  std::istringstream list(architectures);
  for (std::string entry; std::getline(list, entry, ',');)
    known += (known.empty() ? "" : ", ") + version(std::atoi(entry.c_str()));
  return str("Device::cuda: ", card, " has compute capability ", version(capability),
             ", but this build has code for ", known,
             capability < 75 ? "; nvcc 13 makes none before 7.5"
                             : str("; configure with -DCMAKE_CUDA_ARCHITECTURES=", capability));
}

std::string out_of_memory_text(Device device, std::size_t asked, std::size_t used,
                               std::size_t free) {
  return str(
      device, ": out of memory: ", bytes_text(asked), " asked, ", bytes_text(used),
      " used by tensors, ", bytes_text(free),
      " free; lower the frame size, the number of objects or frames in memory, when training "
      "the clip's frames or crop, or compute in f16 or bf16");
}

std::string lost_text(Device device, const std::string& reason, const std::string& where) {
  return str(device, ": the device is lost: ", reason, " (seen at ", where,
             "); nothing can be computed on it any more by this process, start it again");
}

std::string other_device_text(Device used, Device given) {
  return str("Device::cuda: this process computes on ", used, "; given ", given,
             " (one card per process)");
}

}  // namespace munet::cuda

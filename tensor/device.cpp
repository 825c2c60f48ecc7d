#include "tensor/device.h"

#include <cstdlib>

#include "tensor/error.h"

namespace munet {

std::ostream& operator<<(std::ostream& out, Device device) {
  return device.kind == Device::cpu ? out << "cpu" : out << "cuda:" << device.index;
}

Device parse_device(const std::string& text) {
  if (text == "cpu") return {};
  if (text == "cuda") return {Device::cuda, 0};
  const bool indexed = text.rfind("cuda:", 0) == 0 && text.size() > 5 && text.size() < 8 &&
                       text.find_first_not_of("0123456789", 5) == std::string::npos;
  check<DeviceError>(indexed, "device: expected cpu, cuda or cuda:<number>; given '", text, "'");
  return {Device::cuda, std::atoi(text.c_str() + 5)};
}

}  // namespace munet

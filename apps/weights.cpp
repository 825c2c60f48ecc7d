// The places, in order.
#include "apps/weights.h"

#include <cstdlib>
#include <filesystem>

#include "tensor/error.h"

std::string find_weights(const std::string& named) {
  namespace fs = std::filesystem;
  if (!named.empty()) return named;
  if (const char* variable = std::getenv("MUNET_WEIGHTS"); variable && *variable) return variable;
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  const fs::path installed = program.parent_path() / "../share/munet/munet18.safetensors";
  const fs::path source = fs::path(MUNET_WEIGHTS_DIR) / "munet18.safetensors";
  for (const fs::path& path : {installed, source})
    if (fs::exists(path, unknown)) return path.lexically_normal().string();
  throw munet::FileError(
      munet::str("weights: expected ", installed.lexically_normal().string(), " or ",
                 source.string(), "; found neither; name a file with --weights or $MUNET_WEIGHTS"));
}

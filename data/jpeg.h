// JPEG files by libjpeg-turbo.
#pragma once

#include <filesystem>
#include <vector>

#include "data/image.h"

namespace munet {

// bytes: a JPEG file; path: for messages only. Contract and errors of read_image (image.h). A file
// that ends early or whose compressed data is damaged is an error, not a grey rest.
Image decode_jpeg(const std::vector<uint8_t>& bytes, const std::filesystem::path& path);

}  // namespace munet

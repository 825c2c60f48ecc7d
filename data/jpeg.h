// JPEG files by libjpeg-turbo.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/image.h"

namespace munet {

// bytes: a JPEG file; path: for messages only. Contract and errors of read_image (image.h). A file
// that ends early or whose compressed data is damaged is an error, not a grey rest.
Image decode_jpeg(std::span<const uint8_t> bytes, const std::filesystem::path& path);

// The same, but as much smaller as the decoder can do for free (half, a quarter, an eighth) while
// at least `scale` (0..1) of both sides is left, and with plain instead of smoothed chroma.
ScaledImage decode_jpeg_scaled(std::span<const uint8_t> bytes, const std::filesystem::path& path,
                               double scale);

// A baseline JPEG with chroma at half size. quality 1..100, as libjpeg has it.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);

}  // namespace munet

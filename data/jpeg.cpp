// libjpeg reports by longjmp, so everything with a destructor lives outside of decode().
#include "data/jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it

#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tensor/error.h"

namespace munet {
namespace {

struct Decoder {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
  int orientation = 1;  // EXIF's code: 1 as stored .. 8

  Decoder();
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
  bool open(std::span<const uint8_t> bytes);
  bool shrink(unsigned eighths);  // before decode: sets output_width and output_height
  bool decode(uint8_t* rgb);
};

[[noreturn]] void fail(j_common_ptr jpeg) {
  auto* decoder = static_cast<Decoder*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, decoder->message);
  std::longjmp(decoder->jump, 1);
}

// Warnings that mean lost pixels. The others (stray bytes between markers, which some cameras
// write, odd version numbers) leave the picture whole.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;  // a trace
  constexpr std::array kDamage{JWRN_BOGUS_PROGRESSION, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE,
                               JWRN_JPEG_EOF, JWRN_MUST_RESYNC};
  for (const int code : kDamage)
    if (jpeg->err->msg_code == code) fail(jpeg);
}

// The orientation from an APP1 marker: a TIFF header after "Exif\0\0", whose first directory has
// entries of 12 bytes; ours is tag 0x0112, one 16-bit number. 1 for whatever is not well formed.
int exif_orientation(const uint8_t* data, std::size_t size) {
  if (size < 14 || std::memcmp(data, "Exif\0", 6) != 0) return 1;
  data += 6, size -= 6;
  const bool little = data[0] == 'I';
  const auto number = [&](std::size_t at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value |= uint32_t(data[at + std::size_t(i)]) << (8 * (little ? i : bytes - 1 - i));
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > size - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries && directory + 2 + 12 * (i + 1) <= size; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (number(entry, 2) != 0x0112) continue;
    const uint32_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

Decoder::Decoder() {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = fail;
  errors.emit_message = on_message;
  jpeg.mem = nullptr;  // for the destructor, should creating fail
  jpeg.client_data = this;
}

bool Decoder::open(std::span<const uint8_t> bytes) {
  if (setjmp(jump)) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  for (jpeg_saved_marker_ptr m = jpeg.marker_list; m && orientation == 1; m = m->next)
    orientation = exif_orientation(m->data, m->data_length);
  return true;
}

bool Decoder::shrink(unsigned eighths) {
  if (setjmp(jump)) return false;
  jpeg.scale_num = eighths;
  jpeg.scale_denom = 8;
  jpeg_calc_output_dimensions(&jpeg);
  return true;
}

bool Decoder::decode(uint8_t* rgb) {
  if (setjmp(jump)) return false;
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = rgb + std::size_t(jpeg.output_scanline) * jpeg.output_width * 3;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

struct Encoder {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
  unsigned char* bytes = nullptr;  // malloc'ed by libjpeg
  unsigned long size = 0;

  Encoder() {
    jpeg.err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr common) {
      auto* encoder = static_cast<Encoder*>(common->client_data);
      common->err->format_message(common, encoder->message);
      std::longjmp(encoder->jump, 1);
    };
    jpeg.mem = nullptr;
    jpeg.client_data = this;
  }
  ~Encoder() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
  bool encode(const Image& image, int quality);
};

bool Encoder::encode(const Image& image, int quality) {
  if (setjmp(jump)) return false;
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = JDIMENSION(image.width);
  jpeg.image_height = JDIMENSION(image.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg.optimize_coding = TRUE;
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPLE*>(image.rgb.data()) +
                std::size_t(jpeg.next_scanline) * std::size_t(image.width) * 3;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  return true;
}

// Codes 2..4 mirror or turn by half, 5..8 swap the axes as well. Output pixel (x, y) is the stored
// pixel of the same place, mirrored as the code says.
Image turn(const Image& stored, int orientation) {
  const bool swap = orientation >= 5;
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{swap ? stored.height : stored.width, swap ? stored.width : stored.height, {}};
  out.rgb.resize(stored.rgb.size());
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x, to += 3) {
      int column = swap ? y : x, row = swap ? x : y;
      if (mirror_x) column = stored.width - 1 - column;
      if (mirror_y) row = stored.height - 1 - row;
      std::memcpy(
          to, &stored.rgb[(std::size_t(row) * std::size_t(stored.width) + std::size_t(column)) * 3],
          3);
    }
  return out;
}

// How many eighths of each side the decoder is to make, as quick ones as there are.
unsigned eighths_for(double scale) {
  for (const unsigned eighths : {1u, 2u, 4u})
    if (eighths >= 8 * scale) return eighths;
  return 8;
}

}  // namespace

ScaledImage decode_jpeg_scaled(std::span<const uint8_t> bytes, const std::filesystem::path& path,
                               double scale) {
  Decoder decoder;
  const auto damaged = [&] {
    throw FileError(str("read_image: ", path.string(), ": expected a whole JPEG; found \"",
                        decoder.message, "\"; the file is truncated or damaged"));
  };
  if (!decoder.open(bytes)) damaged();
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  check_picture_size("read_image", path, jpeg.image_width, jpeg.image_height);
  check<FileError>(
      jpeg.jpeg_color_space != JCS_CMYK && jpeg.jpeg_color_space != JCS_YCCK,
      "read_image: ", path.string(),
      ": expected an RGB or grey JPEG; found a CMYK one (for print); convert it to RGB");
  const unsigned eighths = eighths_for(scale);
  if (scale < 1) jpeg.do_fancy_upsampling = FALSE;
  if (!decoder.shrink(eighths)) damaged();
  ScaledImage out{{int(jpeg.output_width), int(jpeg.output_height), {}},
                  int(jpeg.image_width),
                  int(jpeg.image_height)};
  out.image.rgb.resize(std::size_t(out.image.width) * std::size_t(out.image.height) * 3);
  if (!decoder.decode(out.image.rgb.data())) damaged();
  if (decoder.orientation == 1) return out;
  if (decoder.orientation >= 5) std::swap(out.width, out.height);
  out.image = turn(out.image, decoder.orientation);
  return out;
}

Image decode_jpeg(std::span<const uint8_t> bytes, const std::filesystem::path& path) {
  return decode_jpeg_scaled(bytes, path, 1).image;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  check<ShapeError>(
      image.width > 0 && image.height > 0 && image.width <= kMaxSide && image.height <= kMaxSide &&
          image.rgb.size() == std::size_t(image.width) * std::size_t(image.height) * 3,
      "encode_jpeg: expected ", image.width, "x", image.height, " RGB pixels; given ",
      image.rgb.size(), " bytes");
  Encoder encoder;
  check(encoder.encode(image, quality), "encode_jpeg: ", encoder.message);
  std::vector<uint8_t> bytes(encoder.bytes, encoder.bytes + encoder.size);
  return bytes;
}

}  // namespace munet

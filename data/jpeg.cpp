// libjpeg reports by longjmp, so everything with a destructor lives outside of decode().
#include "data/jpeg.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it

#include <jerror.h>
#include <jpeglib.h>

#include <array>
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
  bool open(const std::vector<uint8_t>& bytes);
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

bool Decoder::open(const std::vector<uint8_t>& bytes) {
  if (setjmp(jump)) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  for (jpeg_saved_marker_ptr m = jpeg.marker_list; m && orientation == 1; m = m->next)
    orientation = exif_orientation(m->data, m->data_length);
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

}  // namespace

Image decode_jpeg(const std::vector<uint8_t>& bytes, const std::filesystem::path& path) {
  Decoder decoder;
  const auto damaged = [&] {
    throw FileError(str("read_image: ", path.string(), ": expected a whole JPEG; found \"",
                        decoder.message, "\"; the file is truncated or damaged"));
  };
  if (!decoder.open(bytes)) damaged();
  const jpeg_decompress_struct& jpeg = decoder.jpeg;
  check_picture_size("read_image", path, jpeg.image_width, jpeg.image_height);
  check<FileError>(
      jpeg.jpeg_color_space != JCS_CMYK && jpeg.jpeg_color_space != JCS_YCCK,
      "read_image: ", path.string(),
      ": expected an RGB or grey JPEG; found a CMYK one (for print); convert it to RGB");
  Image image{int(jpeg.image_width), int(jpeg.image_height), {}};
  image.rgb.resize(std::size_t(image.width) * std::size_t(image.height) * 3);
  if (!decoder.decode(image.rgb.data())) damaged();
  return decoder.orientation == 1 ? image : turn(image, decoder.orientation);
}

}  // namespace munet

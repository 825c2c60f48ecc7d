// libpng reports by longjmp, so whatever has a destructor lives outside of the functions that call
// setjmp.
#include "data/png.h"

#include <png.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "tensor/error.h"

namespace munet {
namespace {

// One file in memory, being read or written, and libpng's last words.
struct Stream {
  png_structp png = nullptr;
  png_infop info = nullptr;
  char message[160] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* stream = static_cast<Stream*>(png_get_error_ptr(png));
  std::snprintf(stream->message, sizeof stream->message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // about colour profiles and the like

enum class Want { samples, rgb, rgba };

struct Reader : Stream {
  const std::vector<uint8_t>& bytes;
  const std::filesystem::path& path;
  std::size_t at = 0;
  png_uint_32 width = 0, height = 0;
  int color = 0, depth = 0;

  Reader(const std::vector<uint8_t>& bytes, const std::filesystem::path& path)
      : bytes(bytes), path(path) {}
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  void open();
  bool read_header();
  bool read_pixels(Want want, std::vector<uint8_t>& pixels, std::vector<png_bytep>& rows);
  std::vector<uint8_t> pixels(Want want);
  [[noreturn]] void damaged() const {
    throw FileError(str("read_image: ", path.string(), ": expected a whole PNG; found \"", message,
                        "\"; the file is truncated or damaged"));
  }
};

void read_bytes(png_structp png, png_bytep to, std::size_t n) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (n > reader->bytes.size() - reader->at) png_error(png, "Premature end of PNG file");
  std::memcpy(to, reader->bytes.data() + reader->at, n);
  reader->at += n;
}

// Not in a constructor: what is made here is freed even if the file turns out to be damaged.
void Reader::open() {
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, static_cast<Stream*>(this), on_error,
                               on_warning);
  if (png) info = png_create_info_struct(png);
  if (!info) throw std::bad_alloc();
  png_set_read_fn(png, this, read_bytes);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);  // check_picture_size says it in clearer words
  if (!read_header()) damaged();
  check_picture_size("read_image", path, width, height);
}

bool Reader::read_header() {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_info(png, info);
  png_get_IHDR(png, info, &width, &height, &depth, &color, nullptr, nullptr, nullptr);
  return true;
}

bool Reader::read_pixels(Want want, std::vector<uint8_t>& pixels, std::vector<png_bytep>& rows) {
  if (setjmp(png_jmpbuf(png))) return false;
  if (want != Want::samples) {
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (!(color & PNG_COLOR_MASK_COLOR)) {
      if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
      png_set_gray_to_rgb(png);
    }
    if (depth == 16) png_set_scale_16(png);
  } else {
    png_set_check_for_invalid_index(png, -1);  // no palette is looked up: any number is an id
  }
  if (want == Want::rgba) {
    if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
  } else {
    png_set_strip_alpha(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const std::size_t row_bytes = png_get_rowbytes(png, info);
  pixels.resize(row_bytes * height);
  rows.resize(height);
  for (png_uint_32 y = 0; y < height; ++y) rows[y] = pixels.data() + y * row_bytes;
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  return true;
}

// One byte per sample from rows of 1, 2 or 4 bits each, the high ones first; whole bytes at a time,
// which libpng's own way does not.
std::vector<uint8_t> unpack(const std::vector<uint8_t>& rows, std::size_t width, std::size_t height,
                            int depth) {
  const std::size_t per_byte = std::size_t(8 / depth), row_bytes = rows.size() / height;
  uint8_t table[256][8] = {};
  for (int byte = 0; byte < 256; ++byte)
    for (std::size_t i = 0; i < per_byte; ++i)
      table[byte][i] = uint8_t(byte >> (8 - depth * int(i + 1)) & ((1 << depth) - 1));
  std::vector<uint8_t> samples(width * height + 8);  // whole table entries are copied
  uint8_t* to = samples.data();
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; x += per_byte) {
      std::memcpy(to, table[rows[y * row_bytes + x / per_byte]], 8);
      to += std::min(per_byte, width - x);
    }
  samples.resize(width * height);
  return samples;
}

std::vector<uint8_t> Reader::pixels(Want want) {
  std::vector<uint8_t> pixels;
  std::vector<png_bytep> rows;
  if (!read_pixels(want, pixels, rows)) damaged();
  return want == Want::samples && depth < 8 ? unpack(pixels, width, height, depth) : pixels;
}

struct Writer : Stream {
  std::vector<uint8_t> bytes;
  Writer();
  ~Writer() { png_destroy_write_struct(&png, &info); }
  bool write(int width, int height, const uint8_t* pixels, PngKind kind,
             const std::vector<uint8_t>& palette);
};

int bytes_per_pixel(PngKind kind) {
  switch (kind) {
    case PngKind::rgb:
      return 3;
    case PngKind::rgba:
      return 4;
    case PngKind::grey16:
      return 2;
    case PngKind::rgb16:
      return 6;
    default:
      return 1;
  }
}

void write_bytes(png_structp png, png_bytep from, std::size_t n) {
  auto* writer = static_cast<Writer*>(png_get_io_ptr(png));
  bool grown = true;
  try {
    writer->bytes.insert(writer->bytes.end(), from, from + n);
  } catch (const std::bad_alloc&) {
    grown = false;
  }
  if (!grown) png_error(png, "out of memory");  // not from a handler: it leaves by longjmp
}

Writer::Writer() {
  png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<Stream*>(this), on_error,
                                on_warning);
  if (png) info = png_create_info_struct(png);
  if (!info) throw std::bad_alloc();
  png_set_write_fn(png, this, write_bytes, nullptr);
}

bool Writer::write(int width, int height, const uint8_t* pixels, PngKind kind,
                   const std::vector<uint8_t>& palette) {
  if (setjmp(png_jmpbuf(png))) return false;
  const int color = kind == PngKind::rgb || kind == PngKind::rgb16 ? PNG_COLOR_TYPE_RGB
                    : kind == PngKind::rgba                        ? PNG_COLOR_TYPE_RGB_ALPHA
                    : kind == PngKind::palette                     ? PNG_COLOR_TYPE_PALETTE
                                                                   : PNG_COLOR_TYPE_GRAY;
  const bool wide = kind == PngKind::grey16 || kind == PngKind::rgb16;
  png_set_IHDR(png, info, png_uint_32(width), png_uint_32(height), wide ? 16 : 8, color,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_color colors[256];
  const int count = int(palette.size() / 3);
  for (int i = 0; i < count; ++i)
    colors[i] = {palette[std::size_t(i) * 3], palette[std::size_t(i) * 3 + 1],
                 palette[std::size_t(i) * 3 + 2]};
  if (count > 0) png_set_PLTE(png, info, colors, count);
  png_write_info(png, info);
  for (int y = 0; y < height; ++y)
    png_write_row(png, pixels + std::size_t(y) * std::size_t(width * bytes_per_pixel(kind)));
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

Image decode_png_rgb(const std::vector<uint8_t>& bytes, const std::filesystem::path& path) {
  Reader reader(bytes, path);
  reader.open();
  Image image{int(reader.width), int(reader.height), {}};
  image.rgb = reader.pixels(Want::rgb);
  return image;
}

bool is_rgb_png(const std::vector<uint8_t>& bytes) {
  // Behind the signature and IHDR's length and name: width, height, bit depth, colour type.
  return bytes.size() > 25 && bytes[24] == 8 &&
         (bytes[25] == PNG_COLOR_TYPE_RGB || bytes[25] == PNG_COLOR_TYPE_RGB_ALPHA);
}

PngColors decode_png_rgba(const std::vector<uint8_t>& bytes, const std::filesystem::path& path) {
  Reader reader(bytes, path);
  reader.open();
  PngColors image{int(reader.width), int(reader.height), {}};
  image.rgba = reader.pixels(Want::rgba);
  return image;
}

PngSamples decode_png_samples(const std::vector<uint8_t>& bytes,
                              const std::filesystem::path& path) {
  Reader reader(bytes, path);
  reader.open();
  const bool palette = reader.color == PNG_COLOR_TYPE_PALETTE;
  const bool rgb = !palette && (reader.color & PNG_COLOR_MASK_COLOR);
  check<FileError>(!rgb && reader.depth <= 8, "read_mask: ", path.string(),
                   ": expected a PNG with a palette or 8-bit grey, whose numbers are object ids; "
                   "found ",
                   reader.depth, "-bit ", rgb ? "RGB" : "grey",
                   "; save it with a palette (index 0 = background) or as 8-bit grey");
  const int white = palette ? 255 : (1 << reader.depth) - 1;
  PngSamples samples{int(reader.width), int(reader.height), white, {}, {}};
  png_colorp colors = nullptr;
  int count = 0;
  if (palette) png_get_PLTE(reader.png, reader.info, &colors, &count);
  for (int i = 0; i < count; ++i)
    samples.palette.insert(samples.palette.end(), {colors[i].red, colors[i].green, colors[i].blue});
  samples.values = reader.pixels(Want::samples);
  return samples;
}

std::vector<uint8_t> encode_png(int width, int height, const std::vector<uint8_t>& pixels,
                                const std::vector<uint8_t>& palette) {
  check<ShapeError>(palette.size() % 3 == 0 && palette.size() <= 768,
                    "encode_png: expected at most 256 RGB triples in the palette; given ",
                    palette.size(), " bytes");
  return encode_png(width, height, pixels, palette.empty() ? PngKind::rgb : PngKind::palette,
                    palette);
}

std::vector<uint8_t> encode_png(int width, int height, const std::vector<uint8_t>& pixels,
                                PngKind kind, const std::vector<uint8_t>& palette) {
  const std::size_t expected =
      std::size_t(width) * std::size_t(height) * std::size_t(bytes_per_pixel(kind));
  check<ShapeError>(width > 0 && height > 0 && pixels.size() == expected, "encode_png: expected ",
                    expected, " bytes for ", width, "x", height, "; given ", pixels.size());
  Writer writer;
  check(writer.write(width, height, pixels.data(), kind, palette), "encode_png: ", writer.message);
  return std::move(writer.bytes);
}

}  // namespace munet

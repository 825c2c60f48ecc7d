// Pictures are made smaller and encoded in parallel, and written one after the other. The index
// grows beside the file, a line per item, so that an interrupted call can go on.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/file.h"
#include "data/jpeg.h"
#include "data/pack.h"
#include "data/pack_format.h"
#include "data/sha256.h"
#include "tensor/error.h"
#include "tensor/image_resize.h"
#include "tensor/parallel.h"

namespace munet {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Setting {
  int side, quality;
};
// From the best to the smallest; what max_bytes chooses from. At few bytes a larger picture of low
// quality holds more than a small one of high quality.
constexpr std::array kLadder{Setting{480, 90}, Setting{480, 82}, Setting{480, 75}, Setting{480, 65},
                             Setting{448, 60}, Setting{416, 60}, Setting{384, 55}, Setting{352, 55},
                             Setting{320, 50}, Setting{304, 50}, Setting{288, 50}, Setting{288, 45},
                             Setting{272, 45}, Setting{256, 45}, Setting{240, 45}, Setting{224, 40},
                             Setting{192, 40}, Setting{160, 40}, Setting{128, 40}};

// A new or continued file; every failure says why.
class Output {
 public:
  Output(const fs::path& path, bool fresh) : path_(path) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | (fresh ? O_TRUNC : 0), 0666);
    check_errno(fd_ >= 0);
  }
  ~Output() {
    if (fd_ >= 0) ::close(fd_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(uint64_t at, const void* data, std::size_t bytes) {
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t n =
          ::pwrite(fd_, static_cast<const char*>(data) + done, bytes - done, off_t(at + done));
      if (n < 0 && errno == EINTR) continue;
      check_errno(n > 0);
      done += std::size_t(n);
    }
  }
  void truncate(uint64_t bytes) { check_errno(::ftruncate(fd_, off_t(bytes)) == 0); }
  void sync() { check_errno(::fsync(fd_) == 0); }

 private:
  void check_errno(bool ok) const {
    check<FileError>(ok, "pack: cannot write ", path_.string(), ": ", std::strerror(errno));
  }
  fs::path path_;
  int fd_ = -1;
};

struct Piece {
  std::string name;
  int width = 0, height = 0;
  std::vector<uint8_t> jpeg;
  std::string mask, fault;  // fault: why there is none
};

Image resized(const Image& image, int width, int height) {
  if (width == image.width && height == image.height) return image;
  std::vector<float> out(std::size_t(width) * std::size_t(height) * 3);
  resize_rgb(image.rgb.data(), image.width, image.height, std::ptrdiff_t(image.width) * 3,
             out.data(), width, height);
  Image small{width, height, std::vector<uint8_t>(out.size())};
  for (std::size_t i = 0; i < out.size(); ++i)
    small.rgb[i] = uint8_t(std::clamp(out[i], 0.0f, 1.0f) * 255 + 0.5f);
  return small;
}

void encode(Piece& piece, const ScaledImage& picture, const Mask& mask, Setting setting) {
  const double scale =
      std::min(1.0, double(setting.side) / std::min(picture.width, picture.height));
  piece.width = std::max(1, int(std::lround(scale * picture.width)));
  piece.height = std::max(1, int(std::lround(scale * picture.height)));
  piece.jpeg = encode_jpeg(resized(picture.image, piece.width, piece.height), setting.quality);
  Mask small{piece.width,
             piece.height,
             std::vector<uint8_t>(std::size_t(piece.width) * std::size_t(piece.height)),
             {}};
  resize_ids(mask.ids.data(), mask.width, mask.height, mask.width, small.ids.data(), small.width,
             small.height);
  piece.mask = pack_mask(small);
}

struct Place {
  const TrainingSet* set;
  std::size_t item;
  const TrainingItem& of() const { return set->items()[item]; }
};

Piece make_piece(const Place& place, std::size_t frame, Setting setting) {
  Piece piece;
  piece.name = place.of().frames[frame];
  try {
    const Mask mask = place.set->mask(place.item, frame);
    const ScaledImage picture = place.set->image(place.item, frame, 1);
    check_same_size(str(place.of().part, "/", place.of().name, "/", piece.name), picture, mask);
    encode(piece, picture, mask, setting);
  } catch (const FileError& e) {
    piece.fault = e.what();
  }
  return piece;
}

class Writer {
 public:
  Writer(const fs::path& path, const std::vector<std::unique_ptr<TrainingSet>>& sets,
         const std::function<void(std::size_t, std::size_t)>& progress)
      : path_(path),
        part_(path.string() + ".part"),
        journal_(path.string() + ".part.index"),
        progress_(progress) {
    for (const auto& set : sets) {
      for (std::size_t item = 0; item < set->items().size(); ++item) {
        places_.push_back({set.get(), item});
        total_ += set->items()[item].frames.size();
      }
      text_ += set->fingerprint() + "\n";
    }
    check<FileError>(!places_.empty(), "pack: expected videos or stills; given none");
  }

  // One try. False, with nothing left behind, if the result is larger than max_bytes.
  bool write(Setting setting, uint64_t max_bytes, bool resume, PackResult& result) {
    const std::string settings = str(text_, setting.side, " ", setting.quality);
    const Json head{{"settings", sha256({settings.begin(), settings.end()})},
                    {"side", setting.side},
                    {"quality", setting.quality}};
    lines_.clear();
    end_ = kPackHeader;
    done_ = 0;
    result = {};
    result.side = setting.side, result.quality = setting.quality;
    std::size_t item = resume ? read_journal(head, result) : 0;
    Output data(part_, item == 0), journal(journal_, item == 0);
    data.truncate(end_);
    journal_end_ = 0;
    append_journal(journal, head);
    for (const Json& line : lines_) append_journal(journal, line);
    journal.truncate(journal_end_);
    while (item < places_.size()) {
      // Enough items for all threads, then their frames in parallel.
      std::vector<std::pair<std::size_t, std::size_t>> frames;
      std::size_t last = item;
      for (; last < places_.size() && frames.size() < kBatch; ++last)
        for (std::size_t f = 0; f < places_[last].of().frames.size(); ++f)
          frames.emplace_back(last, f);
      std::vector<Piece> pieces(frames.size());
      parallel_for(int64_t(frames.size()), 1, [&](int64_t begin, int64_t end) {
        for (auto i = std::size_t(begin); i < std::size_t(end); ++i)
          pieces[i] = make_piece(places_[frames[i].first], frames[i].second, setting);
      });
      for (std::size_t i = 0; item < last; ++item) {
        const std::size_t count = places_[item].of().frames.size();
        const Json line = write_item(data, places_[item], {pieces.data() + i, count}, result);
        append_journal(journal, line);
        lines_.push_back(line);
        i += count;
        done_ += count;
      }
      if (max_bytes && end_ > max_bytes) return discard();
      if (progress_) progress_(done_, total_);
    }
    return finish(data, head, max_bytes, result);
  }

  // Bytes per frame on average, from pictures spread over all data.
  double estimate(Setting setting) {
    if (samples_.empty()) read_samples();
    std::vector<double> bytes(samples_.size());
    parallel_for(int64_t(bytes.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = std::size_t(begin); i < std::size_t(end); ++i) {
        Piece piece;
        encode(piece, samples_[i].first, samples_[i].second, setting);
        bytes[i] = double(piece.jpeg.size() + piece.mask.size());
      }
    });
    double sum = 0;
    for (const double b : bytes) sum += b;
    return bytes.empty() ? 0 : sum / double(bytes.size()) + kIndexBytes;
  }
  std::size_t frames() const { return total_; }
  // Side and quality of what is there to go on with.
  Setting begun_with() const {
    const std::vector<uint8_t> bytes = read_begun();
    const std::string text(bytes.begin(), bytes.end());
    const Json head = Json::parse(text.substr(0, text.find('\n')), nullptr, false);
    return {head.is_object() ? head.value("side", 0) : 0,
            head.is_object() ? head.value("quality", 0) : 0};
  }

 private:
  static constexpr std::size_t kBatch = 32, kSamples = 40;
  static constexpr double kIndexBytes = 90;  // of the index, per frame

  std::vector<uint8_t> read_begun() const {
    check<FileError>(fs::exists(journal_) && fs::exists(part_), "pack: expected ",
                     journal_.string(),
                     " to go on with; there is no such file; begin without "
                     "--resume");
    return read_file("pack", journal_, kMaxPackIndex);
  }

  // The items that are done, as far as their lines and their bytes are whole. Returns how many.
  std::size_t read_journal(const Json& head, PackResult& result) {
    const std::vector<uint8_t> bytes = read_begun();
    std::istringstream lines(std::string(bytes.begin(), bytes.end()));
    std::string line;
    std::getline(lines, line);
    check<FileError>(line == head.dump(), "pack: expected ", journal_.string(),
                     " of the same data, size and quality; found another; begin without --resume");
    const uint64_t written = fs::file_size(part_);
    while (std::getline(lines, line)) {
      const Json entry = Json::parse(line, nullptr, false);
      if (!entry.is_object() || entry.value("end", uint64_t{0}) < end_ ||
          entry.value("end", uint64_t{0}) > written || lines_.size() == places_.size())
        break;
      end_ = entry.at("end").get<uint64_t>();
      for (const Json& fault : entry.at("left_out")) result.left_out.push_back(fault);
      done_ += places_[lines_.size()].of().frames.size();
      lines_.push_back(entry);
    }
    result.resumed = lines_.size();
    return lines_.size();
  }

  void append_journal(Output& journal, const Json& line) {
    const std::string text = line.dump() + "\n";
    journal.write(journal_end_, text.data(), text.size());
    journal_end_ += text.size();
  }

  Json write_item(Output& data, const Place& place, std::span<const Piece> pieces,
                  PackResult& result) {
    const TrainingItem& item = place.of();
    Json line{{"part", item.part},       {"name", item.name},       {"still", item.still},
              {"kinds", Json::object()}, {"frames", Json::array()}, {"left_out", Json::array()}};
    for (const auto& [id, kind] : item.kinds) line["kinds"][std::to_string(id)] = kind;
    for (const Piece& piece : pieces) {
      if (!piece.fault.empty()) {
        line["left_out"].push_back(piece.fault);
        result.left_out.push_back(piece.fault);
        continue;
      }
      Json frame{piece.name, piece.width, piece.height};
      const std::span<const uint8_t> mask(reinterpret_cast<const uint8_t*>(piece.mask.data()),
                                          piece.mask.size());
      for (const std::span<const uint8_t> bytes : {std::span<const uint8_t>(piece.jpeg), mask}) {
        data.write(end_, bytes.data(), bytes.size());
        for (const uint64_t number : {end_, uint64_t(bytes.size()), hash_of(bytes)})
          frame.push_back(number);
        end_ += bytes.size();
      }
      line["frames"].push_back(frame);
    }
    const std::size_t allowed = std::max<std::size_t>(1, total_ / 50);
    check<FileError>(result.left_out.size() <= allowed, "pack: ", result.left_out.size(),
                     " frames could not be used, more than the ", allowed,
                     " that may be left out; the last: ", result.left_out.back());
    line["end"] = end_;
    return line;
  }

  bool finish(Output& data, const Json& head, uint64_t max_bytes, PackResult& result) {
    Json index{{"format", 1},
               {"side", head["side"]},
               {"quality", head["quality"]},
               {"items", Json::array()}};
    for (Json& line : lines_) {
      line.erase("end");
      line.erase("left_out");
      if (line["frames"].empty()) continue;
      ++result.items;
      result.frames += line["frames"].size();
      index["items"].push_back(std::move(line));
    }
    const std::string text = index.dump();
    result.bytes = end_ + text.size();
    if (max_bytes && result.bytes > max_bytes) return discard();
    data.write(end_, text.data(), text.size());
    std::array<uint8_t, kPackHeader> header;
    std::memcpy(header.data(), kPackMagic, 8);
    write_u64(header.data() + 8, end_);
    write_u64(header.data() + 16, text.size());
    std::memcpy(header.data() + 24, sha256({text.begin(), text.end()}).data(), 64);
    data.write(0, header.data(), header.size());
    data.sync();
    std::error_code error;
    fs::rename(part_, path_, error);
    check<FileError>(!error, "pack: cannot write ", path_.string(), ": ", error.message());
    fs::remove(journal_, error);
    return true;
  }

  bool discard() {
    std::error_code ignored;
    fs::remove(part_, ignored);
    fs::remove(journal_, ignored);
    return false;
  }

  void read_samples() {
    std::vector<std::pair<std::size_t, std::size_t>> frames;  // place and frame, spread evenly
    std::size_t before = 0, next = 0;
    for (std::size_t place = 0; place < places_.size(); ++place) {
      const std::size_t count = places_[place].of().frames.size();
      for (; next < std::min(kSamples, total_); ++next) {
        const std::size_t at = (2 * next + 1) * total_ / (2 * std::min(kSamples, total_));
        if (at >= before + count) break;
        frames.emplace_back(place, at - before);
      }
      before += count;
    }
    for (const auto& [place, frame] : frames) {
      const Place& from = places_[place];
      try {
        const Mask mask = from.set->mask(from.item, frame);
        samples_.emplace_back(from.set->image(from.item, frame, 1), mask);
      } catch (const FileError&) {  // write() will say so
      }
    }
  }

  fs::path path_, part_, journal_;
  const std::function<void(std::size_t, std::size_t)>& progress_;
  std::vector<Place> places_;
  std::size_t total_ = 0, done_ = 0;
  std::string text_;  // names the data
  std::vector<Json> lines_;
  uint64_t end_ = 0, journal_end_ = 0;
  std::vector<std::pair<ScaledImage, Mask>> samples_;
};

}  // namespace

PackResult write_pack(const fs::path& path, const std::vector<std::unique_ptr<TrainingSet>>& sets,
                      const PackOptions& options,
                      const std::function<void(std::size_t, std::size_t)>& progress) {
  check(options.side >= 16 && options.side <= kMaxSide && options.quality >= 1 &&
            options.quality <= 100,
        "pack: expected a side of 16..", kMaxSide, " and a quality of 1..100; given ", options.side,
        " and ", options.quality);
  Writer writer(path, sets, progress);
  PackResult result;
  if (options.max_bytes == 0) {
    writer.write({options.side, options.quality}, 0, options.resume, result);
    return result;
  }
  if (options.resume && writer.write(writer.begun_with(), options.max_bytes, true, result))
    return result;
  double smallest = 0;
  for (const Setting setting : kLadder) {
    smallest = writer.estimate(setting) * double(writer.frames()) + kPackHeader;
    if (smallest <= double(options.max_bytes) &&
        writer.write(setting, options.max_bytes, false, result))
      return result;
  }
  throw FileError(str("pack: expected ", writer.frames(), " frames to fit into ", options.max_bytes,
                      " bytes; the smallest pictures, ", kLadder.back().side,
                      " pixels high at quality ", kLadder.back().quality, ", take about ",
                      int64_t(smallest)));
}

}  // namespace munet

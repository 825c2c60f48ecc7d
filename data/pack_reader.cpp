// Nothing in the file is believed: every offset and size is checked when the pack is opened, every
// piece's hash when it is read.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "data/jpeg.h"
#include "data/pack.h"
#include "data/pack_format.h"
#include "data/rle.h"
#include "data/sha256.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace munet {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class MappedFile {
 public:
  explicit MappedFile(const fs::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    const bool usable = fd >= 0 && ::fstat(fd, &status) == 0;
    const int error = errno;
    if (usable && S_ISREG(status.st_mode) && status.st_size > 0) {
      size_ = std::size_t(status.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) ::close(fd);
    check<FileError>(usable, "pack: cannot read ", path.string(), ": ", std::strerror(error));
    check<FileError>(data_ != MAP_FAILED, "pack: cannot read ", path.string(),
                     ": expected a training pack; found ",
                     S_ISDIR(status.st_mode) ? "a folder" : "no file with contents");
  }
  ~MappedFile() {
    if (data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(data_), size_}; }

 private:
  void* data_ = MAP_FAILED;
  std::size_t size_ = 0;
};

struct Piece {
  uint64_t offset, bytes, hash;
};

struct FrameEntry {
  int width, height;
  Piece jpeg, mask;
};

class PackSet : public TrainingSet {
 public:
  PackSet(const fs::path& path, const std::string& list, const std::vector<std::string>& without)
      : path_(path), file_(path) {
    const Json index = read_index();
    std::set<std::string> parts, unseen(without.begin(), without.end());
    try {
      for (const Json& entry : index.at("items")) {
        TrainingItem item = parse_item(entry);
        parts.insert(item.part);
        const bool out = std::find(without.begin(), without.end(), item.name) != without.end();
        if (out) unseen.erase(item.name);
        if (!selected(item, list) || out) continue;
        std::vector<FrameEntry> frames;
        for (const Json& frame : entry.at("frames")) {
          item.frames.push_back(frame.at(0).get<std::string>());
          frames.push_back(parse_frame(frame));
        }
        fail_unless(!frames.empty(), "items with frames");
        items_.push_back(std::move(item));
        entries_.push_back(std::move(frames));
      }
    } catch (const Json::exception& e) {
      fail_unless(false, str("an index of items and frames (", e.what(), ")"));
    }
    std::string names;
    for (const std::string& part : parts) names += (names.empty() ? "" : ", ") + part;
    check_list(list, parts, names);
    check<FileError>(unseen.empty(), "pack: ", path.string(), ": expected ",
                     unseen.empty() ? "" : *unseen.begin(),
                     ", which is to be left out; there is no such video or still");
    check<FileError>(!items_.empty(), "pack: ", path.string(), ": expected ",
                     list.empty() ? "videos or stills" : list, "; found of ", names, " nothing",
                     without.empty() ? "" : " that is not left out");
    fingerprint_ += " " + list;
    for (const std::string& name : without) fingerprint_ += " without " + name;
    fingerprint_ = sha256({fingerprint_.begin(), fingerprint_.end()});
  }

  Mask mask(std::size_t item, std::size_t frame) const override {
    const FrameEntry& entry = entries_.at(item).at(frame);
    const std::span<const uint8_t> bytes = piece(entry.mask, item, frame);
    try {
      return unpack_mask({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, entry.width,
                         entry.height);
    } catch (const Error& e) {
      throw FileError(str("pack: ", where(item, frame), ": ", e.what()));
    }
  }
  ScaledImage image(std::size_t item, std::size_t frame, double scale) const override {
    const FrameEntry& entry = entries_.at(item).at(frame);
    return decode_jpeg_scaled(piece(entry.jpeg, item, frame), where(item, frame), scale);
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  void fail_unless(bool ok, const std::string& expected) const {
    check<FileError>(ok, "pack: ", path_.string(), ": expected a whole training pack with ",
                     expected, "; it is damaged, not finished or no pack");
  }

  Json read_index() {
    const std::span<const uint8_t> all = file_.bytes();
    fail_unless(all.size() >= kPackHeader && std::memcmp(all.data(), kPackMagic, 8) == 0,
                "a header");
    const uint64_t offset = read_u64(all.data() + 8), bytes = read_u64(all.data() + 16);
    fail_unless(offset >= kPackHeader && offset <= all.size() && bytes <= all.size() - offset &&
                    bytes <= kMaxPackIndex,
                "an index");
    end_ = offset;
    const std::vector<uint8_t> text(all.begin() + std::ptrdiff_t(offset),
                                    all.begin() + std::ptrdiff_t(offset + bytes));
    fingerprint_.assign(reinterpret_cast<const char*>(all.data() + 24), 64);
    fail_unless(sha256(text) == fingerprint_, "an index of its SHA-256");
    const Json json = Json::parse(text, nullptr, false);
    fail_unless(json.is_object() && json.value("format", Json()) == 1, "an index of format 1");
    return json;
  }

  TrainingItem parse_item(const Json& entry) const {
    TrainingItem item;
    item.part = entry.at("part").get<std::string>();
    item.name = entry.at("name").get<std::string>();
    item.still = entry.at("still").get<bool>();
    for (const auto& [text, kind] : entry.at("kinds").items()) {
      const int id = std::atoi(text.c_str());
      fail_unless(id >= 1 && id <= 254, "ids of 1..254");
      item.kinds[id] = kind.get<std::string>();
    }
    return item;
  }

  FrameEntry parse_frame(const Json& frame) const {
    const auto number = [&](int i) {
      const Json& value = frame.at(std::size_t(i));
      fail_unless(value.is_number_unsigned(), "whole numbers");
      return value.get<uint64_t>();
    };
    const uint64_t width = number(1), height = number(2);
    fail_unless(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                    width * height <= uint64_t(kMaxPixels),
                "pictures of a possible size");
    FrameEntry entry{int(width),
                     int(height),
                     {number(3), number(4), number(5)},
                     {number(6), number(7), number(8)}};
    for (const Piece& piece : {entry.jpeg, entry.mask})
      fail_unless(
          piece.offset >= kPackHeader && piece.offset <= end_ && piece.bytes <= end_ - piece.offset,
          "pictures and masks inside of the file");
    return entry;
  }

  void check_list(const std::string& list, const std::set<std::string>& parts,
                  const std::string& names) const {
    if (list.empty() || list == "videos" || list == "stills") return;
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, '+');)
      check<FileError>(parts.count(word) > 0, "pack: ", path_.string(), ": expected ", word,
                       "; found ", names, ", and videos or stills of all of them");
  }

  static bool selected(const TrainingItem& item, const std::string& list) {
    if (list.empty()) return true;
    if (list == "videos") return !item.still;
    if (list == "stills") return item.still;
    return ("+" + list + "+").find("+" + item.part + "+") != std::string::npos;
  }

  std::string where(std::size_t item, std::size_t frame) const {
    return str(path_.string(), "/", items_[item].part, "/", items_[item].name, "/",
               items_[item].frames[frame]);
  }

  std::span<const uint8_t> piece(const Piece& piece, std::size_t item, std::size_t frame) const {
    const std::span<const uint8_t> bytes = file_.bytes().subspan(piece.offset, piece.bytes);
    check<FileError>(hash_of(bytes) == piece.hash, "pack: ", where(item, frame),
                     ": expected the bytes of its hash; found others; the pack is damaged");
    return bytes;
  }

  fs::path path_;
  MappedFile file_;
  uint64_t end_ = 0;  // of pictures and masks
  std::vector<std::vector<FrameEntry>> entries_;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<TrainingSet> open_pack(const fs::path& path, const std::string& list,
                                       const std::vector<std::string>& without) {
  return std::make_unique<PackSet>(path, list, without);
}

std::string pack_mask(const Mask& mask) {
  // encode_rle runs along columns: of the mask with rows and columns exchanged.
  Mask turned{mask.height, mask.width, std::vector<uint8_t>(mask.ids.size()), {}};
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x)
      turned.ids[std::size_t(x) * std::size_t(mask.height) + std::size_t(y)] =
          mask.ids[std::size_t(y) * std::size_t(mask.width) + std::size_t(x)];
  std::string text;
  for (const auto& [id, rle] : encode_rle(turned)) text += str(id, " ", rle_text(rle.counts), "\n");
  return text;
}

Mask unpack_mask(std::string_view text, int width, int height) {
  Mask mask{width, height, std::vector<uint8_t>(std::size_t(width) * std::size_t(height)), {}};
  while (!text.empty()) {
    const std::size_t space = text.find(' '), end = text.find('\n');
    int id = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(space, 3); ++i)
      id = text[i] >= '0' && text[i] <= '9' ? id * 10 + text[i] - '0' : 1000;
    check(space < end && end != std::string_view::npos && id >= 1 && id <= 254,
          "expected lines of an id and its runs");
    std::size_t at = 0;
    bool in = false;
    for (const uint32_t run : parse_rle(std::string(text.substr(space + 1, end - space - 1)))) {
      check(run <= mask.ids.size() - at, "expected runs of ", width, "x", height, " pixels");
      if (in) std::memset(mask.ids.data() + at, id, run);
      at += run;
      in = !in;
    }
    check(at == mask.ids.size(), "expected runs of ", width, "x", height, " pixels");
    text.remove_prefix(end + 1);
  }
  return mask;
}

}  // namespace munet

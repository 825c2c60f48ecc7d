// Reader and writer of safetensors. A table is taken in by SAX events, so that the only memory a
// hostile one gets is for the entries that it really has.
#include "nn/checkpoint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "tensor/parallel.h"

static_assert(std::endian::native == std::endian::little,
              "safetensors holds little-endian numbers");

namespace munet::nn {
namespace {

constexpr uint64_t kMaxTable = 100'000'000;  // bytes; the reference implementation's limit
constexpr const char* kMetadata = "__metadata__";

// The file's names for our types, in the order in which the official writer sorts (last first).
constexpr std::pair<const char*, DType> kTypes[] = {
    {"U8", DType::u8},   {"F16", DType::f16}, {"BF16", DType::bf16}, {"I32", DType::i32},
    {"F32", DType::f32}, {"F64", DType::f64}, {"I64", DType::i64}};

int rank_of(DType dtype) {
  return int(std::find_if(std::begin(kTypes), std::end(kTypes),
                          [&](const auto& type) { return type.second == dtype; }) -
             kTypes);
}

template <class... Part>
[[noreturn]] void fail(const std::string& path, const Part&... part) {
  throw FileError(str(path, ": ", part...));
}

// An open file that closes itself; every failure is a FileError with the system's reason.
class File {
 public:
  File(const std::string& path, int flags)
      : path_(path), descriptor_(open(path.c_str(), flags, 0666)) {
    if (descriptor_ < 0) fail(path_, "cannot be opened: ", std::strerror(errno));
  }
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  uint64_t size() const {
    struct stat status;
    if (fstat(descriptor_, &status) != 0) fail(path_, "cannot be read: ", std::strerror(errno));
    if (S_ISDIR(status.st_mode)) fail(path_, "expected a file, found a folder");
    if (!S_ISREG(status.st_mode)) fail(path_, "expected a regular file, found a device or pipe");
    return uint64_t(status.st_size);
  }
  // The whole file, of a size that is not 0, as memory; it outlives the descriptor.
  std::shared_ptr<const char> map(uint64_t bytes) const {
    void* data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor_, 0);
    if (data == MAP_FAILED) fail(path_, "cannot be mapped: ", std::strerror(errno));
    return {static_cast<const char*>(data),
            [bytes](const char* at) { munmap(const_cast<char*>(at), bytes); }};
  }
  void write(const void* from, uint64_t bytes) {
    for (const char* at = static_cast<const char*>(from); bytes > 0;) {
      const ssize_t done = ::write(descriptor_, at, std::min<uint64_t>(bytes, 1 << 30));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail(path_, "cannot be written: ", std::strerror(errno));
      at += done;
      bytes -= uint64_t(done);
    }
  }
  void flush() {
    if (fsync(descriptor_) != 0) fail(path_, "cannot be flushed: ", std::strerror(errno));
  }
  void close() {
    if (::close(std::exchange(descriptor_, -1)) != 0)
      fail(path_, "cannot be closed: ", std::strerror(errno));
  }

 private:
  std::string path_;
  int descriptor_;
};

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes after the table
};

// The table as a sequence of events. Anything but
//   {"__metadata__": {string: string}, name: {"dtype": string, "shape": [n], "data_offsets": [n,
//   n]}}
// throws at once, so nesting and lists cannot grow.
class TableReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  TableReader(const std::string& path, Checkpoint& checkpoint)
      : path_(path), checkpoint_(checkpoint) {}
  std::vector<Entry> entries;

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) return go(Place::table);
    if (place_ != Place::table) unexpected("an object");
    if (name_ == kMetadata) return go(Place::metadata);
    dtype_.reset(), shape_.reset(), offsets_.reset();
    return go(Place::entry);
  }
  bool key(string_t& text) override {
    if (place_ == Place::table) {
      name_ = text;
      if (!names_.insert(text).second) fail(path_, "'", text, "' is there twice");
    } else if (place_ == Place::metadata) {
      field_ = text;
      if (checkpoint_.metadata.count(text)) fail(path_, "metadata '", text, "' is there twice");
    } else {
      field_ = text;
      const bool twice = (text == "dtype" && dtype_) || (text == "shape" && shape_) ||
                         (text == "data_offsets" && offsets_);
      if (twice) fail(path_, "'", name_, "' has ", text, " twice");
    }
    return true;
  }
  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      checkpoint_.metadata[field_] = text;
      return true;
    }
    if (place_ != Place::entry || field_ != "dtype") unexpected("a string");
    for (const auto& [name, dtype] : kTypes)
      if (text == name) dtype_ = dtype;
    if (!dtype_)
      fail(path_, "'", name_, "' is of type ", text.substr(0, 20),
           "; expected F64, F32, F16, BF16, I64, I32 or U8");
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::entry || (field_ != "shape" && field_ != "data_offsets"))
      unexpected("a list");
    (field_ == "shape" ? shape_ : offsets_).emplace();
    return go(Place::list);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::list) unexpected("a number");
    std::vector<uint64_t>& list = field_ == "shape" ? *shape_ : *offsets_;
    list.push_back(value);
    const std::size_t most = field_ == "shape" ? Shape::kMaxRank : 2;
    if (list.size() > most) fail(path_, "'", name_, "' has over ", most, " numbers in ", field_);
    if (field_ == "shape" && value > (uint64_t{1} << 48))
      fail(path_, "'", name_, "' has a size of ", value);
    return true;
  }
  bool end_array() override { return go(Place::entry); }
  bool end_object() override {
    if (place_ == Place::entry) finish_entry();
    return go(place_ == Place::table ? Place::outside : Place::table);
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(number_integer_t value) override { unexpected(str("the number ", value)); }
  bool number_float(number_float_t, const string_t&) override {
    unexpected("a number that is not a whole 64-bit one");
  }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    fail(path_, "the table is not JSON, at its byte ", position, ": ", error.what());
  }

 private:
  enum class Place { outside, table, metadata, entry, list };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  [[noreturn]] void unexpected(const std::string& what) const {
    if (place_ == Place::outside) fail(path_, "the table is ", what, ", expected an object");
    if (place_ == Place::table) fail(path_, "'", name_, "' is ", what, ", expected an object");
    if (place_ == Place::metadata)
      fail(path_, "metadata '", field_, "' is ", what, ", expected a string");
    fail(path_, "'", name_, "' has ", what, " in ", field_,
         "; expected dtype (a string), shape and data_offsets (lists of whole numbers)");
  }
  void finish_entry() {
    if (!dtype_ || !shape_ || !offsets_ || offsets_->size() != 2)
      fail(path_, "'", name_, "' lacks ",
           !dtype_   ? "dtype"
           : !shape_ ? "shape"
                     : "two numbers in data_offsets");
    try {
      const Shape shape(std::vector<int64_t>(shape_->begin(), shape_->end()));
      entries.push_back({name_, *dtype_, shape, (*offsets_)[0], (*offsets_)[1]});
    } catch (const ShapeError& error) {
      fail(path_, "'", name_, "': ", error.what());
    }
  }

  const std::string& path_;
  Checkpoint& checkpoint_;
  Place place_ = Place::outside;
  std::set<std::string> names_;
  std::string name_, field_;  // the entry, and the key inside it, that is being read
  std::optional<DType> dtype_;
  std::optional<std::vector<uint64_t>> shape_, offsets_;
};

// Sorts the entries by place; the bytes must be theirs from the first to the last, each once.
void check_places(const std::string& path, std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    const uint64_t needed = uint64_t(entry.shape.numel()) * uint64_t(size_of(entry.dtype));
    if (entry.begin > entry.end || entry.end - entry.begin != needed)
      fail(path, "'", entry.name, "' lies at [", entry.begin, ", ", entry.end, "), but ",
           entry.dtype, " ", entry.shape, " has ", needed, " bytes");
    if (entry.begin != at)
      fail(path, "'", entry.name, "' begins at byte ", entry.begin, ", expected ", at,
           entry.begin < at ? " (tensors overlap)" : " (bytes of no tensor)");
    if (entry.end > data_bytes)
      fail(path, "'", entry.name, "' ends at byte ", entry.end, " of the data, but there are ",
           data_bytes, " (truncated?)");
    at = entry.end;
  }
  if (at != data_bytes)
    fail(path, "the tensors end at byte ", at, " of the data, but there are ", data_bytes);
}

// [a,b,c,d] -> [a,c,d,b] (to_file: back). Files hold convolution weights channels first. x: s and
// dtype say what lies there; of any alignment.
Tensor reordered(const void* x, const Shape& s, DType dtype, bool to_file) {
  const int64_t o = s[0], c = s[to_file ? 3 : 1];
  const int64_t area = to_file ? s[1] * s[2] : s[2] * s[3];
  Tensor y = Tensor::empty(to_file ? Shape{o, c, s[1], s[2]} : Shape{o, s[2], s[3], c}, dtype);
  for_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = to_file ? area : c, columns = to_file ? c : area;
    parallel_for(o, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const char* from = static_cast<const char*>(x) + i * area * c * int64_t(sizeof(T));
        T* to = y.data<T>() + i * area * c;
        for (int64_t column = 0; column < columns; ++column)
          for (int64_t row = 0; row < rows; ++row)
            std::memcpy(to++, from + (row * columns + column) * int64_t(sizeof(T)), sizeof(T));
      }
    });
  });
  return y;
}

// x as the file shall hold it, on the CPU.
Tensor for_file(const std::string& name, const Tensor& x, bool half_floats, Layout layout) {
  check(x.defined(), "save_checkpoint: '", name, "' is no tensor");
  Tensor y = x.detach().to(Device{});
  const bool floating =
      y.dtype() == DType::f32 || y.dtype() == DType::f64 || y.dtype() == DType::bf16;
  if (half_floats && floating) {
    const std::vector<double> values = y.to_vector<double>();
    for (const double value : values)
      check(!std::isfinite(value) || std::abs(value) < 65520, "save_checkpoint: '", name,
            "' holds ", value, ", which F16 cannot");
    y = y.to(DType::f16);
  }
  if (layout == Layout::plain || y.rank() != 4) return y;
  return reordered(y.raw(), y.shape(), y.dtype(), true);
}

// `text` as JSON writes it, with its quotes.
std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(str("save_checkpoint: the name or metadata '", text, "' is not UTF-8"));
  }
}

}  // namespace

Checkpoint load_checkpoint(const std::string& path, Layout layout) {
  const File file(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // a pipe must not block here
  const uint64_t size = file.size();
  if (size < 8) fail(path, "expected a safetensors file, found ", size, " bytes");
  const std::shared_ptr<const char> bytes = file.map(size);
  uint64_t table_bytes = 0;
  std::memcpy(&table_bytes, bytes.get(), 8);
  if (table_bytes > kMaxTable || table_bytes > size - 8)
    fail(path, "the table's length is given as ", table_bytes, " bytes; the file has ", size - 8,
         " after it and the limit is ", kMaxTable, " (truncated, or not a safetensors file)");
  const std::string_view table(bytes.get() + 8, table_bytes);
  // The JSON parser would take a byte order mark before the table, and a zero byte for its end.
  if (table.empty() || table[0] != '{' || table.find('\0') != table.npos)
    fail(path,
         "expected a table that begins with '{' and has no zero bytes (not a safetensors file?)");

  Checkpoint checkpoint;
  TableReader reader(path, checkpoint);
  nlohmann::json::sax_parse(table, &reader);
  check_places(path, reader.entries, size - 8 - table_bytes);
  madvise(const_cast<char*>(bytes.get()), size, MADV_WILLNEED);  // only advice
  for (const Entry& entry : reader.entries) {
    const char* from = bytes.get() + 8 + table_bytes + entry.begin;
    if (layout == Layout::weights && entry.shape.rank() == 4) {
      checkpoint.tensors.emplace(entry.name, reordered(from, entry.shape, entry.dtype, false));
      continue;
    }
    const Tensor x = Tensor::empty(entry.shape, entry.dtype);
    std::memcpy(x.raw(), from, entry.end - entry.begin);
    checkpoint.tensors.emplace(entry.name, x);
  }
  return checkpoint;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint, bool half,
                     Layout layout) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, x] : checkpoint.tensors) {
    check(name != kMetadata, "save_checkpoint: a tensor cannot have the name ", name);
    tensors.emplace_back(name, for_file(name, x, half, layout));
  }
  // The widest types first keeps every tensor aligned; equal types stay sorted by name.
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return rank_of(a.second.dtype()) > rank_of(b.second.dtype());
  });

  std::string table = "{", separator;
  if (!checkpoint.metadata.empty()) {
    table += quoted(kMetadata) + ":{";
    for (const auto& [key, value] : checkpoint.metadata)
      table += std::exchange(separator, ",") + quoted(key) + ":" + quoted(value);
    table += "}";
  }
  int64_t at = 0;
  for (const auto& [name, x] : tensors) {
    table += std::exchange(separator, ",") + quoted(name) + ":{\"dtype\":\"" +
             kTypes[rank_of(x.dtype())].first + "\",\"shape\":[";
    for (int axis = 0; axis < x.rank(); ++axis) table += str(axis ? "," : "", x.dim(axis));
    table += str("],\"data_offsets\":[", at, ",", at + x.bytes(), "]}");
    at += x.bytes();
  }
  table += "}";
  table.resize((table.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of 8
  const uint64_t table_bytes = table.size();
  check(table_bytes <= kMaxTable, "save_checkpoint: the table has ", table_bytes,
        " bytes, the format allows ", kMaxTable);

  const std::string part = path + ".part";
  File file(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  try {
    file.write(&table_bytes, 8);
    file.write(table.data(), table_bytes);
    for (const auto& [name, x] : tensors) file.write(x.raw(), uint64_t(x.bytes()));
    file.flush();
    file.close();
    if (std::rename(part.c_str(), path.c_str()) != 0)
      fail(path, "cannot be replaced by ", part, ": ", std::strerror(errno));
  } catch (...) {
    unlink(part.c_str());
    throw;
  }
  // The new name reaches the disk with its folder. Where that cannot be flushed, a crash leaves the
  // old file or the new one, both whole: no error.
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) fsync(descriptor), ::close(descriptor);
}

}  // namespace munet::nn

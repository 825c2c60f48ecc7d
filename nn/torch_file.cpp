// The zip format: NAME/data.pkl refers to storages, each a stored (uncompressed) file
// NAME/data/KEY. The old format: five pickles (magic number, version, system, object, keys), then
// each storage as a count and its numbers.
#include "nn/torch_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "nn/pickle.h"

namespace munet::nn {
namespace {

using Kind = PickleValue::Kind;
using Bytes = std::vector<uint8_t>;

constexpr int kDepth = 20;  // of dicts in dicts
constexpr std::size_t kMostTensors = 100'000;
// Strides of 0 repeat numbers, so tensors may be larger than their file; up to this many elements.
constexpr int64_t kFreeElements = int64_t{1} << 26;

template <class... Part>
[[noreturn]] void fail(const std::string& path, const Part&... part) {
  throw FileError(str(path, ": ", part...));
}

const std::vector<std::string>& allowed_names() {
  static const std::vector<std::string> names = {"collections.OrderedDict",
                                                 "torch._utils._rebuild_tensor_v2",
                                                 "torch._utils._rebuild_tensor",
                                                 "torch._utils._rebuild_parameter",
                                                 "torch.nn.parameter.Parameter",
                                                 "torch.Size",
                                                 "torch.FloatStorage",
                                                 "torch.DoubleStorage",
                                                 "torch.HalfStorage",
                                                 "torch.BFloat16Storage",
                                                 "torch.LongStorage",
                                                 "torch.IntStorage",
                                                 "torch.ByteStorage",
                                                 "torch.BoolStorage"};
  return names;
}

std::optional<DType> dtype_of_storage(const std::string& name) {
  if (name == "torch.FloatStorage") return DType::f32;
  if (name == "torch.DoubleStorage") return DType::f64;
  if (name == "torch.HalfStorage") return DType::f16;
  if (name == "torch.BFloat16Storage") return DType::bf16;
  if (name == "torch.LongStorage") return DType::i64;
  if (name == "torch.IntStorage") return DType::i32;
  if (name == "torch.ByteStorage" || name == "torch.BoolStorage") return DType::u8;
  return {};
}

struct Span {
  std::size_t begin = 0, size = 0;
};

template <class T>
T number_at(const std::string& path, const Bytes& data, std::size_t at) {
  T value;
  if (at > data.size() || data.size() - at < sizeof value) fail(path, "ends early (truncated?)");
  std::memcpy(&value, data.data() + at, sizeof value);
  return value;
}

// The stored files of a zip archive, by name.
std::map<std::string, Span> zip_entries(const std::string& path, const Bytes& data) {
  constexpr uint32_t kEnd = 0x06054b50, kEntry = 0x02014b50, kLocal = 0x04034b50;
  constexpr std::size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
  if (data.size() < kEndSize) fail(path, "is no zip archive (truncated?)");
  std::size_t end = data.size() - kEndSize;
  while (number_at<uint32_t>(path, data, end) != kEnd)
    if (end-- == 0 || data.size() - end > 70'000)
      fail(path, "the zip archive has no table (truncated?)");
  const int count = number_at<uint16_t>(path, data, end + 10);
  std::size_t at = number_at<uint32_t>(path, data, end + 16);
  if (count == 0xFFFF || at == 0xFFFFFFFF) fail(path, "zip64 archives are not read");
  std::map<std::string, Span> entries;
  for (int i = 0; i < count; ++i) {
    if (number_at<uint32_t>(path, data, at) != kEntry)
      fail(path, "the zip archive's table is damaged");
    const int method = number_at<uint16_t>(path, data, at + 10);
    const std::size_t size = number_at<uint32_t>(path, data, at + 24),
                      name_size = number_at<uint16_t>(path, data, at + 28),
                      extra = number_at<uint16_t>(path, data, at + 30),
                      comment = number_at<uint16_t>(path, data, at + 32),
                      local = number_at<uint32_t>(path, data, at + 42);
    number_at<uint8_t>(path, data, at + kEntrySize + name_size);
    const std::string name(reinterpret_cast<const char*>(data.data()) + at + kEntrySize, name_size);
    if (method != 0) fail(path, "'", name, "' is compressed; torch.save does not do that");
    if (number_at<uint32_t>(path, data, local) != kLocal) fail(path, "'", name, "' is damaged");
    const std::size_t begin = local + kLocalSize + number_at<uint16_t>(path, data, local + 26) +
                              number_at<uint16_t>(path, data, local + 28);
    if (begin > data.size() || size > data.size() - begin)
      fail(path, "'", name, "' lies outside of the file (truncated?)");
    entries[name] = {begin, size};
    at += kEntrySize + name_size + extra + comment;
  }
  return entries;
}

// Where the numbers of each storage lie; filled after the pickle in old files.
using Storages = std::map<std::string, Span>;

class Reader {
 public:
  Reader(const std::string& path, const Bytes& data, Layout layout)
      : path_(path), data_(data), layout_(layout) {}

  Checkpoint zip() {
    const std::map<std::string, Span> entries = zip_entries(path_, data_);
    const auto pickled = std::find_if(entries.begin(), entries.end(), [](const auto& entry) {
      return entry.first.ends_with("/data.pkl");
    });
    if (pickled == entries.end())
      fail(path_, "is a zip archive without data.pkl, not of torch.save");
    const std::string root = pickled->first.substr(0, pickled->first.size() - 8);
    const auto order = entries.find(root + "byteorder");
    if (order != entries.end() && data_[order->second.begin] != 'l')
      fail(path_, "was written on a big-endian machine");
    for (const auto& [name, span] : entries)
      if (name.starts_with(root + "data/")) storages_[name.substr(root.size() + 5)] = span;
    const Bytes pickle(
        data_.begin() + std::ptrdiff_t(pickled->second.begin),
        data_.begin() + std::ptrdiff_t(pickled->second.begin + pickled->second.size));
    std::size_t at = 0;
    const Pickle object(path_, pickle, at, allowed_names());
    collect("", object.root(), 0);
    return std::move(found_);
  }

  Checkpoint old() {
    std::size_t at = 0;
    for (int i = 0; i < 3; ++i)
      Pickle(path_, data_, at, allowed_names());  // magic, version, system
    const Pickle object(path_, data_, at, allowed_names());
    const Pickle keys(path_, data_, at, allowed_names());
    note_storages(object.root(), 0);
    if (keys.root().kind != Kind::list) fail(path_, "has no list of storages");
    for (const PickleValue* key : keys.root().items) {
      const auto count = number_at<int64_t>(path_, data_, at);
      const auto known = sizes_.find(key->text);
      if (known == sizes_.end() || count < 0) fail(path_, "has a storage that nobody uses");
      const uint64_t bytes = uint64_t(count) * uint64_t(known->second);
      if (uint64_t(count) > data_.size() || bytes > data_.size() - at - 8)
        fail(path_, "storage '", key->text, "' lies outside of the file (truncated?)");
      storages_[key->text] = {at + 8, std::size_t(bytes)};
      at += 8 + std::size_t(bytes);
    }
    collect("", object.root(), 0);
    return std::move(found_);
  }

 private:
  // Element sizes of the storages, before their places are known.
  void note_storages(const PickleValue& value, int depth) {
    if (depth > kDepth) fail(path_, "has dicts nested deeper than ", kDepth);
    if (value.kind == Kind::persistent) {
      const auto [dtype, key] = storage(value);
      sizes_[key] = size_of(dtype);
    } else {
      for (const PickleValue* item : value.items)
        if (!item->items.empty()) note_storages(*item, depth + 1);
    }
  }

  // ("storage", type, key, location, count)
  std::pair<DType, std::string> storage(const PickleValue& value) const {
    const PickleValue* id = value.kind == Kind::persistent ? value.items[0] : nullptr;
    if (!id || id->kind != Kind::list || id->items.size() < 5 || id->items[1]->kind != Kind::name)
      fail(path_, "has a tensor without a storage");
    const std::optional<DType> dtype = dtype_of_storage(id->items[1]->text);
    if (!dtype) fail(path_, "has a tensor of ", id->items[1]->text);
    return {*dtype, id->items[2]->text};
  }

  void collect(const std::string& name, const PickleValue& value, int depth) {
    if (depth > kDepth) fail(path_, "has dicts nested deeper than ", kDepth);
    if (value.kind == Kind::dict) {
      for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
        const std::string& key = value.items[i]->text;
        collect(name.empty() ? key : name + "." + key, *value.items[i + 1], depth + 1);
      }
    } else if (value.kind == Kind::call && !value.items.empty()) {
      if (value.text == "torch._utils._rebuild_parameter" ||
          value.text == "torch.nn.parameter.Parameter")
        collect(name, *value.items[0], depth + 1);
      else if (value.text.starts_with("torch._utils._rebuild_tensor"))
        found_.tensors.emplace(name, tensor(name, value));
      if (found_.tensors.size() > kMostTensors) fail(path_, "has over ", kMostTensors, " tensors");
    }
  }

  std::vector<int64_t> integers(const std::string& name, const PickleValue& value) const {
    std::vector<int64_t> out;
    for (const PickleValue* item : value.items) {
      if (item->kind != Kind::integer || item->integer < 0 || item->integer > (int64_t{1} << 40))
        fail(path_, "'", name, "' has no proper sizes");
      out.push_back(item->integer);
    }
    return out;
  }

  // (storage, offset, sizes, strides, ...)
  Tensor tensor(const std::string& name, const PickleValue& call) {
    if (call.items.size() < 4) fail(path_, "'", name, "' has no proper sizes");
    const auto [dtype, key] = storage(*call.items[0]);
    std::vector<int64_t> sizes = integers(name, *call.items[2]),
                         strides = integers(name, *call.items[3]);
    const int64_t offset = call.items[1]->integer, bytes = size_of(dtype);
    const auto found = storages_.find(key);
    if (found == storages_.end()) fail(path_, "'", name, "' has no numbers (storage '", key, "')");
    if (sizes.size() != strides.size() || sizes.size() > std::size_t(Shape::kMaxRank) ||
        offset < 0 || offset > (int64_t{1} << 40))
      fail(path_, "'", name, "' has no proper sizes");
    int64_t last = offset;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      if (sizes[k] > (1 << 28) || strides[k] > (1 << 30)) fail(path_, "'", name, "' is too large");
      last += (sizes[k] - 1) * strides[k];
    }
    const bool empty = std::count(sizes.begin(), sizes.end(), 0) > 0;
    if (!empty && uint64_t(last + 1) * uint64_t(bytes) > found->second.size)
      fail(path_, "'", name, "' is larger than its storage");
    if (layout_ == Layout::weights && sizes.size() == 4)  // [o,c,kh,kw] -> [o,kh,kw,c]
      for (std::vector<int64_t>* v : {&sizes, &strides})
        std::rotate(v->begin() + 1, v->begin() + 2, v->end());
    const Shape shape(sizes);
    elements_ += shape.numel();
    if (elements_ > std::max(int64_t(data_.size()), kFreeElements))
      fail(path_, "'", name, "' is too large");
    Tensor x = Tensor::empty(shape, dtype);
    const uint8_t* from = data_.data() + found->second.begin;
    auto* to = static_cast<uint8_t*>(x.raw());
    std::vector<int64_t> index(sizes.size());
    for (int64_t i = 0; i < shape.numel(); ++i, to += bytes) {
      int64_t at = offset;
      for (std::size_t k = 0; k < index.size(); ++k) at += index[k] * strides[k];
      std::memcpy(to, from + at * bytes, std::size_t(bytes));
      for (std::size_t k = index.size(); k-- > 0 && ++index[k] == sizes[k];) index[k] = 0;
    }
    return x;
  }

  const std::string& path_;
  const Bytes& data_;
  const Layout layout_;
  Storages storages_;
  std::map<std::string, int64_t> sizes_;
  int64_t elements_ = 0;  // of all tensors so far
  Checkpoint found_;
};

Bytes read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path)) fail(path, "cannot be opened");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_zip(const Bytes& data) {
  return data.size() > 4 && std::memcmp(data.data(), "PK\3\4", 4) == 0;
}

}  // namespace

bool is_torch_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  uint8_t head[9] = {};
  file.read(reinterpret_cast<char*>(head), 9);
  // A safetensors file may begin with 0x80 too, but has a brace after its first eight bytes.
  return std::memcmp(head, "PK\3\4", 4) == 0 || (head[0] == 0x80 && head[8] != '{');
}

Checkpoint load_torch_file(const std::string& path, Layout layout) {
  const Bytes data = read_all(path);
  Reader reader(path, data, layout);
  return is_zip(data) ? reader.zip() : reader.old();
}

}  // namespace munet::nn

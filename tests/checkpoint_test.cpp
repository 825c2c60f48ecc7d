// safetensors: right files both ways, and every kind of wrong one.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include "nn/checkpoint.h"
#include "tensor/storage.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
using namespace munet::nn;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
// A file of a table, with its true length in front, and data.
std::string file_of(const std::string& table, const std::string& data) {
  const uint64_t length = table.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + table + data;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), std::size_t(a.bytes())) == 0;
}

// What Python's safetensors 0.8.0 (safetensors.torch.save) wrote for the tensors of `sample`.
const std::string kOfficial =
    "\xf0\x01\0\0\0\0\0\0"
    "{\"__metadata__\":{\"k\":\"v\\\"\xc3\xa9\\n/\"},"
    "\"a\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]},"
    "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[24,32]},"
    "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[2,3,1,2],\"data_offsets\":[32,80]},"
    "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[80,84]},"
    "\"bf\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[84,86]},"
    "\"z\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[86,88]},"
    "\"q\\\"\xc3\xa9\\t/\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[88,89]},"
    "\"u\":{\"dtype\":\"U8\",\"shape\":[0,3],\"data_offsets\":[89,89]}}   "
    "\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\xf8?"
    "\0\0\0\0\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@\0\0\xc0@\0\0\xe0@\0\0\0A\0\0\x10"
    "A\0\0 A\0\0"
    "0A\x07\0\0\0\xc0?\0A\x07"s;

Checkpoint sample() {
  Checkpoint c;
  c.metadata["k"] = "v\"\u00e9\n/";
  // b.weight is 0..11 in the file's order [o,c,kh,kw] = [2,3,1,2]; here [o,kh,kw,c].
  c.tensors["b.weight"] = Tensor::from<float>({0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}, {2, 1, 2, 3});
  c.tensors["a"] = Tensor::from<int64_t>({1, 2, 3}, {3});
  c.tensors["z"] = Tensor::from<half>({half(2.5f)}, {});
  c.tensors["u"] = Tensor::empty({0, 3}, DType::u8);
  c.tensors["d"] = Tensor::from<double>({1.5}, {1});
  c.tensors["bf"] = Tensor::from<bfloat16>({bfloat16(1.5f)}, {1});
  c.tensors["i"] = Tensor::from<int32_t>({7}, {1});
  c.tensors["q\"\u00e9\t/"] = Tensor::from<uint8_t>({7}, {1});
  return c;
}

}  // namespace

TEST_CASE("checkpoint: the official writer's bytes, both ways", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  put(path, kOfficial);
  const Checkpoint read = load_checkpoint(path), expected = sample();
  CHECK(read.metadata == expected.metadata);
  REQUIRE(read.tensors.size() == expected.tensors.size());
  for (const auto& [name, x] : expected.tensors) {
    INFO(name);
    CHECK(same(read.tensors.at(name), x));
  }
  const Tensor plain = load_checkpoint(path, Layout::plain).tensors.at("b.weight");
  CHECK(plain.shape() == Shape{2, 3, 1, 2});
  for (int i = 0; i < 12; ++i) CHECK(plain.data<float>()[i] == float(i));

  // A table of an odd length: no tensor lies where its type wants it.
  put(path, file_of(kOfficial.substr(8, 0x1f0) + " ", kOfficial.substr(8 + 0x1f0)));
  const Checkpoint shifted = load_checkpoint(path);
  for (const auto& [name, x] : expected.tensors) CHECK(same(shifted.tensors.at(name), x));

  save_checkpoint(path, expected);  // over an old file
  CHECK(bytes_of(path) == kOfficial);
  CHECK(!fs::exists(path + ".part"));
  Checkpoint as_plain = expected;
  as_plain.tensors["b.weight"] = plain;
  save_checkpoint(path, as_plain, false, Layout::plain);
  CHECK(bytes_of(path) == kOfficial);
}

TEST_CASE("checkpoint: nothing but a table, and tensors of a graph", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  save_checkpoint(path, {});
  CHECK(bytes_of(path) == file_of("{}      ", ""));
  CHECK(load_checkpoint(path).tensors.empty());
  save_checkpoint(path, {{{"x", Tensor::full({2}, 3).set_requires_grad()}}, {}});
  CHECK(!load_checkpoint(path).tensors.at("x").requires_grad());
}

TEST_CASE("checkpoint: half stores floating-point numbers in two bytes", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  Checkpoint c;
  c.tensors["w"] = random_tensor({5, 3, 2, 7}, 1);
  c.tensors["n"] = Tensor::from<int64_t>({1 << 20}, {});
  save_checkpoint(path, c, true);
  const Checkpoint read = load_checkpoint(path);
  CHECK(same(read.tensors.at("w"), c.tensors["w"].to(DType::f16)));
  CHECK(same(read.tensors.at("n"), c.tensors["n"]));
  c.tensors["w"] = Tensor::full({1}, 70000);
  CHECK(text_of([&] { save_checkpoint(path, c, true); }) ==
        "save_checkpoint: 'w' holds 70000, which F16 cannot");
}

TEST_CASE("checkpoint: wrong files are refused with the reason", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  const auto reason = [&](const std::string& bytes) {
    put(path, bytes);
    const std::string text = text_of<FileError>([&] { load_checkpoint(path); });
    CHECK(text.starts_with(path + ": "));
    return text.substr(std::min(text.size(), path.size() + 2));
  };
  const auto entry = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const auto f32 = [&](const std::string& shape, const std::string& offsets) {
    return entry("\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]");
  };
  const std::string eight(8, 'x');

  CHECK(reason("") == "expected a safetensors file, found 0 bytes");
  CHECK(reason("\x90\0\0\0\0\0\0\0{}"s) ==
        "the table's length is given as 144 bytes; the file has 2 after it and the limit is "
        "100000000 (truncated, or not a safetensors file)");
  CHECK(reason("\xff\xff\xff\xff\xff\xff\xff\xff{}"s)
            .starts_with("the table's length is given as "
                         "18446744073709551615 bytes"));
  const std::string no_table =
      "expected a table that begins with '{' and has no zero bytes (not a safetensors file?)";
  CHECK(reason(file_of("", "")) == no_table);
  CHECK(reason(file_of(" {}", "")) == no_table);
  CHECK(reason(file_of("\xef\xbb\xbf{}", "")) == no_table);
  CHECK(reason(file_of("{}\0junk"s, "")) == no_table);
  CHECK(reason(file_of("{} x", "")).starts_with("the table is not JSON, at its byte 4: "));
  CHECK(reason(file_of("{\"a\":\"\xff\"}", "")).starts_with("the table is not JSON"));
  CHECK(reason(file_of("{\"a\":" + std::string(100000, '['), "")) ==
        "'a' is a list, expected an object");
  CHECK(reason(file_of("{\"a\":3}", "")) == "'a' is a number, expected an object");
  CHECK(reason(file_of("{\"__metadata__\":{\"k\":3}}", "")) ==
        "metadata 'k' is a number, expected a string");
  CHECK(reason(file_of("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", "")) ==
        "metadata 'k' is there twice");
  const std::string fields = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";
  CHECK(reason(file_of("{\"a\":{" + fields + "},\"a\":{" + fields + "}}", eight)) ==
        "'a' is there twice");
  CHECK(reason(file_of(entry(fields + ",\"shape\":[2]"), eight)) == "'a' has shape twice");
  const std::string kinds =
      "; expected dtype (a string), shape and data_offsets (lists of whole numbers)";
  CHECK(reason(file_of(entry(fields + ",\"more\":[2]"), eight)) ==
        "'a' has a list in more" + kinds);
  CHECK(reason(file_of(entry("\"shape\":{}"), "")) == "'a' has an object in shape" + kinds);
  CHECK(reason(file_of(entry("\"shape\":null"), "")) == "'a' has null in shape" + kinds);
  CHECK(reason(file_of(entry("\"shape\":[[2]]"), "")) == "'a' has a list in shape" + kinds);
  CHECK(reason(file_of(f32("-2", "0,8"), eight)) == "'a' has the number -2 in shape" + kinds);
  CHECK(reason(file_of(f32("2.0", "0,8"), eight)) ==
        "'a' has a number that is not a whole 64-bit one in shape" + kinds);
  CHECK(reason(file_of(f32("99999999999999999999", "0,8"), eight)) ==
        "'a' has a number that is not a whole 64-bit one in shape" + kinds);
  CHECK(reason(file_of(f32("1,1,1,1,1,1,2", "0,8"), eight)) == "'a' has over 6 numbers in shape");
  CHECK(reason(file_of(f32("2", "0,8,8"), eight)) == "'a' has over 2 numbers in data_offsets");
  CHECK(reason(file_of(f32("2", "0"), eight)) == "'a' lacks two numbers in data_offsets");
  CHECK(reason(file_of(entry("\"dtype\":\"F32\""), "")) == "'a' lacks shape");
  CHECK(reason(file_of(entry("\"shape\":[]"), "")) == "'a' lacks dtype");
  CHECK(reason(file_of(entry("\"dtype\":\"F8_E4M3\""), "")) ==
        "'a' is of type F8_E4M3; expected F64, F32, F16, BF16, I64, I32 or U8");
  CHECK(reason(file_of(f32("18446744073709551615", "0,8"), eight)) ==
        "'a' has a size of 18446744073709551615");
  CHECK(reason(file_of(f32("4294967296,4294967296", "0,0"), "")) ==
        "'a': shape: too many elements");
  CHECK(reason(file_of(f32("3", "0,8"), eight)) == "'a' lies at [0, 8), but f32 [3] has 12 bytes");
  CHECK(reason(file_of(f32("2", "8,0"), eight)) == "'a' lies at [8, 0), but f32 [2] has 8 bytes");
  CHECK(reason(file_of(f32("2", "18446744073709551608,0"), eight)) ==
        "'a' lies at [18446744073709551608, 0), but f32 [2] has 8 bytes");
  CHECK(reason(file_of(f32("281474976710656", "0,1125899906842624"), eight)) ==
        "'a' ends at byte 1125899906842624 of the data, but there are 8 (truncated?)");
  CHECK(reason(file_of(f32("1", "4,8"), eight)) ==
        "'a' begins at byte 4, expected 0 (bytes of no tensor)");
  CHECK(reason(file_of(f32("1", "0,4"), eight)) ==
        "the tensors end at byte 4 of the data, but there are 8");
  const std::string two =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[7,10]}}";
  CHECK(reason(file_of(two, eight + "yz")) == "'b' begins at byte 7, expected 8 (tensors overlap)");
}

TEST_CASE("checkpoint: what is no file is refused", "[checkpoint]") {
  TemporaryFolder folder;
  const auto reason = [&](const std::string& path) {
    return text_of<FileError>([&] { load_checkpoint(path); });
  };
  const std::string pipe = folder / "pipe", none = folder / "none";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(reason(none) == none + ": cannot be opened: No such file or directory");
  CHECK(reason(folder.path) == folder.path.string() + ": expected a file, found a folder");
  CHECK(reason(pipe) == pipe + ": expected a regular file, found a device or pipe");
}

TEST_CASE("checkpoint: a failed write leaves the old file and nothing else", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors", part = path + ".part";
  put(path, "old");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);  // the disk is full after 100 bytes
  const std::string text = text_of<FileError>([&] { save_checkpoint(path, sample()); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(text == part + ": cannot be written: File too large");
  CHECK(bytes_of(path) == "old");
  CHECK(!fs::exists(part));

  const std::string lost = folder / "none/a";
  CHECK(text_of<FileError>([&] { save_checkpoint(lost, {}); }) ==
        lost + ".part: cannot be opened: No such file or directory");
  const std::string taken = folder / "taken";
  fs::create_directory(taken);
  CHECK(text_of<FileError>([&] { save_checkpoint(taken, {}); }) ==
        taken + ": cannot be replaced by " + taken + ".part: Is a directory");
  CHECK(!fs::exists(taken + ".part"));
  CHECK(text_of([&] {
          save_checkpoint(path, {{{"x", Tensor{}}}, {}});
        }) == "save_checkpoint: 'x' is no tensor");
  CHECK(text_of([&] {
          save_checkpoint(path, {{{"__metadata__", Tensor::zeros({1})}}, {}});
        }) == "save_checkpoint: a tensor cannot have the name __metadata__");
  CHECK(text_of([&] { save_checkpoint(path, {{}, {{"k", "\xff"}}}); }).ends_with("not UTF-8"));
  CHECK(bytes_of(path) == "old");
}

// Every change of a byte in front of the data (each of its bits, and some telling characters) and
// every truncation either loads or is a FileError, and takes no memory to speak of.
TEST_CASE("checkpoint: damaged files load or are refused", "[checkpoint]") {
  TemporaryFolder folder;
  const std::string path = folder / "a.safetensors";
  memory::reset_peak();
  const std::size_t before = memory::peak();
  int loaded = 0, refused = 0;
  const auto attempt = [&] {
    try {
      load_checkpoint(path);
      ++loaded;
    } catch (const FileError&) {
      ++refused;
    }
  };
  put(path, kOfficial);
  const std::size_t front = kOfficial.size() - 89;
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto with_byte = [&](std::size_t i, char c) {  // in place: rewriting the file takes longer
    file.seekp(std::streamoff(i)).put(c).flush();
    attempt();
  };
  for (std::size_t i = 0; i < front; ++i) {
    for (int bit = 0; bit < 8; ++bit) with_byte(i, char(kOfficial[i] ^ (1 << bit)));
    for (const char c : "{}[]\",:0-e\\u \xff"s) with_byte(i, c);
    file.seekp(std::streamoff(i)).put(kOfficial[i]).flush();
  }
  CHECK(loaded > 100);  // a name may change
  CHECK(refused > 1000);
  attempt();
  CHECK(bytes_of(path) == kOfficial);
  loaded = 0;
  for (std::size_t n = kOfficial.size(); n-- > 0;) {
    fs::resize_file(path, n);
    attempt();
  }
  CHECK(loaded == 0);
  CHECK(memory::peak() <= before + 10 * kOfficial.size());
}

TEST_CASE("checkpoint: the bootstrap weights", "[checkpoint]") {
  const fs::path path = shared_dir() / "weights/munet18-bootstrap.safetensors";
  if (!fs::exists(path))
    return skip("no weights/munet18-bootstrap.safetensors in the shared folder");
  const Checkpoint c = load_checkpoint(path);
  CHECK(c.tensors.size() == 207);
  CHECK(c.metadata.at("munet").starts_with("{\"format\": 1, \"backbone\": \"resnet18\""));
  CHECK(c.tensors.at("encoder_q.conv1.weight").shape() == Shape{64, 7, 7, 3});
  CHECK(c.tensors.at("encoder_q.bn1.weight").dtype() == DType::f16);
}

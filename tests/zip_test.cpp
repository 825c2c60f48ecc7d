// Archives read back by the letter of the format.
#include "data/zip.h"

#include <sys/resource.h>

#include <map>

#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/zip_reader.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

TEST_CASE("zip: the check value of CRC-32, and of nothing", "[zip]") {
  CHECK(munet::crc32(bytes("123456789")) == 0xcbf43926u);
  CHECK(munet::crc32({}) == 0);
}

TEST_CASE("zip: files come back with their names, and nothing is half-written", "[zip]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.zip";
  const std::map<std::string, std::string> files = {{"Annotations/a/00000.png", "123456789"},
                                                    {"Annotations/b/caf\xc3\xa9.png", ""},
                                                    {"c", std::string(70000, 'x')}};
  {
    ZipWriter zip(path);
    for (const auto& [name, content] : files) zip.add(name, bytes(content));
    CHECK_FALSE(fs::exists(path));
    zip.finish();
  }
  CHECK(fs::exists(path));
  CHECK_FALSE(fs::exists(path.string() + ".part"));
  CHECK(read_zip(path) == files);
  {
    ZipWriter unfinished(folder / "b.zip");
    unfinished.add("a", bytes("b"));
  }
  CHECK_FALSE(fs::exists(folder / "b.zip"));
  CHECK_FALSE(fs::exists(folder / "b.zip.part"));
  CHECK(file_error([&] { ZipWriter(folder / "no/such.zip"); }) ==
        "write_zip: cannot write " + (folder / "no/such.zip").string() +
            ": No such file or directory");
}

TEST_CASE("zip: more files than the format can hold", "[zip]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "many.zip";
  const auto write = [&](int count) {
    ZipWriter zip(path);
    for (int i = 0; i < count; ++i) zip.add(std::to_string(i), {});
    zip.finish();
  };
  write(65535);
  CHECK(read_zip(path).size() == 65535);
  CHECK(file_error([&] { write(65536); }) ==
        "write_zip: cannot write " + path.string() +
            ": it would hold more than 65535 files, which the format cannot");
}

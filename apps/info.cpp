// Plain text for people; told by the content of the file.
#include "apps/info.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/units.h"
#include "data/file.h"
#include "data/image.h"
#include "data/mask.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"

namespace {

using namespace munet;

// 8546945 -> "8,546,945".
std::string grouped(int64_t n) {
  std::string text = std::to_string(n);
  for (int at = int(text.size()) - 3; at > 0; at -= 3) text.insert(std::size_t(at), 1, ',');
  return text;
}

struct Group {
  int64_t tensors = 0, parameters = 0, statistics = 0, bytes = 0;
  std::map<std::string, int64_t> types;
  void add(const std::string& name, const Tensor& tensor) {
    ++tensors;
    (name.find(".running_") == std::string::npos ? parameters : statistics) += tensor.numel();
    bytes += tensor.bytes();
    types[munet::name(tensor.dtype())] += 1;
  }
};

void print_group(const std::string& name, const Group& group) {
  std::string types;
  for (const auto& [type, count] : group.types) types += (types.empty() ? "" : " ") + type;
  std::printf("  %-20s %8s %13s %12s %11s  %s\n", name.c_str(), grouped(group.tensors).c_str(),
              grouped(group.parameters).c_str(), grouped(group.statistics).c_str(),
              format_bytes(double(group.bytes)).c_str(), types.c_str());
}

void print_checkpoint(const std::string& path) {
  const nn::Checkpoint checkpoint = nn::load_checkpoint(path, nn::Layout::plain);
  Group all;
  std::map<std::string, Group> groups;  // by the first part of the name
  for (const auto& [name, tensor] : checkpoint.tensors) {
    groups[name.substr(0, name.find('.'))].add(name, tensor);
    all.add(name, tensor);
  }
  std::printf("%s: safetensors, %s\n", path.c_str(), format_bytes(double(all.bytes)).c_str());
  for (const auto& [key, value] : checkpoint.metadata) {
    std::printf("%s:\n", key.c_str());
    const nlohmann::json keys = nlohmann::json::parse(value, nullptr, false);
    if (!keys.is_object())
      std::printf("  %s\n", value.c_str());
    else
      for (const auto& [name, setting] : keys.items())
        std::printf(
            "  %-20s %s\n", name.c_str(),
            setting.is_string() ? setting.get<std::string>().c_str() : setting.dump().c_str());
  }
  std::printf("tensors:\n  %-20s %8s %13s %12s %11s\n", "group", "tensors", "parameters",
              "statistics", "bytes");
  for (const auto& [name, group] : groups) print_group(name, group);
  print_group("total", all);
}

void print_mask(const std::string& path, const Mask& mask) {
  std::array<int64_t, 256> count{};
  for (const uint8_t id : mask.ids) ++count[id];
  std::printf("%s: mask, %dx%d, %s, %zu objects\n", path.c_str(), mask.width, mask.height,
              mask.painted           ? "painted"
              : mask.palette.empty() ? "grey"
                                     : "palette",
              ids_in(mask).size());
  std::printf("  %3s %12s %8s  %s\n", "id", "pixels", "share",
              mask.palette.empty() ? "" : "colour");
  for (std::size_t id = 0; id < 256; ++id) {
    if (count[id] == 0) continue;
    std::printf("  %3zu %12s %7.3f%%", id, grouped(count[id]).c_str(),
                100.0 * double(count[id]) / double(mask.ids.size()));
    if (3 * id + 2 < mask.palette.size())
      std::printf("  #%02x%02x%02x", mask.palette[3 * id], mask.palette[3 * id + 1],
                  mask.palette[3 * id + 2]);
    std::printf("\n");
  }
}

// A checkpoint begins with the length of its table, 8 bytes, and the table's brace.
bool looks_like_checkpoint(const std::vector<uint8_t>& bytes) {
  return bytes.size() > 8 && bytes[6] == 0 && bytes[7] == 0 && bytes[8] == '{';
}

void info(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file("info", path, uint64_t{1} << 36);
  if (looks_like_checkpoint(bytes) || path.ends_with(".safetensors")) return print_checkpoint(path);
  if (bytes.size() > 8 && bytes[0] == 0x89 && bytes[1] == 'P') {
    try {
      return print_mask(path, read_mask(path));
    } catch (const FileError&) {  // a PNG, but no mask: a picture, or damaged, which comes next
    }
  }
  const Image image = read_image(path);
  std::printf("%s: picture, %dx%d, RGB\n", path.c_str(), image.width, image.height);
}

}  // namespace

void add_info(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("info", "What a checkpoint, a mask or a picture holds");
  command->footer(
      "Examples:\n"
      "  munet info masks/00001.png\n"
      "  munet info munet18.safetensors");
  command->add_option("FILE", *path, "safetensors, PNG, JPEG, BMP, PNM or TGA")->required();
  command->callback([path] { info(*path); });
}

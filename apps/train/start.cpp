// Names decide: a prefix is taken off if the trunk's first convolution is found under it.
#include "apps/train/start.h"

#include <string>
#include <vector>

#include "nn/checkpoint.h"
#include "nn/init.h"
#include "nn/torch_file.h"
#include "tensor/error.h"

using namespace munet;

namespace {

constexpr std::size_t kListed = 8;  // names per line

std::string listed(const std::vector<std::string>& names) {
  std::string text = str(names.size());
  for (std::size_t i = 0; i < names.size() && i < kListed; ++i)
    text += (i ? ", " : ": ") + names[i];
  return names.size() > kListed ? text + ", ..." : text;
}

// The file's names without the prefix that a whole detector or a wrapper puts before a trunk; what
// has it not is put into brackets.
nn::StateDict trunk_of(const nn::StateDict& file) {
  const std::string stem = "conv1.weight";
  for (const auto& [name, tensor] : file) {
    if (!name.ends_with(stem)) continue;
    const std::string prefix = name.substr(0, name.size() - stem.size());
    if (!file.count(prefix + "layer1.0.conv1.weight")) continue;
    nn::StateDict trunk;
    for (const auto& [other, value] : file)
      trunk.emplace(other.starts_with(prefix) ? other.substr(prefix.size()) : "(" + other + ")",
                    value);
    return trunk;
  }
  return {};
}

struct Report {
  std::vector<std::string> fresh, ignored;
  int64_t matched = 0;
  std::string text(const std::string& path, const std::string& kind) const {
    return str(path, ": ", kind, "; matched ", matched, " tensors; new ", listed(fresh),
               "; ignored ", listed(ignored));
  }
};

Report copy_into(nn::Module& module, const nn::StateDict& state) {
  const nn::LoadReport loaded = nn::load(module, state, nn::Strict::no);
  return {loaded.missing, loaded.unexpected, loaded.loaded};
}

}  // namespace

void start_weights(MUNet& model, uint64_t seed) {
  for (const auto& [name, tensor] : nn::parameters(model)) {
    if (tensor.rank() != 4 || !name.starts_with("encoder_")) continue;
    Rng rng = nn::named_rng(seed, name);
    if (name.find("conv1_") != std::string::npos)
      nn::fill_normal(tensor, 0, 0.05, rng);
    else
      nn::fill_kaiming_normal(tensor, rng);
  }
}

std::string load_start(MUNet& model, const std::string& path) {
  const nn::Checkpoint file =
      nn::is_torch_file(path) ? nn::load_torch_file(path) : nn::load_checkpoint(path);
  if (file.tensors.count("encoder_q.conv1.weight"))
    return copy_into(model, file.tensors).text(path, "a munet checkpoint");
  const nn::StateDict trunk = trunk_of(file.tensors);
  check<FileError>(!trunk.empty(), path,
                   ": expected a munet checkpoint or a ResNet with torchvision's names; found no "
                   "trunk (conv1.weight and layer1.0.conv1.weight) among ",
                   file.tensors.size(), " tensors");
  Report report = copy_into(model.encoder_q, trunk);
  const Report second = copy_into(model.encoder_r, trunk);
  report.matched += second.matched;
  report.fresh = second.fresh;  // the mask inputs too
  return report.text(path, "a ResNet, into both encoders");
}

// Weights: from a checkpoint to what all segmenters share.
#include <cstring>
#include <utility>

#include "munet/stream.h"
#include "nn/fold.h"

namespace munet {
namespace {

// A number that other keys or other weights do not have: FNV-1a over words of 8 bytes (Fowler,
// Noll, Vo), with a shift so that high bits come back down.
class Fingerprint {
 public:
  void add(const void* data, std::size_t bytes) {
    const char* at = static_cast<const char*>(data);
    for (; bytes > 0; at += 8) {
      uint64_t word = 0;
      const std::size_t n = std::min<std::size_t>(bytes, 8);
      std::memcpy(&word, at, n);
      state_ = (state_ ^ word) * 0x100000001b3;
      state_ ^= state_ >> 29;
      bytes -= n;
    }
  }
  std::string text() const {
    std::ostringstream out;
    out << std::hex << state_;
    return out.str();
  }

 private:
  uint64_t state_ = 0xcbf29ce484222325;
};

// Once packed, a convolution's weights as they were in the file are not read again.
struct Release : nn::Visitor {
  void tensor(const std::string&, Tensor& value, nn::Role) override {
    if (packed_) value = {};
  }
  void enter(const std::string& name, nn::Module& child) override {
    const bool outer = std::exchange(packed_, child.frozen());
    Visitor::enter(name, child);
    packed_ = outer;
  }

 private:
  bool packed_ = false;
};

}  // namespace

Weights::Weights(const std::string& checkpoint, const std::string& device,
                 const std::string& precision)
    : model_(std::make_shared<Model>()) {
  model_->device = parse_device(device);
  model_->precision = parse_precision(precision);
  const bool cuda = model_->device.kind == Device::cuda;
  check(cuda || model_->precision == Precision::f32, "segmenter: the CPU computes in f32; given ",
        precision, " (tf32, bf16 and f16 are for --device cuda)");
  if (cuda) cuda_backend();  // before the file is read: DeviceError if there is none
  model_->net = load_model(checkpoint);
  MUNet& net = *model_->net;
  Fingerprint fingerprint;
  const std::string keys = to_json(net.config);
  fingerprint.add(keys.data(), keys.size());
  for (const nn::NamedTensor& named : nn::tensors(net))
    fingerprint.add(named.tensor.raw(), std::size_t(named.tensor.bytes()));
  model_->fingerprint = fingerprint.text();
  if (cuda) nn::to(net, model_->device);
  model_->bytes = std::size_t(nn::freeze(net, model_->storage()).packed_bytes);
  Release().walk(net);
}

std::size_t Weights::bytes() const { return model_->bytes; }

}  // namespace munet

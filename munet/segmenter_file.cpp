// A running segmenter as a safetensors file, and back.
#include "autograd/node.h"
#include "munet/stream.h"
#include "nn/checkpoint.h"

namespace munet {

void Segmenter::save(const std::string& path, const std::string& note) const {
  const State& s = *state_;
  nn::Checkpoint file;
  file.metadata = {{"munet_state", note}, {"munet_weights", s.weights->fingerprint}};
  s.bank.save(file.tensors);
  const Frame none, &last = s.last ? *s.last : none;
  const auto store = [&](const char* name, const auto& values) {
    const std::vector<int64_t> numbers(values.begin(), values.end());
    if (!numbers.empty()) file.tensors[name] = Tensor::from(numbers, {int64_t(numbers.size())});
  };
  store("frames", std::vector<int64_t>{s.frames, last.index, s.next, s.jump});
  if (s.last) {
    store("size", std::vector<int64_t>{last.geometry.input_width, last.geometry.input_height});
    store("ids", last.ids);
    store("named", last.named);
    if (!last.given.empty())
      file.tensors["given"] = Tensor::from(last.given, {int64_t(last.given.size())});
    file.tensors["x"] = last.x.to(Device{}).to(DType::f32);  // exact from a half type, and back
    file.tensors["probability"] = last.probability.to(Device{});
    if (last.masks) file.tensors["masks"] = last.masks.to(Device{});
  }
  nn::save_checkpoint(path, file, false, nn::Layout::plain);
}

std::string Segmenter::load(const std::string& path) {
  State& s = *state_;
  const nn::Checkpoint file = nn::load_checkpoint(path, nn::Layout::plain);
  const auto note = file.metadata.find("munet_state");
  const auto numbers = [&](const char* name) {
    const auto found = file.tensors.find(name);
    return found == file.tensors.end() ? std::vector<int64_t>{}
                                       : found->second.to_vector<int64_t>();
  };
  const auto tensor = [&](const char* name) {
    const auto found = file.tensors.find(name);
    return found == file.tensors.end() ? Tensor{} : found->second;
  };
  const std::vector<int64_t> frames = numbers("frames"), size = numbers("size"),
                             ids = numbers("ids"), named = numbers("named");
  const auto need = [&](bool ok, const char* what) {
    check<FileError>(ok, "segmenter: ", path, ": expected ", what,
                     "; found something else; it was not saved by a segmenter with these options");
  };
  need(note != file.metadata.end() && frames.size() == 4, "a saved segmenter");
  const auto weights = file.metadata.find("munet_weights");
  check<FileError>(weights != file.metadata.end() && weights->second == s.weights->fingerprint,
                   "segmenter: ", path, ": it was saved by a segmenter with other weights");
  std::optional<Frame> last;
  if (!size.empty()) {
    need(size.size() == 2, "the frame's size");
    last.emplace();
    last->geometry = frame_geometry(size[0], size[1], s.options.shorter_side, s.options.enlarge);
    const FrameGeometry& g = last->geometry;
    last->index = frames[1];
    last->ids.assign(ids.begin(), ids.end());
    last->named.insert(named.begin(), named.end());
    last->x = tensor("x");
    last->probability = tensor("probability");
    last->masks = tensor("masks");
    if (const Tensor given = tensor("given")) last->given = given.to_vector<uint8_t>();
    const int64_t n = int64_t(ids.size());
    need(last->x && last->x.shape() == Shape({1, g.padded_height, g.padded_width, 3}), "x");
    need(last->probability &&
             last->probability.shape() == Shape({1, g.input_height, g.input_width, n + 1}),
         "probability");
    need(!last->masks || last->masks.shape() == Shape({n, g.padded_height, g.padded_width}),
         "masks");
    need(last->given.empty() || int64_t(last->given.size()) == g.input_width * g.input_height,
         "given");
    NoGrad no_grad;
    last->x = s.on_device(last->x);
    last->probability = last->probability.to(s.weights->device);
    if (last->masks) last->masks = last->masks.to(s.weights->device);
    last->query = {{}, Replay::keep(s.encode(last->x).motion)};
  }
  MemoryBank bank = s.bank;
  bank.clear();
  bank.load(file.tensors, s.weights->device, s.weights->storage());
  for (const int id : last ? last->ids : std::vector<int>{})
    for (const MemorySlot* slot : bank.slots(id))
      need(slot->positions == last->x.dim(1) / 16 * (last->x.dim(2) / 16) &&
               slot->key_dim == s.net().config.key_dim &&
               slot->value_dim == s.net().config.value_dim,
           "memory of the frame's size");
  s.bank = std::move(bank);
  s.frames = frames[0];
  s.next = frames[2];
  s.jump = frames[3] != 0;
  s.last = std::move(last);
  s.announced.clear();
  return note->second;
}

}  // namespace munet

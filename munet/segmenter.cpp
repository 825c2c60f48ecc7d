#include "munet/segmenter.h"

#include <algorithm>
#include <optional>
#include <set>

#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/upsample.h"
#include "munet/frame.h"
#include "munet/memory_bank.h"
#include "munet/model.h"
#include "nn/checkpoint.h"
#include "nn/fold.h"
#include "tensor/image_resize.h"

namespace munet {
namespace {

// What one frame leaves behind: its result, and what the next frame needs of it.
struct Frame {
  FrameGeometry geometry;
  int64_t index = 0;
  Tensor x;  // prepared
  QueryFeatures query;
  std::vector<int> ids;  // the objects, ascending; channel k+1 of P is ids[k]
  std::set<int> named;   // of them, those whose mask was given with this frame
  Tensor probability;    // P [1, height, width, n+1] at working size, channel 0 the background
  Tensor masks;          // [n, padded_height, padded_width]: what is to be memorised
  std::vector<uint8_t> given;  // ids at input size, empty if no mask came with the frame
};

// The ids of a mask view without stride and void, and the set of objects it names.
std::vector<uint8_t> read_ids(const MaskView& mask, const FrameGeometry& g, std::set<int>& named) {
  check<ShapeError>(mask.ids && mask.width == g.input_width && mask.height == g.input_height,
                    "segmenter: expected a mask of the frame's size ", g.input_width, "x",
                    g.input_height, "; given ", mask.width, "x", mask.height);
  const std::ptrdiff_t stride = mask.stride ? mask.stride : mask.width;
  std::vector<uint8_t> ids;
  ids.reserve(std::size_t(mask.width) * std::size_t(mask.height));
  for (int i = 0; i < mask.height; ++i) {
    const unsigned char* row = mask.ids + i * stride;
    std::transform(row, row + mask.width, std::back_inserter(ids),
                   [](unsigned char id) { return id == 255 ? 0 : id; });
  }
  bool seen[256] = {};
  for (uint8_t id : ids) seen[id] = true;
  for (int id = 1; id < 255; ++id)
    if (seen[id]) named.insert(id);
  check(!named.empty(), "segmenter: the given mask names no object (every pixel is 0 or 255)");
  return ids;
}

// Channels 1..n of P as masks [n, padded_height, padded_width].
Tensor masks_of(const Tensor& probability, const FrameGeometry& g) {
  const int64_t n = probability.dim(3) - 1, pixels = g.height * g.width;
  Tensor masks = Tensor::empty({n, g.height, g.width});
  const float* from = probability.data<float>();
  for (int64_t k = 0; k < n; ++k) {
    float* to = masks.data<float>() + k * pixels;
    for (int64_t i = 0; i < pixels; ++i) to[i] = from[i * (n + 1) + k + 1];
  }
  return pad_masks(masks, g);
}

}  // namespace

struct Segmenter::State {
  SegmenterOptions options;
  std::unique_ptr<MUNet> model;
  MemoryBank bank;
  int top_k = 0;
  int64_t frames = 0;
  std::optional<Frame> last;

  std::size_t slot_bytes(const FrameGeometry& g) const {
    return std::size_t(packed_memory_bytes(g.padded_height / 16 * (g.padded_width / 16),
                                           model->config.key_dim, model->config.value_dim));
  }

  // Puts the last frame into the bank, for the objects it has.
  void memorize_last() {
    if (last->ids.empty() || !last->masks) return;
    const KeyValue kv = model->memorize(last->x, last->masks);
    const int64_t n = int64_t(last->ids.size()), positions = kv.key.dim(1) * kv.key.dim(2);
    bank.make_room(slot_bytes(last->geometry), n);
    const Tensor keys = kv.key.view({n * positions, kv.key.dim(3)});
    const Tensor values = kv.value.view({n * positions, kv.value.dim(3)});
    for (int64_t k = 0; k < n; ++k)
      bank.add(
          last->ids[std::size_t(k)], last->index, last->named.count(last->ids[std::size_t(k)]),
          pack_memory(keys.rows(k * positions, positions), values.rows(k * positions, positions)));
    last->masks = {};  // memorised once
  }

  // z [n, padded_height, padded_width] of the objects known before this frame.
  Tensor segment(const Frame& frame) {
    const Tensor f_out = model->fuse_motion(frame.query, &last->query);
    const KeyValue kv = model->query_key_value(f_out);
    const int64_t positions = kv.key.dim(1) * kv.key.dim(2);
    const Tensor question = kv.key.view({positions, kv.key.dim(3)});
    Tensors read;
    for (int id : last->ids)
      read.push_back(
          memory_read(bank.slots(id), question, top_k).view({1, positions, kv.value.dim(3)}));
    return model->decode(read.size() == 1 ? read[0] : concat(read, 0), kv.value, frame.query);
  }

  void predict(Frame& frame) {
    frame.ids = last->ids;
    frame.probability = unpad(softmax(soft_aggregate(segment(frame)), -1), frame.geometry);
  }

  // network.md 8, a mask given at a later frame: its pixels are certain; where it is 0 the objects
  // it names are absent and the others keep their prediction, among themselves.
  void apply_given(Frame& frame) {
    const FrameGeometry& g = frame.geometry;
    std::vector<int> others;
    if (last)
      std::copy_if(last->ids.begin(), last->ids.end(), std::back_inserter(others),
                   [&](int id) { return !frame.named.count(id); });
    Tensor predicted;  // P of background and `others`
    if (!others.empty()) {
      const Tensor z = segment(frame);
      Tensors kept;
      for (std::size_t k = 0; k < last->ids.size(); ++k)
        if (!frame.named.count(last->ids[k])) kept.push_back(z.rows(int64_t(k), 1));
      predicted =
          unpad(softmax(soft_aggregate(kept.size() == 1 ? kept[0] : concat(kept, 0)), -1), g);
    }

    std::set<int> all(frame.named);
    all.insert(others.begin(), others.end());
    frame.ids.assign(all.begin(), all.end());
    int channel[256] = {};  // of an id in P
    for (std::size_t k = 0; k < frame.ids.size(); ++k) channel[frame.ids[k]] = int(k) + 1;

    std::vector<uint8_t> ids(std::size_t(g.width * g.height));
    resize_ids(frame.given.data(), int(g.input_width), int(g.input_height), g.input_width,
               ids.data(), int(g.width), int(g.height));
    const int64_t count = int64_t(frame.ids.size()) + 1, old = int64_t(others.size()) + 1;
    frame.probability = Tensor::zeros({1, g.height, g.width, count});
    float* to = frame.probability.data<float>();
    const float* from = predicted ? predicted.data<float>() : nullptr;
    for (uint8_t id : ids) {
      if (id) {
        to[channel[id]] = 1;
      } else if (!from) {
        to[0] = 1;
      } else {
        to[0] = from[0];
        for (std::size_t k = 0; k < others.size(); ++k) to[channel[others[k]]] = from[k + 1];
      }
      to += count;
      if (from) from += old;
    }
  }
};

Segmenter::Segmenter(const std::string& checkpoint, SegmenterOptions options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  check<DeviceError>(parse_device(options.device).kind == Device::cpu,
                     "segmenter: expected device cpu; given ", options.device,
                     " (this build computes on the CPU)");
  check(options.precision == "f32", "segmenter: expected precision f32; given '", options.precision,
        "'");
  check(options.top_k >= -1, "segmenter: expected top_k >= 0, or -1 for the model's own; given ",
        options.top_k);
  check(options.shorter_side == 0 || options.shorter_side >= 16,
        "segmenter: expected a shorter side of at least 16 pixels, or 0; given ",
        options.shorter_side);
  s.bank = MemoryBank({options.memory, options.every, options.last, options.memory_budget});
  s.model = load_model(checkpoint);
  s.top_k = options.top_k < 0 ? s.model->config.top_k : options.top_k;
  nn::freeze(*s.model);
  s.options = std::move(options);
}

Segmenter::~Segmenter() = default;
Segmenter::Segmenter(Segmenter&&) noexcept = default;
Segmenter& Segmenter::operator=(Segmenter&&) noexcept = default;

void Segmenter::step(FrameView view, const MaskView* given) {
  State& s = *state_;
  NoGrad no_grad;
  check(view.rgb != nullptr, "segmenter: the frame has no pixels (null pointer)");
  Frame frame;
  frame.geometry = frame_geometry(view.width, view.height, s.options.shorter_side);
  frame.index = s.frames;
  const FrameGeometry& g = frame.geometry;
  check<ShapeError>(!s.last || (s.last->geometry.input_width == g.input_width &&
                                s.last->geometry.input_height == g.input_height),
                    "segmenter: expected a frame of ", s.last ? s.last->geometry.input_width : 0,
                    "x", s.last ? s.last->geometry.input_height : 0, " like those before; given ",
                    view.width, "x", view.height, " (reset() starts a new video)");
  if (given) {
    frame.given = read_ids(*given, g, frame.named);
    std::set<int> all(frame.named);
    if (s.last) all.insert(s.last->ids.begin(), s.last->ids.end());
    const int64_t pending = s.last && s.last->masks ? int64_t(s.last->named.size()) : 0;
    s.bank.check_room(s.slot_bytes(g), int64_t(frame.named.size()) + pending, int64_t(all.size()));
  }
  const std::ptrdiff_t stride = view.stride ? view.stride : std::ptrdiff_t(view.width) * 3;
  frame.x = prepare_frame(view.rgb, stride, g, s.model->config.pad_order);
  frame.query = s.model->encode_query(frame.x);
  if (s.last) s.memorize_last();

  if (given) {
    s.apply_given(frame);
  } else if (s.last && !s.last->ids.empty()) {
    s.predict(frame);
  } else {
    frame.probability = Tensor::full({1, g.height, g.width, 1}, 1);
  }
  s.bank.forget_transient();
  if (!frame.ids.empty()) frame.masks = masks_of(frame.probability, g);
  if (g.width != g.input_width || g.height != g.input_height)
    frame.probability =
        upsample_bilinear(frame.probability, {.height = g.input_height, .width = g.input_width});
  s.last = std::move(frame);
  ++s.frames;
}

std::vector<unsigned char> Segmenter::labels() const {
  check(state_->last.has_value(), "segmenter: labels before the first step");
  const Frame& frame = *state_->last;
  const int64_t count = frame.probability.dim(3);
  const float* p = frame.probability.data<float>();
  std::vector<unsigned char> labels(std::size_t(frame.probability.numel() / count));
  for (std::size_t i = 0; i < labels.size(); ++i, p += count) {
    if (!frame.given.empty() && frame.given[i]) {  // certain, whatever resizing made of it
      labels[i] = frame.given[i];
      continue;
    }
    const int64_t best = std::max_element(p, p + count) - p;
    const int id = best ? frame.ids[std::size_t(best - 1)] : 0;
    labels[i] = static_cast<unsigned char>(frame.named.count(id) ? 0 : id);
  }
  return labels;
}

std::vector<float> Segmenter::probability(int id) const {
  check(state_->last.has_value(), "segmenter: probability before the first step");
  const Frame& frame = *state_->last;
  const auto found = std::find(frame.ids.begin(), frame.ids.end(), id);
  check(found != frame.ids.end(), "segmenter: no object ", id);
  const int64_t channel = found - frame.ids.begin() + 1, count = frame.probability.dim(3);
  std::vector<float> soft(std::size_t(frame.probability.numel() / count));
  for (std::size_t i = 0; i < soft.size(); ++i)
    soft[i] = frame.probability.data<float>()[int64_t(i) * count + channel];
  return soft;
}

void Segmenter::correct(int id, const std::vector<float>& probability) {
  check(state_->last.has_value(), "segmenter: correct before the first step");
  Frame& frame = *state_->last;
  const FrameGeometry& g = frame.geometry;
  const auto found = std::find(frame.ids.begin(), frame.ids.end(), id);
  check(found != frame.ids.end(), "segmenter: no object ", id);
  check<ShapeError>(int64_t(probability.size()) == g.input_width * g.input_height,
                    "segmenter: expected a soft mask of ", g.input_width, "x", g.input_height,
                    " values; given ", probability.size());
  check(frame.masks.defined(),
        "segmenter: the last frame is memorised already (its next step failed)");
  Tensor soft = Tensor::from(probability, {1, g.input_height, g.input_width, 1});
  soft = upsample_bilinear(soft, {.height = g.height, .width = g.width});
  const Tensor padded = pad_masks(soft.view({1, g.height, g.width}), g);
  const Tensor channel = frame.masks.rows(found - frame.ids.begin(), 1);
  std::copy_n(padded.data<float>(), padded.numel(), channel.data<float>());
}

std::vector<int> Segmenter::objects() const {
  return state_->last ? state_->last->ids : std::vector<int>{};
}

void Segmenter::remove(int id) {
  State& s = *state_;
  const std::vector<int> ids = objects();
  const auto found = std::find(ids.begin(), ids.end(), id);
  check(found != ids.end(), "segmenter: no object ", id);
  const std::size_t k = std::size_t(found - ids.begin());
  Frame& frame = *s.last;
  s.bank.remove(id);
  const auto without = [&](const Tensor& x, int axis, int64_t at) {
    const int64_t size = x.dim(axis);
    return concat({narrow(x, axis, 0, at), narrow(x, axis, at + 1, size - at - 1)}, axis);
  };
  NoGrad no_grad;
  frame.masks = ids.size() > 1 && frame.masks ? without(frame.masks, 0, int64_t(k)) : Tensor{};
  frame.probability = without(frame.probability, 3, int64_t(k) + 1);
  frame.ids.erase(frame.ids.begin() + std::ptrdiff_t(k));
  frame.named.erase(id);
  for (uint8_t& given : frame.given)
    if (given == id) given = 0;
}

void Segmenter::reset() {
  state_->bank.clear();
  state_->last.reset();
  state_->frames = 0;
}

std::int64_t Segmenter::frames() const { return state_->frames; }

MemoryReport Segmenter::memory() const {
  MemoryReport report;
  for (int id : objects())
    report.objects.push_back({id, state_->bank.frames(id), state_->bank.bytes(id)});
  report.bytes = state_->bank.bytes();
  report.budget = state_->options.memory_budget;
  return report;
}

void Segmenter::save(const std::string& path, const std::string& note) const {
  const State& s = *state_;
  nn::Checkpoint file;
  file.metadata = {{"munet_state", note}};
  s.bank.save(file.tensors);
  const Frame none, &last = s.last ? *s.last : none;
  const auto store = [&](const char* name, const auto& values) {
    const std::vector<int64_t> numbers(values.begin(), values.end());
    if (!numbers.empty()) file.tensors[name] = Tensor::from(numbers, {int64_t(numbers.size())});
  };
  store("frames", std::vector<int64_t>{s.frames, last.index});
  if (s.last) {
    store("size", std::vector<int64_t>{last.geometry.input_width, last.geometry.input_height});
    store("ids", last.ids);
    store("named", last.named);
    if (!last.given.empty())
      file.tensors["given"] = Tensor::from(last.given, {int64_t(last.given.size())});
    file.tensors["x"] = last.x;
    file.tensors["probability"] = last.probability;
    if (last.masks) file.tensors["masks"] = last.masks;
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
  need(note != file.metadata.end() && frames.size() == 2, "a saved segmenter");
  std::optional<Frame> last;
  if (!size.empty()) {
    need(size.size() == 2, "the frame's size");
    last.emplace();
    last->geometry = frame_geometry(size[0], size[1], s.options.shorter_side);
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
    last->query = s.model->encode_query(last->x);
  }
  MemoryBank bank = s.bank;
  bank.clear();
  bank.load(file.tensors);
  s.bank = std::move(bank);
  s.frames = frames[0];
  s.last = std::move(last);
  return note->second;
}

}  // namespace munet

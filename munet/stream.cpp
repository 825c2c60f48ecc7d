// One frame after the other: memorise the last, read the memory, decode, compete.
#include "munet/stream.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/upsample.h"
#include "munet/pixels.h"
#include "tensor/image_resize.h"

namespace munet {
namespace {

// The ids of a mask view without stride and void, and the set of objects it names.
std::vector<uint8_t> read_ids(const MaskView& mask, const FrameGeometry& g, std::set<int>& named) {
  check(mask.ids != nullptr, "segmenter: the mask has no ids (null pointer)");
  check<ShapeError>(mask.width == g.input_width && mask.height == g.input_height,
                    "segmenter: expected a mask of the frame's size ", g.input_width, "x",
                    g.input_height, "; given ", mask.width, "x", mask.height);
  const std::ptrdiff_t stride = checked_stride("the mask", mask.stride, mask.width);
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
  const int64_t n = probability.dim(3) - 1;
  const Tensor masks = transpose(narrow(probability, 3, 1, n).view({g.height * g.width, n}), 0, 1);
  return pad_masks(masks.view({n, g.height, g.width}), g);
}

}  // namespace

std::size_t Segmenter::State::slot_bytes(const FrameGeometry& g) const {
  return std::size_t(packed_memory_bytes(g.padded_height / 16 * (g.padded_width / 16),
                                         net().config.key_dim, net().config.value_dim,
                                         weights->device, weights->storage()));
}

std::size_t Segmenter::State::position(int id) const {
  const std::vector<int> none, &ids = last ? last->ids : none;
  const auto found = std::find(ids.begin(), ids.end(), id);
  check<UnknownObject>(found != ids.end(), "segmenter: no object ", id);
  return std::size_t(found - ids.begin());
}

void Segmenter::State::report(double done) const {
  if (progress && !progress(done)) throw Cancelled();
}

// Puts the last frame into the bank, for the objects it has.
void Segmenter::State::memorize_last() {
  if (last->ids.empty() || !last->masks) return;
  const KeyValue kv = net().memorize(last->x, last->masks);
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
Tensor Segmenter::State::segment(Frame& frame) {
  const bool moves = options.motion && !jump;
  const Tensor f_out =
      net().fuse_motion(frame.query, moves ? &last->query : nullptr, &frame.matched);
  const KeyValue kv = net().query_key_value(f_out);
  const int64_t positions = kv.key.dim(1) * kv.key.dim(2);
  const Tensor question = kv.key.view({positions, kv.key.dim(3)});
  Tensors read;
  for (int id : last->ids) {
    report(0.5 + 0.2 * double(read.size()) / double(last->ids.size()));
    read.push_back(
        memory_read(bank.slots(id), question, top_k).view({1, positions, kv.value.dim(3)}));
  }
  report(0.7);
  return net().decode(read.size() == 1 ? read[0] : concat(read, 0), kv.value, frame.query);
}

void Segmenter::State::predict(Frame& frame) {
  frame.ids = last->ids;
  frame.probability = unpad(softmax(soft_aggregate(segment(frame)), -1), frame.geometry);
}

// network.md 8, a mask given at a later frame: its pixels are certain; where it is 0 the objects
// it names are absent and the others keep their prediction, among themselves.
void Segmenter::State::apply_given(Frame& frame) {
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
    predicted = unpad(softmax(soft_aggregate(kept.size() == 1 ? kept[0] : concat(kept, 0)), -1), g);
  }

  std::set<int> all(frame.named);
  all.insert(others.begin(), others.end());
  frame.ids.assign(all.begin(), all.end());
  int channel[256] = {};  // of an id in P
  for (std::size_t k = 0; k < frame.ids.size(); ++k) channel[frame.ids[k]] = int(k) + 1;

  std::vector<uint8_t> ids(std::size_t(g.width * g.height));
  resize_ids(frame.given.data(), int(g.input_width), int(g.input_height), g.input_width, ids.data(),
             int(g.width), int(g.height));
  const int64_t count = int64_t(frame.ids.size()) + 1, old = int64_t(others.size()) + 1;
  const Tensor probability = Tensor::zeros({1, g.height, g.width, count});
  if (predicted) predicted = predicted.to(Device{});
  float* to = probability.data<float>();
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
  frame.probability = probability.to(weights->device);
}

Tensor Segmenter::State::on_device(const Tensor& x) const {
  return cast(x.to(weights->device), weights->storage());
}

void Segmenter::State::step(const FrameView& view, const MaskView* given) {
  NoGrad no_grad;
  set_fast_matmul(weights->precision == Precision::tf32);
  Frame frame;
  frame.geometry = frame_geometry(view.width, view.height, options.shorter_side);
  frame.index = next;
  const FrameGeometry& g = frame.geometry;
  check<ShapeError>(!last || (last->geometry.input_width == g.input_width &&
                              last->geometry.input_height == g.input_height),
                    "segmenter: expected a frame of ", last ? last->geometry.input_width : 0, "x",
                    last ? last->geometry.input_height : 0, " like those before; given ",
                    view.width, "x", view.height, " (reset() starts a new video)");
  if (given) {
    frame.given = read_ids(*given, g, frame.named);
    std::set<int> all(frame.named);
    if (last) all.insert(last->ids.begin(), last->ids.end());
    const int64_t pending = last && last->masks ? int64_t(last->named.size()) : 0;
    bank.check_room(slot_bytes(g), int64_t(frame.named.size()) + pending, int64_t(all.size()));
  }
  std::vector<uint8_t> converted;
  const RgbRows rgb = as_rgb(view, converted);
  frame.x = on_device(prepare_frame(rgb.rows, rgb.stride, g, net().config.pad_order));
  report(0.02);
  frame.query = net().encode_query(frame.x);
  report(0.3);
  if (last) {
    frame.ids_before = last->ids;
    frame.masks_before = last->masks;
    memorize_last();
  }
  report(0.45);

  if (given) {
    apply_given(frame);
  } else if (last && !last->ids.empty()) {
    predict(frame);
  } else {
    frame.probability = Tensor::full({1, g.height, g.width, 1}, 1, DType::f32, weights->device);
  }
  report(0.95);
  bank.forget_transient();
  if (!frame.ids.empty()) frame.masks = masks_of(frame.probability, g);
  if (g.width != g.input_width || g.height != g.input_height)
    frame.probability =
        upsample_bilinear(frame.probability, {.height = g.input_height, .width = g.input_width});
  last = std::move(frame);
  ++frames;
  next = last->index + 1;
  jump = false;
}

}  // namespace munet

// One frame after the other: memorise the last, read the memory, decode, compete. On a GPU each of
// the three parts (encode, memorise, segment) is recorded once for its shapes and then replayed.
#include "munet/stream.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/upsample.h"
#include "munet/pieces.h"
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

// P at the input's size.
Tensor enlarge(const Tensor& probability, const FrameGeometry& g) {
  if (g.width == g.input_width && g.height == g.input_height) return probability;
  return upsample_bilinear(probability, {.height = g.input_height, .width = g.input_width});
}

// What segment() takes. kKey .. kUsed: what the objects remember as memory_read_padded wants it;
// none on a CPU, which reads the bank's slots where they lie.
enum { kR4, kR3, kR2, kMotion, kMotionBefore, kKey, kValue, kUsed };

// Memory grows by this many frames at once, so that a recording serves as many frames of a video.
constexpr int64_t kBucket = 5;

}  // namespace

std::size_t Segmenter::State::slot_bytes(const FrameGeometry& g) const {
  return std::size_t(packed_memory_bytes(g.padded_height / 16 * (g.padded_width / 16),
                                         net().config.key_dim, net().config.value_dim,
                                         weights->device, weights->storage()));
}

Tensor Frame::mask_before(int id) const {
  const auto found = std::find(ids_before.begin(), ids_before.end(), id);
  if (!masks_before || found == ids_before.end()) return {};
  return masks_before.rows(found - ids_before.begin(), 1);
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

QueryFeatures Segmenter::State::encode(const Tensor& x) {
  const Tensors maps = replay("encode", {x}, [&](const Tensors& in) -> Tensors {
    const QueryFeatures query = net().encode_query(in[0]);
    return {query.trunk.r4, query.trunk.r3, query.trunk.r2, query.motion};
  });
  return {{maps[0], maps[1], maps[2]}, maps[3]};
}

// Puts the last frame into the bank, for the objects it has.
void Segmenter::State::memorize_last() {
  if (last->ids.empty() || !last->masks) return;
  const Tensors kv = replay("memorize", {last->x, last->masks}, [&](const Tensors& in) -> Tensors {
    const KeyValue found = net().memorize(in[0], in[1], options.nearness);
    return {found.key, found.value};
  });
  const int64_t n = int64_t(last->ids.size()), positions = kv[0].dim(1) * kv[0].dim(2);
  bank.make_room(slot_bytes(last->geometry), n);
  const Tensor keys = kv[0].view({n * positions, kv[0].dim(3)});
  const Tensor values = kv[1].view({n * positions, kv[1].dim(3)});
  for (int64_t k = 0; k < n; ++k)
    bank.add(
        last->ids[std::size_t(k)], last->index, last->named.count(last->ids[std::size_t(k)]),
        pack_memory(keys.rows(k * positions, positions), values.rows(k * positions, positions)));
  last->masks = {};  // memorised once
}

Tensors Segmenter::State::segment_inputs(const Frame& frame) const {
  const bool moves = options.motion && !jump;
  const QueryFeatures& query = frame.query;
  Tensors inputs{query.trunk.r4,
                 query.trunk.r3,
                 query.trunk.r2,
                 query.motion,
                 moves ? last->query.motion : Tensor(),
                 {},
                 {},
                 {}};
  if (weights->device.kind == Device::cpu) return inputs;
  const int64_t n = int64_t(last->ids.size()),
                cells = query.trunk.r4.dim(1) * query.trunk.r4.dim(2);
  int64_t most = 1;
  std::vector<int32_t> used;
  for (int id : last->ids) {
    most = std::max(most, bank.frames(id));
    used.push_back(int32_t(bank.frames(id) * cells));
  }
  const int64_t room = (most + kBucket - 1) / kBucket * kBucket * cells;
  const auto rows = [&](int64_t size) {
    return Tensor::zeros({n * room, size}, weights->storage(), weights->device);
  };
  const Tensor key = rows(net().config.key_dim), value = rows(net().config.value_dim);
  for (int64_t k = 0; k < n; ++k)
    gather_memory(bank.slots(last->ids[std::size_t(k)]), key.rows(k * room, room),
                  value.rows(k * room, room));
  inputs[kKey] = key.view({n, room, key.dim(1)});
  inputs[kValue] = value.view({n, room, value.dim(1)});
  inputs[kUsed] = Tensor::from(used, {n}).to(weights->device);
  return inputs;
}

// z [n, padded_height, padded_width] of the objects known before this frame; matched:
// fuse_motion's.
Tensor Segmenter::State::segment(const Tensors& in, Tensor& matched) const {
  const QueryFeatures query{{in[kR4], in[kR3], in[kR2]}, in[kMotion]},
      before{{}, in[kMotionBefore]};
  const Tensor f_out = net().fuse_motion(query, before.motion ? &before : nullptr, &matched);
  const KeyValue kv = net().query_key_value(f_out, options.nearness);
  const int64_t positions = kv.key.dim(1) * kv.key.dim(2);
  const Tensor question = kv.key.view({positions, kv.key.dim(3)});
  if (in[kKey])
    return net().decode(memory_read_padded(in[kKey], in[kValue], in[kUsed], question, top_k),
                        kv.value, query);
  Tensors read;
  for (int id : last->ids) {
    report(0.5 + 0.2 * double(read.size()) / double(last->ids.size()));
    read.push_back(
        memory_read(bank.slots(id), question, top_k).view({1, positions, kv.value.dim(3)}));
  }
  report(0.7);
  return net().decode(read.size() == 1 ? read[0] : concat(read, 0), kv.value, query);
}

void Segmenter::State::predict(Frame& frame) {
  const FrameGeometry& g = frame.geometry;
  frame.ids = last->ids;
  const Tensors found = replay(str("segment, ", g.input_width, 'x', g.input_height),
                               segment_inputs(frame), [&](const Tensors& in) -> Tensors {
                                 Tensor matched;
                                 const Tensor z = segment(in, matched);
                                 const Tensor p = unpad(softmax(soft_aggregate(z), -1), g);
                                 return {enlarge(p, g), masks_of(p, g), matched};
                               });
  frame.probability = Replay::keep(found[0]);
  frame.masks = Replay::keep(found[1]);
  frame.matched = Replay::keep(found[2]);
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
    const Tensor z = segment(segment_inputs(frame), frame.matched);
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
  // P = certain + open * predicted: 1 for the id that is given; where none is, what was predicted.
  const int64_t count = int64_t(frame.ids.size()) + 1;
  const Tensor certain = Tensor::zeros({1, g.height, g.width, count});
  const Tensor open = Tensor::zeros({1, g.height, g.width, 1});
  float *to = certain.data<float>(), *is_open = open.data<float>();
  for (uint8_t id : ids) {
    if (id || !predicted) to[channel[id]] = 1;
    *is_open++ = id == 0;
    to += count;
  }
  frame.probability = certain.to(weights->device);
  if (predicted) {
    Tensors channels(std::size_t(count), Tensor::zeros(open.shape(), DType::f32, weights->device));
    channels[0] = narrow(predicted, 3, 0, 1);
    for (std::size_t k = 0; k < others.size(); ++k)
      channels[std::size_t(channel[others[k]])] = narrow(predicted, 3, int64_t(k) + 1, 1);
    frame.probability = add(frame.probability, mul(open.to(weights->device), concat(channels, 3)));
  }
  frame.masks = masks_of(frame.probability, g);
  frame.probability = enlarge(frame.probability, g);
}

// Of predicted objects; what one loses becomes background.
void Segmenter::State::keep_one_piece(Frame& frame) const {
  const FrameGeometry& g = frame.geometry;
  const int64_t n = int64_t(frame.ids.size()), pixels = g.padded_height * g.padded_width;
  const Tensor soft = frame.masks.to(Device{});
  const Tensor before = Tensor::zeros(soft.shape());
  for (std::size_t k = 0; k < frame.ids.size() && !jump; ++k)
    if (const Tensor old = frame.mask_before(frame.ids[k]))
      std::copy_n(old.to(Device{}).data<float>(), pixels,
                  before.data<float>() + int64_t(k) * pixels);
  const Tensor keep = one_piece(soft, before);
  if (!keep) return;
  for (std::size_t k = 0; k < frame.ids.size(); ++k)
    if (frame.named.count(frame.ids[k]))
      std::fill_n(keep.data<float>() + int64_t(k) * pixels, pixels, 1.0f);
  frame.masks = mul(frame.masks, keep.to(weights->device));
  const Tensor by_pixel =
      transpose(keep.view({n, pixels}), 0, 1).view({1, g.padded_height, g.padded_width, n});
  const Tensor objects = narrow(frame.probability, 3, 1, n);
  const Tensor kept = mul(objects, enlarge(unpad(by_pixel, g), g).to(weights->device));
  const Tensor lost = sum(sub(objects, kept), {3}, true);
  frame.probability = concat({add(narrow(frame.probability, 3, 0, 1), lost), kept}, 3);
}

Tensor Segmenter::State::on_device(const Tensor& x) const {
  return cast(x.to(weights->device), weights->storage());
}

// A frame's, which is like those before it.
FrameGeometry Segmenter::State::geometry_of(const FrameView& view) const {
  const FrameGeometry g =
      frame_geometry(view.width, view.height, options.shorter_side, options.enlarge);
  const Frame* const before = !announced.empty() ? &announced.back() : last ? &*last : nullptr;
  check<ShapeError>(!before || (before->geometry.input_width == g.input_width &&
                                before->geometry.input_height == g.input_height),
                    "segmenter: expected a frame of ", before ? before->geometry.input_width : 0,
                    "x", before ? before->geometry.input_height : 0, " like those before; given ",
                    view.width, "x", view.height, " (reset() starts a new video)");
  return g;
}

Tensor Segmenter::State::picture(const FrameView& view, const FrameGeometry& g) const {
  std::vector<uint8_t> converted;
  const RgbRows rgb = as_rgb(view, converted);
  return on_device(prepare_frame(rgb.rows, rgb.stride, g, net().config.pad_order));
}

// The ids of the mask that came with the frame, which must find room.
void Segmenter::State::take_mask(Frame& frame, const MaskView* given) const {
  if (!given) return;
  frame.given = read_ids(*given, frame.geometry, frame.named);
  std::set<int> all(frame.named);
  if (last) all.insert(last->ids.begin(), last->ids.end());
  const int64_t pending = last && last->masks ? int64_t(last->named.size()) : 0;
  bank.check_room(slot_bytes(frame.geometry), int64_t(frame.named.size()) + pending,
                  int64_t(all.size()));
}

void Segmenter::State::step(const FrameView& view, const MaskView* given) {
  NoGrad no_grad;
  set_fast_matmul(weights->precision == Precision::tf32);
  check(announced.empty(), "segmenter: expected step_announced() for ", announced.size(),
        " announced frames first; given another frame");
  Frame frame;
  frame.geometry = geometry_of(view);
  take_mask(frame, given);
  frame.x = picture(view, frame.geometry);
  report(0.02);
  frame.query = encode(frame.x);
  finish(std::move(frame));
}

void Segmenter::State::announce(const std::vector<FrameView>& views) {
  NoGrad no_grad;
  set_fast_matmul(weights->precision == Precision::tf32);
  if (views.empty()) return;
  Tensors pictures;
  FrameGeometry g;
  for (const FrameView& view : views) {
    check<ShapeError>(view.width == views[0].width && view.height == views[0].height,
                      "segmenter: expected announced frames of one size; given ", views[0].width,
                      "x", views[0].height, " and ", view.width, "x", view.height);
    g = geometry_of(view);
    pictures.push_back(picture(view, g));
  }
  const Tensor x = pictures.size() == 1 ? pictures[0] : concat(pictures, 0);
  const QueryFeatures found = encode(x);
  const Tensors maps{Replay::keep(found.trunk.r4), Replay::keep(found.trunk.r3),
                     Replay::keep(found.trunk.r2), Replay::keep(found.motion)};
  for (int64_t t = 0; t < x.dim(0); ++t) {
    const auto of = [&](const Tensor& map) { return map ? map.rows(t, 1) : Tensor(); };
    Frame frame;
    frame.geometry = g;
    frame.x = of(x);
    frame.query = {{of(maps[0]), of(maps[1]), of(maps[2])}, of(maps[3])};
    announced.push_back(std::move(frame));
  }
}

void Segmenter::State::step_announced(const MaskView* given) {
  NoGrad no_grad;
  set_fast_matmul(weights->precision == Precision::tf32);
  check(!announced.empty(), "segmenter: expected an announced frame; there is none left");
  Frame frame = announced.front();
  take_mask(frame, given);
  finish(std::move(frame));
  announced.pop_front();
}

// From what is known of a frame alone to its masks; then it is the last.
void Segmenter::State::finish(Frame frame) {
  const FrameGeometry& g = frame.geometry;
  frame.index = next;
  report(0.3);
  if (last) {
    frame.ids_before = last->ids;
    frame.masks_before = last->masks;
    memorize_last();
  }
  report(0.45);

  if (!frame.given.empty()) {
    apply_given(frame);
  } else if (last && !last->ids.empty()) {
    predict(frame);
  } else {
    frame.probability =
        Tensor::full({1, g.input_height, g.input_width, 1}, 1, DType::f32, weights->device);
  }
  if (options.one_piece && !frame.ids.empty()) keep_one_piece(frame);
  report(0.95);
  bank.forget_transient();
  frame.query = {{}, Replay::keep(frame.query.motion)};
  last = std::move(frame);
  ++frames;
  next = last->index + 1;
  jump = false;
}

}  // namespace munet

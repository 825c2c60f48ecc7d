// The model's own functions, step by step, with every result kept.
#include "munet/inspect.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "autograd/node.h"
#include "autograd/ops/correlation.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/upsample.h"
#include "munet/frame.h"
#include "munet/model.h"
#include "munet/pixels.h"
#include "nn/fold.h"
#include "tensor/error.h"
#include "tensor/image_resize.h"

namespace munet {

struct Inspector::State {
  std::unique_ptr<MUNet> model;
  int shorter_side = 480;
  FrameGeometry geometry;
  Tensor previous_x;  // prepared
  QueryFeatures previous, current;
  Tensor query_key;  // [positions, key_dim]

  int64_t columns() const { return geometry.padded_width / 16; }

  // A map of cells [1, h/16, w/16, c] at the frame's size.
  PixelMap at_frame_size(const Tensor& cells) const {
    const FrameGeometry& g = geometry;
    Tensor map =
        unpad(upsample_bilinear(cells, {.height = g.padded_height, .width = g.padded_width}), g);
    if (g.width != g.input_width || g.height != g.input_height)
      map = upsample_bilinear(map, {.height = g.input_height, .width = g.input_width});
    return {int(g.input_width), int(g.input_height), int(cells.dim(3)), map.to_vector<float>()};
  }

  // The cell that a pixel of the frame lies in.
  int64_t cell_of(int x, int y) const {
    const FrameGeometry& g = geometry;
    check(x >= 0 && y >= 0 && x < g.input_width && y < g.input_height,
          "inspect: expected a pixel of the frame, ", g.input_width, "x", g.input_height,
          "; given ", x, ",", y);
    const auto cell = [](int at, int64_t size, int64_t input, int64_t before) {
      return int64_t(((at + 0.5) * double(size) / double(input) + double(before)) / 16);
    };
    return cell(y, g.height, g.input_height, g.top) * columns() +
           cell(x, g.width, g.input_width, g.left);
  }
};

Inspector::Inspector(const std::string& checkpoint, int shorter_side)
    : state_(std::make_unique<State>()) {
  state_->model = load_model(checkpoint);
  state_->shorter_side = shorter_side;
  nn::freeze(*state_->model);
}

Inspector::~Inspector() = default;

bool Inspector::has_motion() const { return state_->model->mu_layer.has_value(); }

PairMaps Inspector::look(FrameView previous, FrameView current) {
  State& s = *state_;
  MUNet& model = *s.model;
  NoGrad no_grad;
  check<ShapeError>(previous.width == current.width && previous.height == current.height,
                    "inspect: expected two frames of one size; given ", previous.width, "x",
                    previous.height, " and ", current.width, "x", current.height);
  s.geometry = frame_geometry(current.width, current.height, s.shorter_side);
  const auto prepare = [&](const FrameView& view) {
    std::vector<uint8_t> converted;
    const RgbRows rgb = as_rgb(view, converted);
    return prepare_frame(rgb.rows, rgb.stride, s.geometry, model.config.pad_order);
  };
  s.previous_x = prepare(previous);
  s.previous = model.encode_query(s.previous_x);
  s.current = model.encode_query(prepare(current));

  PairMaps maps;
  if (model.mu_layer) {
    const Tensor matched = model.mu_layer->match(s.current.motion, s.previous.motion);
    const int64_t cells = matched.numel() / 3;
    Tensor displacement = Tensor::empty({1, matched.dim(1), matched.dim(2), 2});
    Tensor confidence = Tensor::empty({1, matched.dim(1), matched.dim(2), 1});
    const float pixels = 16 * float(s.geometry.input_width) / float(s.geometry.width);
    for (int64_t i = 0; i < cells; ++i) {
      const float* m = matched.data<float>() + 3 * i;
      displacement.data<float>()[2 * i] = m[0] * pixels;
      displacement.data<float>()[2 * i + 1] = m[1] * pixels;
      confidence.data<float>()[i] = m[2];
    }
    maps.displacement = s.at_frame_size(displacement);
    maps.confidence = s.at_frame_size(confidence);
    if (model.msam)
      maps.attention =
          s.at_frame_size(model.msam->attention(model.mu_layer->motion_feature(matched)));
  }
  const Tensor f_out = model.fuse_motion(s.current, &s.previous);
  const int64_t channels = f_out.dim(3), cells = f_out.numel() / channels;
  Tensor energy = Tensor::empty({1, f_out.dim(1), f_out.dim(2), 1});
  for (int64_t i = 0; i < cells; ++i) {
    const float* f = f_out.data<float>() + i * channels;
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += double(f[c]) * double(f[c]);
    energy.data<float>()[i] = float(std::sqrt(sum / double(channels)));
  }
  maps.energy = s.at_frame_size(energy);
  const Tensor key = model.query_key_value(f_out).key;
  s.query_key = key.view({cells, key.dim(3)});
  return maps;
}

SearchWindow Inspector::window(int x, int y) const {
  const State& s = *state_;
  check(s.current.motion.defined(), "inspect: expected a model with a MU-Layer and two frames; ",
        s.model->mu_layer ? "there are no frames yet" : "its key motion is none");
  NoGrad no_grad;
  SearchWindow window;
  window.side = s.model->config.window;
  const int64_t cell = s.cell_of(x, y), area = int64_t(window.side) * window.side;
  const Tensor cost = cost_volume(s.current.motion, s.previous.motion, window.side);
  const float* values = cost.data<float>() + cell * area;
  window.cost.assign(values, values + area);
  const FrameGeometry& g = s.geometry;
  const double scale = double(g.input_width) / double(g.width);
  const int half = window.side / 2;
  window.cell = 16 * scale;
  window.left = (double(cell % s.columns() - half) * 16 - double(g.left)) * scale;
  window.top = (double(cell / s.columns() - half) * 16 - double(g.top)) * scale;
  return window;
}

std::vector<Inspector::Attention> Inspector::attention(const MaskView& mask, int x, int y) const {
  const State& s = *state_;
  const FrameGeometry& g = s.geometry;
  check<ShapeError>(mask.width == g.input_width && mask.height == g.input_height,
                    "inspect: expected a mask of the frame's size ", g.input_width, "x",
                    g.input_height, "; given ", mask.width, "x", mask.height);
  NoGrad no_grad;
  const std::ptrdiff_t stride = checked_stride("the mask", mask.stride, mask.width);
  std::vector<uint8_t> ids(std::size_t(g.width * g.height));
  resize_ids(mask.ids, mask.width, mask.height, stride, ids.data(), int(g.width), int(g.height));
  const std::set<uint8_t> found(ids.begin(), ids.end());
  const int64_t cell = s.cell_of(x, y), key_dim = s.query_key.dim(1);
  const float* query = s.query_key.data<float>() + cell * key_dim;
  std::vector<Attention> all;
  for (const uint8_t id : found) {
    if (id == 0 || id == 255) continue;
    Tensor one = Tensor::zeros({1, g.height, g.width});
    for (std::size_t i = 0; i < ids.size(); ++i) one.data<float>()[i] = ids[i] == id;
    const Tensor key = s.model->memorize(s.previous_x, pad_masks(one, g)).key;
    Tensor similarity = Tensor::empty({1, key.dim(1) * key.dim(2)});
    for (int64_t i = 0; i < similarity.numel(); ++i) {
      const float* k = key.data<float>() + i * key_dim;
      float dot = 0;
      for (int64_t c = 0; c < key_dim; ++c) dot += k[c] * query[c];
      similarity.data<float>()[i] = dot / std::sqrt(float(key_dim));
    }
    all.push_back(
        {id, s.at_frame_size(softmax(similarity, 1).view({1, key.dim(1), key.dim(2), 1}))});
  }
  return all;
}

}  // namespace munet

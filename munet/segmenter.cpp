// The embedder's functions, each a short reading or change of what stream.h keeps.
#include "munet/segmenter.h"

#include <algorithm>

#include "autograd/node.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/upsample.h"
#include "munet/stream.h"
#include "munet/trust.h"
#include "tensor/parallel.h"

namespace munet {

Segmenter::Segmenter(const std::string& checkpoint, SegmenterOptions options)
    : Segmenter(Weights(checkpoint, options.device, options.precision), options) {}

Segmenter::Segmenter(const Weights& weights, SegmenterOptions options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  check(options.top_k >= -1, "segmenter: expected top_k >= 0, or -1 for the model's own; given ",
        options.top_k);
  check(options.shorter_side == 0 || options.shorter_side >= 16,
        "segmenter: expected a shorter side of at least 16 pixels, or 0; given ",
        options.shorter_side);
  check(!options.enlarge || options.shorter_side > 0,
        "segmenter: enlarge expects a shorter side to enlarge to; given 0");
  s.bank = MemoryBank({options.memory, options.every, options.last, options.memory_budget});
  s.weights = weights.model_;
  s.top_k = options.top_k < 0 ? s.net().config.top_k : options.top_k;
  check(options.nearness >= 0 && options.nearness <= 10,
        "segmenter: expected a nearness of 0 to 10; given ", options.nearness);
  check(options.nearness == 1 || s.net().position.has_value(),
        "segmenter: nearness expects weights with a position cue (model key position_cue); these "
        "have none");
  s.options = std::move(options);
}

Segmenter::~Segmenter() = default;
Segmenter::Segmenter(Segmenter&&) noexcept = default;
Segmenter& Segmenter::operator=(Segmenter&&) noexcept = default;

void Segmenter::step(FrameView view, const MaskView* given) { state_->step(view, given); }

void Segmenter::announce(const std::vector<FrameView>& frames) { state_->announce(frames); }
void Segmenter::step_announced(const MaskView* given) { state_->step_announced(given); }
std::size_t Segmenter::announced() const { return state_->announced.size(); }

void Segmenter::on_progress(std::function<bool(double)> progress) {
  state_->progress = std::move(progress);
}

void Segmenter::seek(std::int64_t frame) {
  check(frame >= 0, "segmenter: expected a frame number of at least 0; given ", frame);
  state_->jump = state_->jump || frame != state_->next;
  state_->next = frame;
}

std::vector<unsigned char> Segmenter::labels() const {
  check(state_->last.has_value(), "segmenter: labels before the first step");
  const Frame& frame = *state_->last;
  NoGrad no_grad;
  const Tensor best = argmax(frame.probability, 3).to(Device{});  // only this leaves a GPU
  std::vector<unsigned char> labels(std::size_t(best.numel()));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!frame.given.empty() && frame.given[i]) {  // certain, whatever resizing made of it
      labels[i] = frame.given[i];
      continue;
    }
    const int32_t channel = best.data<int32_t>()[i];
    const int id = channel ? frame.ids[std::size_t(channel - 1)] : 0;
    labels[i] = static_cast<unsigned char>(frame.named.count(id) ? 0 : id);
  }
  return labels;
}

std::vector<float> Segmenter::probability(int id) const {
  check(state_->last.has_value(), "segmenter: probability before the first step");
  const Frame& frame = *state_->last;
  return narrow(frame.probability, 3, int64_t(state_->position(id)) + 1, 1).to_vector<float>();
}

Trust Segmenter::trust(int id) const {
  check(state_->last.has_value(), "segmenter: trust before the first step");
  const Frame& frame = *state_->last;
  const int64_t position = int64_t(state_->position(id)), count = frame.probability.dim(3);
  if (frame.named.count(id)) return {};
  TrustSigns signs;
  const Tensor before = frame.mask_before(id);
  if (frame.matched && before && frame.masks)
    signs = motion_signs(frame.matched.to(Device{}), mask_cells(before, 0),
                         mask_cells(frame.masks, position));
  const Tensor probability = frame.probability.to(Device{});
  double both = 0, either = 0;
  const float* p = probability.data<float>();
  for (const float* end = p + probability.numel(); p != end; p += count) {
    const bool is = std::max_element(p, p + count) == p + position + 1;
    const double soft = double(p[position + 1]);
    both += is ? soft : 0;  // the lesser of the soft and the hard mask, and the greater
    either += is ? 1 : soft;
  }
  signs.certainty = either > 0 ? both / either : 0;
  return {munet::trust(signs), signs.certainty, signs.agreement, signs.matching};
}

void Segmenter::correct(int id, const std::vector<float>& probability) {
  check(state_->last.has_value(), "segmenter: correct before the first step");
  Frame& frame = *state_->last;
  const FrameGeometry& g = frame.geometry;
  const std::size_t position = state_->position(id);
  check<ShapeError>(int64_t(probability.size()) == g.input_width * g.input_height,
                    "segmenter: expected a soft mask of ", g.input_width, "x", g.input_height,
                    " values; given ", probability.size());
  check(frame.masks.defined(),
        "segmenter: the last frame is memorised already (its next step failed)");
  Tensor soft = Tensor::from(probability, {1, g.input_height, g.input_width, 1});
  soft = upsample_bilinear(soft, {.height = g.height, .width = g.width});
  const Tensor padded = pad_masks(soft.view({1, g.height, g.width}), g);
  const Tensor channel = frame.masks.rows(int64_t(position), 1);
  copy_bytes(channel.raw(), channel.device(), padded.raw(), Device{}, std::size_t(padded.bytes()));
}

std::vector<int> Segmenter::objects() const {
  return state_->last ? state_->last->ids : std::vector<int>{};
}

void Segmenter::remove(int id) {
  State& s = *state_;
  const std::size_t k = s.position(id);
  Frame& frame = *s.last;
  s.bank.remove(id);
  const auto without = [&](const Tensor& x, int axis, int64_t at) {
    const int64_t size = x.dim(axis);
    return concat({narrow(x, axis, 0, at), narrow(x, axis, at + 1, size - at - 1)}, axis);
  };
  NoGrad no_grad;
  frame.masks =
      frame.ids.size() > 1 && frame.masks ? without(frame.masks, 0, int64_t(k)) : Tensor{};
  frame.probability = without(frame.probability, 3, int64_t(k) + 1);
  frame.ids.erase(frame.ids.begin() + std::ptrdiff_t(k));
  frame.named.erase(id);
  for (uint8_t& given : frame.given)
    if (given == id) given = 0;
}

void Segmenter::reset() {
  state_->bank.clear();
  state_->last.reset();
  state_->announced.clear();
  state_->frames = state_->next = 0;
  state_->jump = false;
}

std::int64_t Segmenter::frames() const { return state_->frames; }

int Segmenter::width() const { return state_->last ? int(state_->last->geometry.input_width) : 0; }

int Segmenter::height() const {
  return state_->last ? int(state_->last->geometry.input_height) : 0;
}

int Segmenter::threads() { return num_threads(); }
void Segmenter::set_threads(int threads) { set_num_threads(threads); }

MemoryReport Segmenter::memory() const {
  MemoryReport report;
  for (int id : objects())
    report.objects.push_back({id, state_->bank.frames(id), state_->bank.bytes(id)});
  report.bytes = state_->bank.bytes();
  report.budget = state_->options.memory_budget;
  report.weights = state_->weights->bytes;
  return report;
}

}  // namespace munet

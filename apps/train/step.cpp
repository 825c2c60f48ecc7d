// Gradients of several clips are summed by the tape itself.
#include "apps/train/step.h"

#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"

using namespace munet;

namespace {

// Gradients of all clips, summed.
StepReport add_gradients(TrainState& state, const std::vector<Clip>& clips) {
  const Recipe& recipe = state.recipe;
  StepReport report;
  for (const Clip& clip : clips) {
    report.clip = clip;
    report.found = roll_out(state.model, clip, recipe.rollout == "recurrent", recipe.loss,
                            storage_type(state.precision));
    const double loss = report.found.loss.item();
    if (!std::isfinite(loss))
      throw NotFinite(
          str("the loss of step ", state.step + 1, " is ", loss, " on ", report.clip.name),
          report.clip);
    report.loss += loss / recipe.accumulate;
    report.j += report.found.j / recipe.accumulate;
    const Tensor share = recipe.accumulate == 1 ? report.found.loss
                                                : scale(report.found.loss, 1.0 / recipe.accumulate);
    backward(share, state.scaler ? state.scaler->seed(share) : Tensor{});
    report.found.loss = report.found.loss.detach();
  }
  return report;
}

}  // namespace

StepReport train_step(TrainState& state, const std::function<Clip()>& next) {
  const Recipe& recipe = state.recipe;
  const std::vector<nn::NamedTensor> parameters = nn::parameters(state.model);
  set_fast_matmul(state.precision == Precision::tf32);
  std::vector<Clip> clips;
  for (int i = 0; i < recipe.accumulate; ++i) clips.push_back(next());
  nn::zero_grad(parameters);
  StepReport report;
  try {
    report = add_gradients(state, clips);
  } catch (const OutOfMemory&) {
    if (state.model.recompute()) throw;
    state.model.set_recompute(true);
    nn::zero_grad(parameters);
    report = add_gradients(state, clips);
  }
  if (state.scaler) state.scaler->unscale(parameters);
  const double no_limit = std::numeric_limits<double>::max();
  report.norm =
      nn::clip_grad_norm(parameters, recipe.clip_norm > 0 ? recipe.clip_norm : no_limit, false);
  report.skipped = state.scaler && !state.scaler->update(std::isfinite(report.norm));
  if (!std::isfinite(report.norm) && !report.skipped)
    throw NotFinite(
        str("the gradient of step ", state.step + 1, " is not finite on ", report.clip.name),
        report.clip);
  report.lr = learning_rate(recipe, state.step, state.seconds);
  if (!report.skipped) state.optimiser.step(report.lr);
  nn::zero_grad(parameters);
  if (state.ema && !report.skipped) state.ema->update();
  ++state.step;
  state.clips += uint64_t(recipe.accumulate);
  return report;
}

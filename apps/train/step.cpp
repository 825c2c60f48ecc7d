// Gradients of several clips are summed by the tape itself.
#include "apps/train/step.h"

#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "autograd/ops/elementwise.h"

using namespace munet;

StepReport train_step(TrainState& state, const std::function<Clip()>& next) {
  const Recipe& recipe = state.recipe;
  const std::vector<nn::NamedTensor> parameters = nn::parameters(state.model);
  nn::zero_grad(parameters);
  StepReport report;
  for (int i = 0; i < recipe.accumulate; ++i) {
    report.clip = next();
    report.found = roll_out(state.model, report.clip, recipe.rollout == "recurrent", recipe.loss);
    const double loss = report.found.loss.item();
    if (!std::isfinite(loss))
      throw NotFinite(
          str("the loss of step ", state.step + 1, " is ", loss, " on ", report.clip.name),
          report.clip);
    report.loss += loss / recipe.accumulate;
    report.j += report.found.j / recipe.accumulate;
    backward(recipe.accumulate == 1 ? report.found.loss
                                    : scale(report.found.loss, 1.0 / recipe.accumulate));
    report.found.loss = report.found.loss.detach();
  }
  const double no_limit = std::numeric_limits<double>::max();
  report.norm =
      nn::clip_grad_norm(parameters, recipe.clip_norm > 0 ? recipe.clip_norm : no_limit, false);
  if (!std::isfinite(report.norm))
    throw NotFinite(
        str("the gradient of step ", state.step + 1, " is not finite on ", report.clip.name),
        report.clip);
  report.lr = learning_rate(recipe, state.step, state.seconds);
  state.optimiser.step(report.lr);
  nn::zero_grad(parameters);
  if (state.ema) state.ema->update();
  ++state.step;
  state.clips += uint64_t(recipe.accumulate);
  return report;
}

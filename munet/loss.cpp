// Bootstrapped cross entropy plus mask IoU.
#include "munet/loss.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/softmax.h"

namespace munet {

Tensor munet_loss(const Tensor& logits, const Tensor& labels, LossOptions options) {
  check(options.lambda >= 0, "munet_loss: expected lambda >= 0; given ", options.lambda);
  const Tensor entropy = cross_entropy(logits, labels, options.bootstrap);
  if (options.lambda == 0) return entropy;
  return add(entropy, scale(mask_iou_loss(softmax(logits, -1), labels), options.lambda));
}

}  // namespace munet

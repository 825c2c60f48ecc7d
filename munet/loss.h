// The training loss.
#pragma once

#include "tensor/tensor.h"

namespace munet {

// Keys of the loss (network.md 10).
struct LossOptions {
  double bootstrap = 0.4;  // share of the pixels that count in the cross entropy; 1 = all
  double lambda = 1;       // weight of the mask-IoU term; 0 = none

  bool operator==(const LossOptions&) const = default;
};

// Loss of one frame, Eq. (4): cross_entropy(logits, labels, bootstrap)
//   + lambda * mask_iou_loss(softmax(logits), labels).
// logits [1,h,w,n+1] of soft_aggregate, labels [1,h,w] u8 in 0..n -> a scalar. Gradient: logits.
// Errors: those of the two ops; Error on a negative lambda.
Tensor munet_loss(const Tensor& logits, const Tensor& labels, LossOptions options = {});

}  // namespace munet

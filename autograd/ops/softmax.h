// Softmax, cross entropy, soft aggregation, mask losses. f32 error, gradients too: 2e-7 (norm).
#pragma once

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace munet {

// y_i = exp(x_i - max x) / sum_j exp(x_j - max x) along an axis, and its logarithm. Gradient: x.
Tensor softmax(const Tensor& x, int axis);
Tensor log_softmax(const Tensor& x, int axis);

// Bootstrapped cross entropy (network.md 10; Eq. 4 of the paper): the mean of the floor(keep * p)
// largest of -log_softmax(logits)[label] over the p = h*w pixels of each image, then over images.
// logits [n,h,w,k], labels [n,h,w] u8 in 0..k-1. keep = 1: plain cross entropy. At least one pixel
// is kept. Gradient: logits (ties at the threshold: lower index first).
// ShapeError on mismatch, Error on keep outside (0,1] and on a label >= k (on a GPU, which is not
// waited for, the loss is NaN).
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double keep = 1);

// STM's soft aggregation in log-odds (network.md 8): z [n,h,w] are the objects' log-odds ->
// logits [1,h,w,n+1], channel 0 the background:  ln b = -sum_k softplus(z_k),
//   z_0 = ln b - ln(-expm1(ln b)),   logits = clamp([z_0, z_1 .. z_n], +-ln((1-1e-7)/1e-7)).
// softmax(logits, -1) is the probability of each label. Finite for any finite z. Gradient: z (0
// where clamped).
Tensor soft_aggregate(const Tensor& z);

// Mask-IoU loss (network.md 10): mean over the objects k >= 1 present in `labels` of
//   1 - sum min(p_k, m_k) / sum max(p_k, m_k),  m_k = [labels == k];  0 if none is present.
// probability [1,h,w,k], labels [1,h,w] u8. Gradient: probability (0 at a tie p = m, as p meets m
// only at 0 and 1).
Tensor mask_iou_loss(const Tensor& probability, const Tensor& labels);

namespace kernels {
// x, axis, logarithm, y;  y, gy, axis, logarithm, gx
extern Kernel<void(const Tensor&, int, bool, const Tensor&)> softmax_forward;
extern Kernel<void(const Tensor&, const Tensor&, int, bool, const Tensor&)> softmax_backward;

// logits, labels, kept (pixels per image), loss [], selected u8 like labels (undefined: not
// wanted);  logits, labels, selected, kept, gy [], glogits
extern Kernel<void(const Tensor&, const Tensor&, int64_t, const Tensor&, const Tensor&)>
    cross_entropy_forward;
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, int64_t, const Tensor&,
                   const Tensor&)>
    cross_entropy_backward;

// z, logits;  z, glogits, gz
extern Kernel<void(const Tensor&, const Tensor&)> soft_aggregate_forward;
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&)> soft_aggregate_backward;

// probability, labels, loss [], areas f64 [k,2];  probability, labels, areas, gy [], gprobability.
// areas: sum of min(p,m) and of max(p,m) for each object, 0 and 0 if it is absent (or background).
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&)> mask_iou_forward;
extern Kernel<void(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>
    mask_iou_backward;
}  // namespace kernels

}  // namespace munet

#include "munet/msam.h"

#include "autograd/ops/elementwise.h"

namespace munet {

Tensor Msam::attention(const Tensor& f_m) const { return sigmoid(attention_(f_m)); }

Tensor Msam::operator()(const Tensor& f_s, const Tensor& f_m) const {
  return mul(f_s, scale(attention(f_m), 1, 1));  // f_s * a + f_s
}

}  // namespace munet

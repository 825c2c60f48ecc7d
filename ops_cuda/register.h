// Each topic's twin sets its kernels' CUDA slots here; backend.cu calls all of them once.
#pragma once

namespace munet::cuda {

void register_attention();
void register_conv();
void register_correlation();
void register_elementwise();
void register_losses();
void register_matmul();
void register_norm();
void register_pool();
void register_reduce();
void register_shape();
void register_softmax();
void register_update();
void register_upsample();

}  // namespace munet::cuda

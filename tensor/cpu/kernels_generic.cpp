// The generic micro-kernels (Eigen).

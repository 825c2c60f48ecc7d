// The AVX2 micro-kernels.

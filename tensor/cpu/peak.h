// What this machine's cores can multiply: the yardstick of the benchmarks.
#pragma once

namespace munet::cpu {

// Multiply-adds per second * 2 of the f32 micro-kernel on operands that lie in the first-level
// cache, on all threads of parallel_for at once: the best of a few runs of about 2 ms each. FLOP/s.
double measure_peak();

}  // namespace munet::cpu

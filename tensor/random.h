// Counter-based random numbers: value i of stream `seed` is a pure function of (seed, i), so the
// numbers are the same for any number of threads, on every device and in any language.
//   bits(seed, i) = splitmix64's finaliser of seed + (i + 1) * 0x9E3779B97F4A7C15 mod 2^64
// (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace munet {

inline uint64_t random_bits(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// Uniform in [0, 1), 53 bits.
inline double random_uniform(uint64_t seed, uint64_t i) {
  return double(random_bits(seed, i) >> 11) * 0x1p-53;
}

// Standard normal by Box and Muller's transform of the values 2i and 2i+1.
inline double random_normal(uint64_t seed, uint64_t i) {
  const double radius = std::sqrt(-2 * std::log(1 - random_uniform(seed, 2 * i)));
  return radius * std::cos(6.283185307179586 * random_uniform(seed, 2 * i + 1));
}

// FNV-1a of a name: a seed per tensor that does not depend on the order of tensors.
inline uint64_t name_seed(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ull;
  return hash;
}

// A place in a stream. Its two numbers are its whole state: saving them resumes it exactly.
struct Rng {
  uint64_t seed = 0, next = 0;
  uint64_t bits() { return random_bits(seed, next++); }
  double uniform() { return random_uniform(seed, next++); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() { return random_normal(seed, next++); }
  int64_t below(int64_t n) { return int64_t(uniform() * double(n)); }  // 0..n-1
};

}  // namespace munet

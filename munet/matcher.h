// Keys and values (paper 3.1): what is stored of a memorised frame and what a query asks with.
#pragma once

#include "nn/layers.h"

namespace munet {

struct KeyValue {
  Tensor key, value;  // [n, h/16, w/16, key_dim], [n, h/16, w/16, value_dim]
};

// Two 3x3 convolutions with bias on a map at 1/16.
struct KeyValueHead : nn::Module {
  KeyValueHead(int depth, int key_dim, int value_dim, Rng& rng)
      : key(depth, key_dim, 3, {.padding = 1}, rng),
        value(depth, value_dim, 3, {.padding = 1}, rng) {}
  KeyValue operator()(const Tensor& x) const { return {key(x), value(x)}; }
  void visit(nn::Visitor& v) override {
    v("key", key);
    v("value", value);
  }
  nn::Conv2d key, value;
};

}  // namespace munet

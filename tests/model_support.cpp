#include "tests/model_support.h"

#include <cmath>

#include "tensor/random.h"

using namespace munet;

Tensor channels_last(const Tensor& x) {
  const int64_t n = x.dim(0), c = x.dim(1), h = x.dim(2), w = x.dim(3);
  Tensor y = Tensor::empty({n, h, w, c}, x.dtype());
  for_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t b = 0; b < n; ++b)
      for (int64_t k = 0; k < c; ++k)
        for (int64_t i = 0; i < h * w; ++i)
          y.data<T>()[(b * h * w + i) * c + k] = x.data<T>()[(b * c + k) * h * w + i];
  });
  return y;
}

void fill_like_reference(MUNet& model) {
  const struct {
    const char* part;
    double gain;
  } gains[] = {{"conv1_m", 5}, {"conv1_o", 5}, {"mu_layer.motion", 1.4},
               {"msam", 3},    {".key.", 0.6}, {"decoder.pred.weight", 0.3}};
  nn::StateDict state = nn::state_dict(model);
  for (auto& [name, tensor] : state) {
    const std::size_t dot = name.rfind('.');
    const std::string last = name.substr(dot + 1);
    const bool norm = state.count(name.substr(0, dot) + ".running_mean") > 0;
    const uint64_t seed = name_seed(name);
    double gain = 1;
    for (const auto& g : gains)
      if (name.find(g.part) != std::string::npos) gain *= g.gain;
    const Shape& s = tensor.shape();
    const auto value = [&](uint64_t i) {
      const double u = random_uniform(seed, i), sign = (2 * u - 1) * std::sqrt(3.0);
      if (s.rank() == 4) return sign * std::sqrt(1.6 / double(s[1] * s[2] * s[3]));
      if (!norm) return sign * 0.05;
      if (last == "weight") return 0.6 + 0.5 * u;
      if (last == "running_var") return 0.7 + 0.6 * u;
      return sign * 0.1;
    };
    float* to = tensor.data<float>();
    if (s.rank() == 4) {  // the counter runs over [o,c,kh,kw], our memory is [o,kh,kw,c]
      uint64_t i = 0;
      for (int64_t o = 0; o < s[0]; ++o)
        for (int64_t c = 0; c < s[3]; ++c)
          for (int64_t k = 0; k < s[1] * s[2]; ++k)
            to[(o * s[1] * s[2] + k) * s[3] + c] = float(value(i++) * gain);
    } else {
      for (int64_t i = 0; i < tensor.numel(); ++i) to[i] = float(value(uint64_t(i)) * gain);
    }
    if (name == "decoder.pred.bias") {
      const double shift = model.config.backbone == "resnet18" ? 4.5 : 1.2;
      to[0] = float(value(0) * gain + shift);
    }
  }
}

std::string write_checkpoint(const std::string& folder, const Config& config) {
  Rng rng{1};
  MUNet model(config, rng);
  fill_like_reference(model);
  const std::string path = folder + "/model.safetensors";
  save_model(model, path);
  return path;
}

#include "munet/config.h"

#include <nlohmann/json.hpp>

#include "munet/keys.h"

namespace munet {
namespace {

using Json = nlohmann::ordered_json;

// Calls f(name, member) for every key, in the order of the table.
template <class C, class F>
void for_keys(C& c, F&& f) {
  f("backbone", c.backbone);
  f("key_dim", c.key_dim);
  f("value_dim", c.value_dim);
  f("decoder_dim", c.decoder_dim);
  f("ref_extra", c.ref_extra);
  f("share_kv", c.share_kv);
  f("motion", c.motion);
  f("fusion", c.fusion);
  f("window", c.window);
  f("mu_sign", c.mu_sign);
  f("mu_tau", c.mu_tau);
  f("mu_scale", c.mu_scale);
  f("border", c.border);
  f("position_cue", c.position_cue);
  f("top_k", c.top_k);
  f("pad_order", c.pad_order);
}

void check_values(const Config& c, const std::string& source) {
  const std::string where = source + ": model key";
  check_choice(where, "backbone", c.backbone, {"resnet50", "resnet18"});
  check_choice(where, "ref_extra", c.ref_extra, {"none", "others", "inverse"});
  check_choice(where, "motion", c.motion, {"full", "displacement", "none"});
  check_choice(where, "fusion", c.fusion, {"attention", "add"});
  check_choice(where, "border", c.border, {"zero", "exclude"});
  check_choice(where, "pad_order", c.pad_order, {"pad_then_normalise", "normalise_then_pad"});
  check_range(where, "key_dim", c.key_dim, 1, 4096);
  check_range(where, "value_dim", c.value_dim, 1, 4096);
  check_range(where, "decoder_dim", c.decoder_dim, 1, 4096);
  check_range(where, "window", c.window, 1, 255);
  check(c.window % 2 == 1, where, " window is odd; found ", c.window);
  check_range(where, "mu_sign", c.mu_sign, -1, 1);
  check_range(where, "mu_tau", c.mu_tau, 1e-6, 1e6);
  check_range(where, "mu_scale", c.mu_scale, 1e-6, 1e6);
  check(!c.position_cue || c.key_dim % 2 == 0, where,
        " key_dim is even where position_cue is set; found ", c.key_dim);
  check_range(where, "top_k", c.top_k, 0, 1 << 20);
}

}  // namespace

Config preset(const std::string& name) {
  if (name == "munet50") return {};
  check(name == "munet18", "preset: expected munet50 or munet18; given '", name, "'");
  Config c;
  c.backbone = "resnet18";
  c.key_dim = 64;
  c.value_dim = 256;
  c.decoder_dim = 96;
  c.mu_sign = 1;
  c.mu_tau = 0.05;
  c.mu_scale = 12;
  c.border = "exclude";
  return c;
}

std::string to_json(const Config& config) {
  Json json{{"format", 1}};
  for_keys(config, [&](const char* key, const auto& value) { json[key] = value; });
  return json.dump();
}

Config config_from_json(const std::string& text, const std::string& source) {
  Json json = Json::parse(text, nullptr, false);
  check(json.is_object(), source, ": the model's keys are not a JSON object");
  check(json.value("format", Json(1)) == 1, source, ": expected model format 1; found ",
        json.value("format", Json(1)).dump(), " (written by a newer munet?)");
  json.erase("format");
  Config config;
  for_keys(config, [&](const char* key, auto& value) {
    using T = std::decay_t<decltype(value)>;
    const auto found = json.find(key);
    if (found == json.end()) return;
    const bool fits = std::is_same_v<T, std::string> ? found->is_string()
                      : std::is_same_v<T, bool>      ? found->is_boolean()
                      : std::is_same_v<T, int>       ? found->is_number_integer()
                                                     : found->is_number();
    check(fits, source, ": model key ", key, " has the wrong type; found ", found->dump());
    if constexpr (std::is_same_v<T, int>) {  // in range before it is narrowed
      check_range(source + ": model key", key, found->template get<double>(), -(1 << 30), 1 << 30);
    }
    value = found->template get<T>();
    json.erase(key);
  });
  check(json.empty(), source, ": unknown model key '", json.empty() ? "" : json.begin().key(),
        "' (written by a newer munet?)");
  check_values(config, source);
  return config;
}

}  // namespace munet

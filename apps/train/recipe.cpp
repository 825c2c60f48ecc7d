// One table of keys, in for_keys(): JSON, --set and comparison all derive from it.
#include "apps/train/recipe.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "munet/keys.h"
#include "nn/optim.h"
#include "tensor/error.h"

using namespace munet;

namespace {

using Json = nlohmann::ordered_json;

// Calls f(name, member) for every key but the model's.
template <class R, class F>
void for_keys(R& r, F&& f) {
  f("init", r.init);
  f("data", r.data);
  for_clip_keys(r.clips, f);
  f("rollout", r.rollout);
  f("bootstrap", r.loss.bootstrap);
  f("lambda", r.loss.lambda);
  f("train_bn", r.train_bn);
  f("steps", r.steps);
  f("accumulate", r.accumulate);
  f("lr", r.lr);
  f("encoder_lr", r.encoder_lr);
  f("weight_decay", r.weight_decay);
  f("beta1", r.beta1);
  f("beta2", r.beta2);
  f("clip_norm", r.clip_norm);
  f("schedule", r.schedule);
  f("warm_up", r.warm_up);
  f("lr_step", r.lr_step);
  f("lr_gamma", r.lr_gamma);
  f("lr_floor", r.lr_floor);
  f("cosine_minutes", r.cosine_minutes);
  f("ema", r.ema);
  f("seed", r.seed);
  f("validate", r.validate);
  f("validate_every", r.validate_every);
  f("validate_size", r.validate_size);
}

template <class T>
bool fits(const Json& json) {
  if constexpr (std::is_same_v<T, std::string>) return json.is_string();
  if constexpr (std::is_same_v<T, bool>) return json.is_boolean();
  if constexpr (std::is_integral_v<T>) return json.is_number_integer();
  if constexpr (std::is_floating_point_v<T>) return json.is_number();
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [](const Json& e) { return e.is_string(); });
}

void check_values(const Recipe& r, const std::string& source) {
  const std::string where = source + ": key";
  check_choice(where, "rollout", r.rollout, {"ref_only", "recurrent"});
  check_choice(where, "schedule", r.schedule, {"constant", "step", "cosine"});
  check_clip_options(r.clips);
  check(r.clips.crop % 16 == 0, where, " crop is a multiple of 16; found ", r.clips.crop);
  check_range(where, "bootstrap", r.loss.bootstrap, 1e-6, 1);
  check_range(where, "lambda", r.loss.lambda, 0, 1e6);
  check_range(where, "steps", double(r.steps), 1, 1e12);
  check_range(where, "accumulate", r.accumulate, 1, 4096);
  check_range(where, "lr", r.lr, 0, 1e3);
  check_range(where, "encoder_lr", r.encoder_lr, 0, 1e3);
  check_range(where, "weight_decay", r.weight_decay, 0, 1e3);
  check_range(where, "clip_norm", r.clip_norm, 0, 1e12);
  check_range(where, "warm_up", double(r.warm_up), 0, 1e12);
  check_range(where, "lr_step", double(r.lr_step), 1, 1e12);
  check_range(where, "lr_gamma", r.lr_gamma, 0, 1);
  check_range(where, "lr_floor", r.lr_floor, 0, 1);
  check_range(where, "cosine_minutes", r.cosine_minutes, 0, 1e9);
  check_range(where, "ema", r.ema, 0, 1 - 1e-9);
  check_range(where, "validate_every", double(r.validate_every), 0, 1e12);
  check_range(where, "validate_size", r.validate_size, 32, 4096);
}

Json json_of(const Recipe& recipe) {
  Json json{{"format", 1}};
  for_keys(recipe, [&](const char* key, const auto& value) { json[key] = value; });
  json["model"] = Json::parse(to_json(recipe.model));
  return json;
}

}  // namespace

std::string to_json(const Recipe& recipe) { return json_of(recipe).dump(); }

Recipe recipe_from_json(const std::string& text, const std::string& source) {
  Json json = Json::parse(text, nullptr, false);
  check(json.is_object(), source, ": the recipe is not a JSON object");
  check(json.value("format", Json(1)) == 1, source, ": expected recipe format 1; found ",
        json.value("format", Json(1)).dump(), " (written by a newer munet?)");
  json.erase("format");
  Recipe recipe;
  if (json.contains("model")) {
    recipe.model = config_from_json(json["model"].dump(), source);
    json.erase("model");
  }
  for_keys(recipe, [&](const char* key, auto& value) {
    using T = std::decay_t<decltype(value)>;
    const auto found = json.find(key);
    if (found == json.end()) return;
    check(fits<T>(*found), source, ": key ", key, " has the wrong type; found ", found->dump());
    value = found->template get<T>();
    json.erase(key);
  });
  check(json.empty(), source, ": unknown key '", json.empty() ? "" : json.begin().key(), "'");
  check_values(recipe, source);
  return recipe;
}

void set_key(Recipe& recipe, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  check(equals != std::string::npos && equals > 0, "--set: expected KEY=VALUE; given \"",
        assignment, "\"");
  const std::string key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  Json json = json_of(recipe);
  Json& model = json["model"];
  Json& place = model.contains(key) ? model : json;
  if (!place.contains(key) || key == "format" || key == "model") {
    std::string keys;
    for (const Json* object : {&json, &model})
      for (const auto& [name, value] : object->items())
        if (name != "format" && name != "model") keys += (keys.empty() ? "" : ", ") + name;
    throw Error(str("--set: unknown key '", key, "'; the keys are ", keys));
  }
  Json value = Json::parse(text, nullptr, false);
  if (place[key].is_string() || value.is_discarded()) value = text;
  place[key] = std::move(value);
  recipe = recipe_from_json(json.dump(), "--set " + assignment);
}

std::vector<std::string> differences(const Recipe& a, const std::string& name_a, const Recipe& b,
                                     const std::string& name_b) {
  std::vector<std::string> lines;
  const auto compare = [&](const Json& x, const Json& y) {
    for (const auto& [key, value] : x.items())
      if (key != "model" && value != y.at(key))
        lines.push_back(
            str(key, " is ", value.dump(), " in ", name_a, ", ", y.at(key).dump(), " in ", name_b));
  };
  const Json x = json_of(a), y = json_of(b);
  compare(x, y);
  compare(x["model"], y["model"]);
  return lines;
}

double learning_rate(const Recipe& r, int64_t step, double seconds) {
  double factor = nn::warm_up(step, r.warm_up);
  if (r.schedule == "step") factor *= nn::step_decay(step, r.lr_step, r.lr_gamma);
  if (r.schedule == "cosine" && r.cosine_minutes > 0) {
    // The same curve with time in millionths.
    const double share = std::min(1.0, seconds / (60 * r.cosine_minutes));
    factor *= nn::cosine_decay(int64_t(share * 1e6), 1'000'000, r.lr_floor);
  } else if (r.schedule == "cosine") {
    factor *= nn::cosine_decay(step, r.steps, r.lr_floor);
  }
  return r.lr * factor;
}

// Tensors are kept as "model.NAME", "optimiser.NAME" and "ema.NAME", numbers as JSON metadata.
#include "apps/train/state.h"

#include <nlohmann/json.hpp>

#include "apps/train/start.h"
#include "nn/checkpoint.h"
#include "tensor/error.h"

using namespace munet;
using Json = nlohmann::ordered_json;

namespace {

MUNet make_model(const Recipe& recipe, Device device, std::string& init_report) {
  Rng rng{uint64_t(recipe.seed)};
  MUNet model(recipe.model, rng);
  start_weights(model, uint64_t(recipe.seed));
  if (!recipe.init.empty()) init_report = load_start(model, recipe.init);
  nn::to(model, device);
  return model;
}

// Two groups: the encoders, which start from ImageNet, and everything else.
nn::AdamW make_optimiser(const Recipe& recipe, MUNet& model) {
  nn::ParameterGroup encoders{{}, recipe.encoder_lr, recipe.weight_decay},
      rest{{}, 1, recipe.weight_decay};
  for (const nn::NamedTensor& p : nn::parameters(model))
    (p.name.starts_with("encoder_") ? encoders : rest).parameters.push_back(p);
  return nn::AdamW({rest, encoders}, {.beta1 = recipe.beta1, .beta2 = recipe.beta2});
}

// Puts every batch norm into the mode that the recipe says.
class BatchNormMode : public nn::Visitor {
 public:
  explicit BatchNormMode(bool batch) : batch_(batch) {}
  void fold(nn::Conv2d&, nn::BatchNorm2d& bn, bool) override { bn.batch_statistics = batch_; }

 private:
  const bool batch_;
};

void put(nn::StateDict& all, const std::string& prefix, nn::Module& module) {
  for (auto& [name, tensor] : nn::state_dict(module)) all.emplace(prefix + name, tensor);
}

nn::StateDict take(const nn::StateDict& all, const std::string& prefix) {
  nn::StateDict part;
  for (const auto& [name, tensor] : all)
    if (name.starts_with(prefix)) part.emplace(name.substr(prefix.size()), tensor);
  return part;
}

Json numbers_of(const nn::Checkpoint& checkpoint, const std::string& path) {
  const auto found = checkpoint.metadata.find("train");
  check<FileError>(found != checkpoint.metadata.end(), path,
                   ": no training checkpoint: its metadata has no key 'train'");
  Json json = Json::parse(found->second, nullptr, false);
  check<FileError>(json.is_object() && json.contains("recipe"), path,
                   ": the metadata 'train' is not the JSON object of a training run");
  return json;
}

}  // namespace

TrainState::TrainState(const Recipe& given, Device device, Precision given_precision)
    : recipe(given),
      precision(given_precision),
      model(make_model(given, device, init_report)),
      optimiser(make_optimiser(given, model)) {
  check(device.kind == Device::cuda || precision == Precision::f32,
        "train: the CPU computes in f32; given ", name(precision),
        " (tf32, bf16 and f16 are for --device cuda)");
  if (precision == Precision::f16) scaler.emplace();
  nn::train(model, true);
  BatchNormMode(recipe.train_bn).walk(model);
  if (recipe.ema > 0) ema.emplace(nn::tensors(model), recipe.ema);
}

void save_state(TrainState& state, const std::filesystem::path& path) {
  nn::Checkpoint checkpoint;
  put(checkpoint.tensors, "model.", state.model);
  put(checkpoint.tensors, "optimiser.", state.optimiser);
  if (state.ema) put(checkpoint.tensors, "ema.", *state.ema);
  if (state.scaler) put(checkpoint.tensors, "scaler.", *state.scaler);
  checkpoint.metadata["munet"] = to_json(state.recipe.model);
  checkpoint.metadata["train"] = Json{
      {"recipe", Json::parse(to_json(state.recipe))},
      {"step", state.step},
      {"clips", state.clips},
      {"seconds", state.seconds},
      {"best", state.best},
      {"best_step", state.best_step},
      {"data", state.data}}.dump();
  nn::save_checkpoint(path.string(), checkpoint, false, nn::Layout::plain);
}

std::unique_ptr<TrainState> load_state(const std::filesystem::path& path, Device device,
                                       Precision precision) {
  const nn::Checkpoint checkpoint = nn::load_checkpoint(path.string(), nn::Layout::plain);
  const Json json = numbers_of(checkpoint, path.string());
  Recipe recipe = recipe_from_json(json["recipe"].dump(), path.string());
  const std::string init = std::exchange(recipe.init, "");  // its weights are overwritten anyway
  auto state = std::make_unique<TrainState>(recipe, device, precision);
  state->recipe.init = init;
  try {
    nn::load(state->model, take(checkpoint.tensors, "model."));
    nn::load(state->optimiser, take(checkpoint.tensors, "optimiser."));
    if (state->ema) nn::load(*state->ema, take(checkpoint.tensors, "ema."));
    const nn::StateDict scaler = take(checkpoint.tensors, "scaler.");
    if (state->scaler && !scaler.empty()) nn::load(*state->scaler, scaler);
    json.at("step").get_to(state->step);
    json.at("clips").get_to(state->clips);
    json.at("seconds").get_to(state->seconds);
    json.at("best").get_to(state->best);
    json.at("best_step").get_to(state->best_step);
    json.at("data").get_to(state->data);
  } catch (const std::exception& e) {
    throw FileError(str(path.string(), ": ", e.what()));
  }
  return state;
}

Recipe stored_recipe(const std::filesystem::path& path) {
  const nn::Checkpoint checkpoint = nn::load_checkpoint(path.string(), nn::Layout::plain);
  return recipe_from_json(numbers_of(checkpoint, path.string())["recipe"].dump(), path.string());
}

nn::StateDict weights(TrainState& state, bool averaged) {
  check(!averaged || state.ema, "weights: this run keeps no averaged weights (key ema is 0)");
  return averaged ? state.ema->averages() : nn::state_dict(state.model);
}

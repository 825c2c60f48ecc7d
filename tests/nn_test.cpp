// Modules: names, state, loading.

#include "nn/module.h"
#include "tensor/random.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;
using namespace munet::nn;

namespace {

struct Leaf : Module {
  Tensor weight = Tensor::full({2, 3}, 1).set_requires_grad(), mean = Tensor::zeros({3});
  bool is_frozen = false;
  bool frozen() const override { return is_frozen; }
  void visit(Visitor& v) override {
    v("weight", weight);
    v("mean", mean, Role::buffer);
  }
};

struct Tree : Module {
  Leaf first;
  ModuleList<Leaf> blocks;
  Tensor scale = Tensor::full({1}, 2).set_requires_grad();
  Tree() { blocks.items.resize(2); }
  void visit(Visitor& v) override {
    v("first", first);
    v("blocks", blocks);
    v("scale", scale);
  }
};

std::string names(const std::vector<NamedTensor>& list) {
  std::string text;
  for (const NamedTensor& named : list) text += named.name + " ";
  return text;
}

}  // namespace

TEST_CASE("module: names as torch joins them, in visiting order", "[nn]") {
  Tree tree;
  CHECK(names(parameters(tree)) == "first.weight blocks.0.weight blocks.1.weight scale ");
  CHECK(
      names(tensors(tree)) ==
      "first.weight first.mean blocks.0.weight blocks.0.mean blocks.1.weight blocks.1.mean scale ");
  CHECK(parameter_count(tree) == 19);
  CHECK(state_dict(tree).at("first.weight").raw() == tree.first.weight.raw());
  CHECK(!state_dict(tree).at("first.weight").requires_grad());
}

TEST_CASE("module: train, requires_grad and to reach the whole tree", "[nn]") {
  Tree tree;
  train(tree, false);
  CHECK(!tree.training);
  CHECK(!tree.blocks.training);
  CHECK(!tree.blocks.items[1].training);
  requires_grad(tree, false);
  CHECK(!tree.first.weight.requires_grad());
  CHECK(!tree.scale.requires_grad());
  requires_grad(tree, true);
  CHECK(tree.blocks.items[1].weight.requires_grad());
  CHECK(!tree.blocks.items[1].mean.requires_grad());
  to(tree, Device{});
  CHECK(tree.scale.requires_grad());

  tree.blocks.items[1].is_frozen = true;
  train(tree, false);
  CHECK(text_of([&] { train(tree); }) == "train: the module is frozen (blocks.1); thaw() it first");
  CHECK(text_of([&] { to(tree, Device{}); }) ==
        "to: the module is frozen (blocks.1); thaw() it first");
  CHECK(text_of([&] { load(tree, state_dict(tree)); }) ==
        "load: the module is frozen (blocks.1); thaw() it first");
  CHECK(text_of([&] { load(tree.blocks.items[1], {}); }) ==
        "load: the module is frozen (itself); thaw() it first");
}

TEST_CASE("load copies in place and converts", "[nn]") {
  Tree tree;
  const Tensor weight = tree.first.weight, mean = tree.first.mean;
  StateDict state;
  for (const NamedTensor& named : tensors(tree))
    state[named.name] = random_tensor(named.tensor.shape(), name_seed(named.name));
  const StateDict exact = state;
  state["first.weight"] = exact.at("first.weight").to(DType::f16);
  state["first.mean"] = exact.at("first.mean").to(DType::bf16);
  state["scale"] = exact.at("scale").to(DType::f64);
  state["blocks.0.num_batches_tracked"] = Tensor::zeros({}, DType::i64);
  const LoadReport report = load(tree, state);
  CHECK(report.loaded == 7);
  CHECK(report.unexpected.empty());
  CHECK(relative_error(weight, exact.at("first.weight").to(DType::f16)) == 0);
  CHECK(relative_error(mean, exact.at("first.mean").to(DType::bf16)) == 0);
  CHECK(relative_error(tree.scale, exact.at("scale")) == 0);
  CHECK(relative_error(tree.blocks.items[1].mean, exact.at("blocks.1.mean")) == 0);
  CHECK(tree.first.weight.dtype() == DType::f32);
  CHECK(tree.first.weight.requires_grad());
  load(tree, state_dict(tree));  // onto itself
  CHECK(relative_error(mean, exact.at("first.mean").to(DType::bf16)) == 0);
}

TEST_CASE("load reports everything that is wrong, and then changes nothing", "[nn]") {
  Tree tree;
  StateDict state = state_dict(tree);
  state["first.weight"] = Tensor::full({2, 3}, 9);
  state["scale"] = Tensor::zeros({1}, DType::i64);
  state["blocks.0.mean"] = Tensor::zeros({4});
  state.erase("blocks.0.weight");
  state.erase("blocks.1.weight");
  state["other"] = Tensor::zeros({1});
  CHECK(text_of([&] { load(tree, state); }) ==
        "load: the state does not fit the module; missing (2): blocks.0.weight, blocks.1.weight; "
        "unexpected (1): other; mis-shaped (2): blocks.0.mean (module f32 [3], state f32 [4]), "
        "scale (module f32 [1], state i64 [1])");
  CHECK(text_of([&] { load(tree, state, Strict::no); }).find("mis-shaped (2)") !=
        std::string::npos);
  CHECK(tree.first.weight.data<float>()[0] == 1);
  state.erase("scale");
  state.erase("blocks.0.mean");
  const LoadReport report = load(tree, state, Strict::no);
  CHECK(report.loaded == 3);
  CHECK(report.missing ==
        std::vector<std::string>{"blocks.0.mean", "blocks.0.weight", "blocks.1.weight", "scale"});
  CHECK(report.unexpected == std::vector<std::string>{"other"});
  CHECK(tree.first.weight.data<float>()[0] == 9);

  StateDict many = state_dict(tree);
  for (int i = 10; i < 33; ++i) many["x" + std::to_string(i)] = Tensor::zeros({1});
  const std::string text = text_of([&] { load(tree, many); });
  CHECK(text.find("unexpected (23): x10, x11") != std::string::npos);
  CHECK(text.ends_with("x29 and 3 more"));
}

TEST_CASE("state_dict refuses a name that is given twice", "[nn]") {
  struct Twice : Module {
    Tensor a = Tensor::zeros({1});
    void visit(Visitor& v) override { v("a", a), v("a", a); }
  } twice;
  CHECK(text_of([&] { state_dict(twice); }) == "state_dict: visit() names two tensors a");
}

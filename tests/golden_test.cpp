// Ops, layers and blocks against values that PyTorch recorded (tests/golden/record.py says how and
// lists the cases). The recorded numbers are f64 results rounded to f32, so our f64 run has to meet
// them to f32's last bit and our f32 run to a few of them.
#include <set>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "munet/decoder.h"
#include "munet/loss.h"
#include "munet/resnet.h"
#include "nn/checkpoint.h"
#include "nn/optim.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace munet;

namespace {

const nn::StateDict& recorded() {
  static const nn::StateDict tensors =
      nn::load_checkpoint((source_dir() / "tests/golden/layers.safetensors").string(),
                          nn::Layout::plain)
          .tensors;
  return tensors;
}

// [n,c,...] -> [n,...,c], for maps, convolution weights and keys alike.
Tensor channels_last(const Tensor& x) {
  const int64_t n = x.dim(0), c = x.dim(1), rest = x.numel() / (n * c);
  std::vector<int64_t> shape{n};
  for (int i = 2; i < x.rank(); ++i) shape.push_back(x.dim(i));
  shape.push_back(c);
  return transpose(reshape(x, {n, c, rest}), 1, 2).view(Shape(shape));
}

// One recorded case in one floating-point type. Whatever is read is noted: nothing recorded may
// stay without a comparison.
class Case {
 public:
  Case(std::string name, DType dtype) : name_(std::move(name)), dtype_(dtype) {}

  // A recorded tensor as it stands: floats in the case's type, ids as u8.
  Tensor raw(const std::string& tensor) {
    used_.insert(tensor);
    const Tensor& x = recorded().at(name_ + "/" + tensor);
    return x.dtype() == DType::u8 ? x : x.to(dtype_);
  }
  // The same in our layout.
  Tensor map(const std::string& tensor) {
    const Tensor x = raw(tensor);
    return x.rank() >= 3 && x.dtype() != DType::u8 ? channels_last(x) : x;
  }
  // An input of the case: a leaf, if its gradient was recorded ("gx", or "g.weight" of a module).
  Tensor operator()(const std::string& tensor) {
    const Tensor x = map(tensor);
    for (const std::string& gradient : {"g" + tensor, "g." + tensor})
      if (has(gradient)) return leaf(x, gradient);
    return x;
  }
  // x as an input whose gradient is to be compared with the one recorded as `gradient`.
  Tensor leaf(Tensor x, const std::string& gradient) {
    leaves_.push_back({gradient, x.set_requires_grad()});
    return x;
  }
  // Compares a result (as many numbers in the same order).
  void equal(const Tensor& got, const std::string& tensor) { equal(got, map(tensor), tensor); }
  void equal(const Tensor& got, const Tensor& want, const std::string& what) {
    const double tolerance = dtype_ == DType::f64 ? 1e-7 : 2e-6;
    INFO(what << " in " << dtype_);
    CHECK(got.numel() == want.numel());
    CHECK(relative_error(got.detach().view(want.shape()), want) < tolerance);
  }
  // Walks back from y and compares the gradient of every leaf.
  void gradients(const Tensor& y, const Tensor& gy = {}) {
    backward(y, gy ? gy.view(y.shape()) : gy);
    for (const auto& [gradient, leaf] : leaves_) equal(leaf.grad(), gradient);
  }
  // The usual case: the result "y", and the gradient "gy" that arrives at it.
  void result(const Tensor& y) {
    equal(y, "y");
    if (has("gy")) gradients(y, map("gy"));
  }
  void loss(const Tensor& y) {
    equal(y, "loss");
    gradients(y);
  }
  // Gives a module's tensors their recorded values.
  void fill(nn::Module& module) {
    struct Assign : nn::Visitor {
      explicit Assign(Case& from) : c(from) {}
      void tensor(const std::string& name, Tensor& value, nn::Role) override { value = c(name); }
      Case& c;
    };
    Assign(*this).walk(module);
  }

  bool has(const std::string& tensor) const { return recorded().count(name_ + "/" + tensor) > 0; }
  // What this is not compared with, and why is said where it is called.
  void leave_out(std::initializer_list<const char*> tensors) {
    used_.insert(tensors.begin(), tensors.end());
  }
  // The recorded tensors that nobody asked for.
  std::string unused() const {
    std::string names;
    for (const auto& [key, value] : recorded())
      if (key.rfind(name_ + "/", 0) == 0 && !used_.count(key.substr(name_.size() + 1)))
        names += " " + key;
    return names;
  }

 private:
  std::string name_;
  DType dtype_;
  std::vector<std::pair<std::string, Tensor>> leaves_;
  std::set<std::string> used_;
};

struct Row {
  const char* topic;
  std::string name;
  std::function<void(Case&)> run;
};

Row conv_row(const char* name, Conv2dOptions options) {
  return {"conv", name, [options](Case& c) { c.result(conv2d(c("x"), c("w"), c("b"), options)); }};
}

Row norm_row(const char* name, bool training) {
  return {"norm", name, [training](Case& c) {
            Tensor mean = c("mean").clone(), var = c("var").clone();
            c.result(batch_norm(c("x"), c("gamma"), c("beta"), mean, var, {.training = training}));
            if (training) c.equal(mean, "new_mean"), c.equal(var, "new_var");
          }};
}

Row resize_row(const char* name, ResizeOptions options,
               Tensor (*resize)(const Tensor&, ResizeOptions) = upsample_bilinear) {
  return {"resize", name, [options, resize](Case& c) { c.result(resize(c("x"), options)); }};
}

Row match_row(const char* name, MatchOptions options) {
  return {"correlation", name, [options](Case& c) {
            // The reference's gradients belong to the maps that it normalised once more.
            const Tensor f_t = c.leaf(l2_normalize(c.map("f_t")), "gf_t");
            const Tensor f_prev = c.leaf(l2_normalize(c.map("f_prev")), "gf_prev");
            const Tensor y = match_window(f_t, f_prev, options);
            c.equal(narrow(y, 3, 0, 2), "displacement");
            c.equal(narrow(y, 3, 2, 1), "peak");
            c.gradients(y, concat({c.map("gdisplacement_in"), c.map("gpeak_in")}, 3));
          }};
}

Row memory_row(const char* name, int top_k) {
  return {"attention", name, [top_k](Case& c) {
            const Tensor query = c("query_key");
            c.result(memory_read(c("mem_key"), c("mem_value"), reshape(query, {-1, query.dim(3)}),
                                 top_k));
          }};
}

Row clip_row(const char* name) {
  return {"optim", name, [](Case& c) {
            std::vector<nn::NamedTensor> parameters;
            for (const char* g : {"g0", "g1"}) {
              const Tensor gradient = c.raw(g);
              Tensor p = Tensor::zeros(gradient.shape(), gradient.dtype()).set_requires_grad();
              p.set_grad(gradient.clone());
              parameters.push_back({g, p});
            }
            const double norm = nn::clip_grad_norm(parameters, c.raw("max_norm").item());
            c.equal(Tensor::full({1}, norm, DType::f64), "norm");
            c.equal(parameters[0].tensor.grad(), "c0");
            c.equal(parameters[1].tensor.grad(), "c1");
          }};
}

void adamw(Case& c) {
  const Tensor grads = c.raw("grads"), params = c.raw("params");
  Tensor p = c.raw("param").clone().set_requires_grad();
  nn::AdamW optimizer({{.parameters = {{"param", p}}, .weight_decay = 0.5}});
  for (int64_t step = 0; step < grads.dim(0); ++step) {
    p.set_grad(grads.rows(step, 1).view(p.shape()).clone());
    optimizer.step(2e-2);
    c.equal(p, params.rows(step, 1).view(p.shape()), str("params after step ", step + 1));
  }
}

void aggregation(Case& c) {
  const Tensor z = c("z");  // [n,h,w,1], recorded from [n,1,h,w]
  const Tensor logits = soft_aggregate(reshape(z, {z.dim(0), z.dim(1), z.dim(2)}));
  c.equal(logits, "logits");
  c.equal(softmax(logits, -1), "prob");
  c.gradients(logits, c.map("glogits_in"));
}

std::vector<Row> rows() {
  const ResizeOptions corners_x2{.height = 8, .width = 10, .align_corners = true};
  Rng rng;  // the blocks' first weights, all of which are replaced
  return {
      conv_row("conv7x7_s2_p3", {.stride = 2, .padding = 3}),
      conv_row("conv7x7_s1_p3", {.padding = 3}),
      conv_row("conv3x3_s1_p1", {.padding = 1}),
      conv_row("conv3x3_s1_p1_wide", {.padding = 1}),
      conv_row("conv3x3_s2_p1", {.stride = 2, .padding = 1}),
      conv_row("conv1x1_s1", {}),
      conv_row("conv1x1_s2", {.stride = 2}),
      norm_row("batch_norm_eval", false),
      norm_row("batch_norm_train", true),
      {"norm", "normalize", [](Case& c) { c.result(l2_normalize(c("x"))); }},
      {"norm", "normalize_tiny", [](Case& c) { c.result(l2_normalize(c("x"))); }},
      {"pool", "max_pool",
       [](Case& c) { c.result(max_pool2d(c("x"), {.kernel = 3, .stride = 2, .padding = 1})); }},
      {"pool", "max_pool_ties",
       [](Case& c) { c.result(max_pool2d(c("x"), {.kernel = 3, .stride = 2, .padding = 1})); }},
      resize_row("bilinear_half_x2", {.height = 8, .width = 10}),
      resize_row("bilinear_half_x4", {.height = 16, .width = 20}),
      resize_row("bilinear_half_odd", {.height = 7, .width = 13}),
      resize_row("bilinear_corners_x2", corners_x2),
      resize_row("bilinear_corners_x4", {.height = 16, .width = 20, .align_corners = true}),
      resize_row("bilinear_corners_odd", {.height = 7, .width = 13, .align_corners = true}),
      resize_row("nearest_up", {.height = 7, .width = 13}, upsample_nearest),
      resize_row("nearest_down", {.height = 5, .width = 6}, upsample_nearest),
      // Frames are resized from bytes, outside the graph: data_test has Pillow's answers for it.
      {"resize", "antialias_down",
       [](Case& c) {
         c.leave_out({"x", "y"});
       }},
      {"softmax", "softmax", [](Case& c) { c.result(softmax(c("x"), -1)); }},
      {"softmax", "log_softmax", [](Case& c) { c.result(log_softmax(c("x"), -1)); }},
      {"softmax", "soft_aggregate", aggregation},
      {"loss", "bootstrap_ce_40",
       [](Case& c) { c.loss(cross_entropy(c("logits"), c("label"), 0.4)); }},
      {"loss", "bootstrap_ce_100", [](Case& c) { c.loss(cross_entropy(c("logits"), c("label"))); }},
      {"loss", "mask_iou", [](Case& c) { c.loss(mask_iou_loss(c("prob"), c("label"))); }},
      {"loss", "mask_iou_none", [](Case& c) { c.loss(mask_iou_loss(c("prob"), c("label"))); }},
      {"loss", "munet_loss", [](Case& c) { c.loss(munet_loss(c("logits"), c("label"))); }},
      match_row("match_zero_m1_t1_w25", {}),
      match_row("match_zero_p1_t.05_w5", {.window = 5, .temperature = 0.05, .sign = 1}),
      match_row("match_exclude_p1_t.05_w25",
                {.temperature = 0.05, .sign = 1, .border = Border::exclude}),
      match_row("match_exclude_p1_t.05_w5",
                {.window = 5, .temperature = 0.05, .sign = 1, .border = Border::exclude}),
      match_row("match_exclude_m1_t1_w5", {.window = 5, .border = Border::exclude}),
      {"correlation", "cost_volume_w5",
       [](Case& c) {
         c.equal(cost_volume(c.map("f_t"), c.map("f_prev"), 5), "y");
         c.leave_out({"gy", "gf_t", "gf_prev"});  // for pictures: ours has no gradient
       }},
      memory_row("memory_read_all", 0),
      memory_row("memory_read_top3", 3),
      memory_row("memory_read_top3_ties", 3),
      {"block", "basic_block",
       [rng](Case& c) mutable {
         ResidualBlock block(false, 4, 6, 2, rng);
         c.fill(block);
         c.result(block(c("x")));
       }},
      {"block", "bottleneck",
       [rng](Case& c) mutable {
         ResidualBlock block(true, 5, 3, 2, rng);
         c.fill(block);
         c.result(block(c("x")));
       }},
      {"block", "res_block",
       [rng](Case& c) mutable {
         ResBlock block(4, 6, rng);
         c.fill(block);
         c.result(block(c("x")));
       }},
      {"block", "refine",
       [rng](Case& c) mutable {
         Refine refine(5, 4, rng);
         c.fill(refine);
         c.result(refine(refine.skip_branch(c("skip")), c("prev")));
       }},
      {"optim", "adamw", adamw},
      clip_row("clip_grad_norm"),
      clip_row("clip_grad_norm_below"),
  };
}

}  // namespace

TEST_CASE("golden: every recorded value of every layer", "[golden]") {
  for (const Row& row : rows()) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      DYNAMIC_SECTION(row.topic << ": " << row.name << " " << dtype) {
        Case c(row.name, dtype);
        row.run(c);
        CHECK(c.unused() == "");
      }
    }
  }
}

TEST_CASE("golden: no recorded case is without a row", "[golden]") {
  std::set<std::string> cases, named;
  for (const auto& [key, value] : recorded()) cases.insert(key.substr(0, key.find('/')));
  for (const Row& row : rows()) named.insert(row.name);
  CHECK(cases == named);
}

TEST_CASE("munet_loss: its keys weigh the two terms", "[loss]") {
  const Tensor logits = random_tensor({1, 5, 7, 3}, 1, -2, 2, DType::f64);
  Tensor labels = Tensor::zeros({1, 5, 7}, DType::u8);
  for (int64_t i = 0; i < labels.numel(); ++i) labels.data<uint8_t>()[i] = uint8_t(i % 3);
  const double overlap = mask_iou_loss(softmax(logits, -1), labels).item();
  const auto entropy = [&](double keep) { return cross_entropy(logits, labels, keep).item(); };
  CHECK(munet_loss(logits, labels).item() == Approx(entropy(0.4) + overlap));
  CHECK(munet_loss(logits, labels, {.bootstrap = 1, .lambda = 0.25}).item() ==
        Approx(entropy(1) + 0.25 * overlap));
  CHECK(munet_loss(logits, labels, {.bootstrap = 0.1, .lambda = 0}).item() == entropy(0.1));
  CHECK_THROWS_WITH(munet_loss(logits, labels, {.lambda = -1}),
                    "munet_loss: expected lambda >= 0; given -1");
}

#include "munet/model.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/recompute.h"
#include "nn/checkpoint.h"
#include "nn/init.h"

namespace munet {

MUNet::MUNet(const Config& c, Rng& rng)
    : config(c),
      encoder_q(c.backbone, 0, rng),
      encoder_r(c.backbone, c.ref_extra == "none" ? 1 : 2, rng),
      kv_query(encoder_q.depth(), c.key_dim, c.value_dim, rng),
      decoder(c.value_dim, c.decoder_dim, encoder_q.depth(), rng) {
  const int depth = encoder_q.depth();
  if (c.motion != "none") {
    mu_layer.emplace(c, depth, rng);
    if (c.fusion == "attention") msam.emplace(depth, rng);
  }
  if (c.position_cue) position.emplace(c.key_dim);
  if (!c.share_kv) kv_reference.emplace(depth, c.key_dim, c.value_dim, rng);
}

QueryFeatures MUNet::encode_query(const Tensor& x) {
  QueryFeatures query;
  query.trunk = encoder_q(x);
  if (mu_layer) query.motion = mu_layer->features(query.trunk.r4);
  return query;
}

std::vector<QueryFeatures> MUNet::encode_queries(const Tensor& x) {
  const QueryFeatures all = encode_query(x);
  std::vector<QueryFeatures> each;
  for (int64_t t = 0; t < x.dim(0); ++t) {
    const auto frame = [&](const Tensor& y) { return narrow(y, 0, t, 1); };
    each.push_back({{frame(all.trunk.r4), frame(all.trunk.r3), frame(all.trunk.r2)},
                    all.motion ? frame(all.motion) : Tensor()});
  }
  return each;
}

KeyValue MUNet::memorize(const Tensor& x, const Tensor& masks, double nearness) {
  const Shape& s = masks.shape();
  check<ShapeError>(s.rank() == 3 && s[1] == x.dim(1) && s[2] == x.dim(2),
                    "memorize: expected masks [n,h,w] of the frame's size; frame is ", x.shape(),
                    ", masks are ", s);
  const Shape with_channel{s[0], s[1], s[2], 1};
  Tensors inputs{reshape(masks, with_channel)};
  if (config.ref_extra == "others") {
    inputs.push_back(reshape(clamp(sub(sum(masks, {0}, true), masks), 0, 1), with_channel));
  } else if (config.ref_extra == "inverse") {
    inputs.push_back(reshape(clamp(scale(masks, -1, 1), 0, 1), with_channel));
  }
  for (Tensor& input : inputs) input = cast(input, x.dtype());
  const TrunkFeatures f = encoder_r(x, inputs);
  return placed(kv_reference ? (*kv_reference)(f.r4) : kv_query(f.r4), nearness);
}

KeyValue MUNet::placed(KeyValue kv, double nearness) const {
  if (position) kv.key = (*position)(kv.key, nearness);
  return kv;
}

Tensor MUNet::fuse_motion(const QueryFeatures& query, const QueryFeatures* previous,
                          Tensor* matched) {
  const Tensor& f_s = query.trunk.r4;
  if (!mu_layer || !previous) return f_s;
  const Tensor match = mu_layer->match(query.motion, previous->motion);
  if (matched) *matched = match;
  const Tensor f_m = mu_layer->motion_feature(match, f_s.dtype());
  return msam ? (*msam)(f_s, f_m) : add(f_s, f_m);
}

Tensor MUNet::decode(const Tensor& read, const Tensor& query_value, const QueryFeatures& query) {
  const Shape& v = query_value.shape();
  const Tensor maps = reshape(read, Shape{read.dim(0), v[1], v[2], v[3]});
  const auto f = [this](const Tensors& in) { return decoder(in[0], in[1], in[2], in[3]); };
  const Tensors inputs{maps, query_value, query.trunk.r3, query.trunk.r2};
  return recompute() ? checkpoint(f, inputs) : f(inputs);
}

void MUNet::set_recompute(bool on) { encoder_q.recompute = encoder_r.recompute = on; }

void MUNet::visit(nn::Visitor& v) {
  v("encoder_q", encoder_q);
  v("encoder_r", encoder_r);
  if (mu_layer) v("mu_layer", *mu_layer);
  if (msam) v("msam", *msam);
  v("kv_query", kv_query);
  if (kv_reference) v("kv_reference", *kv_reference);
  if (position) v("position", *position);
  v("decoder", decoder);
}

std::unique_ptr<MUNet> load_model(const std::string& path) {
  const nn::Checkpoint checkpoint = nn::load_checkpoint(path);
  const auto keys = checkpoint.metadata.find("munet");
  check<FileError>(keys != checkpoint.metadata.end(), path,
                   ": no munet model: its metadata has no key 'munet' (found ",
                   checkpoint.tensors.size(), " tensors)");
  Rng rng;
  const nn::SkipInit all_is_loaded;
  try {
    auto model = std::make_unique<MUNet>(config_from_json(keys->second, path), rng);
    nn::load(*model, checkpoint.tensors);
    nn::train(*model, false);
    return model;
  } catch (const FileError&) {
    throw;
  } catch (const Error& e) {
    const std::string text = e.what();
    throw FileError(text.rfind(path, 0) == 0 ? text : str(path, ": ", text));
  }
}

void save_model(MUNet& model, const std::string& path, bool half) {
  nn::save_checkpoint(path, {nn::state_dict(model), {{"munet", to_json(model.config)}}}, half);
}

}  // namespace munet

// MUNet: the parts put together (paper, Fig. 2). Every function is differentiable; inference runs
// the same ones under NoGrad after nn::freeze. What keeps state over a video is segmenter.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "munet/config.h"
#include "munet/decoder.h"
#include "munet/matcher.h"
#include "munet/msam.h"
#include "munet/mu_layer.h"
#include "munet/position.h"
#include "munet/resnet.h"

namespace munet {

// What is known of a query frame before any object is looked at. The next frame needs `motion`.
struct QueryFeatures {
  TrunkFeatures trunk;  // n = 1
  Tensor motion;        // MULayer::features(r4); undefined where the model has no MU-Layer
};

struct MUNet : nn::Module {
  MUNet(const Config& config, Rng& rng);

  // Enc-Q. x [1,h,w,3], prepared (frame.h), h and w multiples of 16.
  QueryFeatures encode_query(const Tensor& x);
  // The same for t frames at once, x [t,h,w,3]: faster in training, where weights are prepared anew
  // in every call.
  std::vector<QueryFeatures> encode_queries(const Tensor& x);

  // Enc-R and its key/value head, for each object: x as above, masks [n,h,w] soft, 0..1, padded
  // with 0 -> key, value [n,h/16,w/16,.]. nearness: the strength of the position cue, if there is
  // one.
  KeyValue memorize(const Tensor& x, const Tensor& masks, double nearness = 1);

  // F_out (network.md 4, 5): r4 enhanced by the motion since `previous` (the neighbouring frame's
  // features; null: r4 as it is). [1,h/16,w/16,d]. matched: gets what MULayer::match found.
  Tensor fuse_motion(const QueryFeatures& query, const QueryFeatures* previous,
                     Tensor* matched = nullptr);

  // The query's key and value from F_out; nearness as above.
  KeyValue query_key_value(const Tensor& f_out, double nearness = 1) const {
    return placed(kv_query(f_out), nearness);
  }

  // Decoder: read [n, h/16*w/16, value_dim] of the memory and the query's own value and skips ->
  // z [n,h,w], each object's log-odds; soft_aggregate(z) makes them compete.
  Tensor decode(const Tensor& read, const Tensor& query_value, const QueryFeatures& query);

  // Training in less memory, with the same gradients to rounding: trunks block by block (resnet.h)
  // and the decoder are computed again by backward. The model must outlive the graph.
  void set_recompute(bool on);
  bool recompute() const { return encoder_q.recompute; }

  void visit(nn::Visitor& v) override;

  Config config;
  Trunk encoder_q, encoder_r;
  std::optional<MULayer> mu_layer;  // absent where motion = none
  std::optional<Msam> msam;         // absent where motion = none or fusion = add
  KeyValueHead kv_query;
  std::optional<KeyValueHead> kv_reference;  // absent where share_kv
  std::optional<PositionCue> position;       // only where position_cue
  Decoder decoder;

 private:
  KeyValue placed(KeyValue kv, double nearness) const;  // with the position cue, if there is one
};

// A model from a checkpoint: keys from its metadata, weights from its tensors, NoGrad-ready
// (training off, nothing frozen yet). FileError if the file is unreadable or holds another model:
// all missing, unexpected and mis-shaped tensors are listed at once.
std::unique_ptr<MUNet> load_model(const std::string& path);

// Writes weights and keys; `half` as F16.
void save_model(MUNet& model, const std::string& path, bool half = false);

}  // namespace munet

// Memory is joined along its positions; every frame but the last is encoded for it at most once.
#include "apps/train/rollout.h"

#include <algorithm>

#include "autograd/ops/attention.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "munet/frame.h"
#include "tensor/parallel.h"

using namespace munet;

namespace {

// [h,w] labels -> [n,h,w] of 0 and 1.
Tensor one_hot(const uint8_t* labels, int64_t height, int64_t width, int objects) {
  Tensor masks = Tensor::empty({objects, height, width});
  const int64_t area = height * width;
  parallel_for(objects, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t i = 0; i < area; ++i)
        masks.data<float>()[k * area + i] = labels[i] == k + 1 ? 1.f : 0.f;
  });
  return masks;
}

// Sum of J over the objects; both empty counts 1.
double sum_j(const std::vector<uint8_t>& found, const uint8_t* truth, int objects) {
  std::vector<int64_t> both(std::size_t(objects) + 1), either(both);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == truth[i]) {
      ++both[found[i]], ++either[found[i]];
    } else {
      ++either[found[i]], ++either[truth[i]];
    }
  }
  double sum = 0;
  for (std::size_t k = 1; k < both.size(); ++k)
    sum += either[k] ? double(both[k]) / double(either[k]) : 1;
  return sum;
}

// P of the objects as the memory encoder takes it: logits [1,h,w,n+1] -> [n,h,w].
Tensor soft_masks(const Tensor& logits) {
  const int64_t h = logits.dim(1), w = logits.dim(2), channels = logits.dim(3);
  const Tensor planes = transpose(reshape(softmax(logits, -1), {h * w, channels}), 0, 1);
  return reshape(narrow(planes, 0, 1, channels - 1), {channels - 1, h, w});
}

Tensor positions(const Tensor& map) {
  return reshape(map, {map.dim(0), map.dim(1) * map.dim(2), map.dim(3)});
}

}  // namespace

Rollout roll_out(MUNet& model, const Clip& clip, bool recurrent, const LossOptions& options,
                 DType storage) {
  const int64_t frames = clip.frames.dim(0), height = clip.frames.dim(1),
                width = clip.frames.dim(2);
  check<ShapeError>(height % 16 == 0 && width % 16 == 0 && frames >= 2,
                    "roll_out: expected two frames or more with sides that are multiples of 16; "
                    "the clip is ",
                    clip.frames.shape());
  const Tensor& like = model.kv_query.key.weight;
  if (storage == DType::f32) storage = like.dtype();
  const Tensor x = cast(normalise_frames(clip.frames).to(like.dtype()).to(like.device()), storage);
  const auto truth = [&](int64_t t) { return clip.masks.data<uint8_t>() + t * height * width; };

  Rollout result;
  Tensors keys, values, most_probable;
  Tensor masks = one_hot(truth(0), height, width, clip.objects);
  masks = masks.to(like.dtype()).to(like.device());
  const std::vector<QueryFeatures> queries = model.encode_queries(x);
  for (int64_t t = 1; t < frames; ++t) {
    if (recurrent || t == 1) {
      const KeyValue memory = model.memorize(x.rows(t - 1, 1), masks);
      keys.push_back(positions(memory.key));
      values.push_back(positions(memory.value));
    }
    const QueryFeatures& query = queries[std::size_t(t)];
    const KeyValue own =
        model.query_key_value(model.fuse_motion(query, &queries[std::size_t(t) - 1]));
    const Tensor read =
        memory_read(keys.size() == 1 ? keys[0] : concat(keys, 1),
                    values.size() == 1 ? values[0] : concat(values, 1),
                    reshape(own.key, {own.key.dim(1) * own.key.dim(2), own.key.dim(3)}));
    const Tensor logits = soft_aggregate(model.decode(read, own.value, query));
    most_probable.push_back(argmax(logits, 3));
    const Tensor loss = munet_loss(logits, clip.masks.rows(t, 1).to(like.device()), options);
    result.loss = result.loss ? add(result.loss, loss) : loss;
    if (recurrent && t + 1 < frames) masks = soft_masks(logits);
  }
  result.loss = scale(result.loss, 1 / double(frames - 1));
  for (int64_t t = 1; t < frames; ++t) {  // a GPU is waited for once, not in every frame
    result.labels.push_back(most_probable[std::size_t(t) - 1].to_vector<uint8_t>());
    result.j += sum_j(result.labels.back(), truth(t), clip.objects);
  }
  result.j /= double(frames - 1) * double(std::max(clip.objects, 1));
  return result;
}

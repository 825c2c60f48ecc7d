// The C functions: find the handle, convert, call the Segmenter.
#include <algorithm>

#include "munet/c_handles.h"
#include "munet/pixels.h"

using namespace munet;
using namespace munet::c_api;

namespace {

void check_size(const Use& use, int width, int height) {
  check<ShapeError>(use->frames() == 0 || (width == use->width() && height == use->height()),
                    "segmenter: expected room for the last frame, ", use->width(), "x",
                    use->height(), "; given ", width, "x", height);
}

void check_abi(uint32_t given) {
  if (given != MUNET_ABI_VERSION)
    throw ApiError(MUNET_ERROR_VERSION, str("abi_version: this library has ", MUNET_ABI_VERSION,
                                            "; the caller was built for ", given));
}

SegmenterOptions converted(const munet_options& o) {
  check_abi(o.abi_version);
  require(o.memory, "options: memory");
  SegmenterOptions options;
  options.shorter_side = o.shorter_side;
  options.memory_budget = std::size_t(o.memory_budget);
  options.memory = o.memory;
  options.every = o.every;
  options.last = o.last;
  options.top_k = o.top_k;
  options.enlarge = o.enlarge != 0;
  options.one_piece = o.one_piece != 0;
  options.nearness = o.nearness;
  return options;
}

}  // namespace

uint32_t munet_abi_version() { return MUNET_ABI_VERSION; }
const char* munet_version() { return MUNET_VERSION; }
const char* munet_last_error() { return last_error; }

const char* munet_status_text(munet_status status) {
  switch (status) {
    case MUNET_OK:
      return "ok";
    case MUNET_ERROR_ARGUMENT:
      return "wrong argument";
    case MUNET_ERROR_HANDLE:
      return "no such handle";
    case MUNET_ERROR_VERSION:
      return "built for another version";
    case MUNET_ERROR_SIZE:
      return "wrong size";
    case MUNET_ERROR_OBJECT:
      return "no such object";
    case MUNET_ERROR_FILE:
      return "wrong file";
    case MUNET_ERROR_BUDGET:
      return "memory budget too small";
    case MUNET_ERROR_DEVICE:
      return "no such device";
    case MUNET_ERROR_MEMORY:
      return "out of memory";
    case MUNET_ERROR_BUSY:
      return "at work";
    case MUNET_CANCELLED:
      return "cancelled";
    case MUNET_ERROR_INTERNAL:
      return "internal error";
  }
  return "unknown status";
}

munet_status munet_set_threads(int threads) {
  return guarded([&] { Segmenter::set_threads(threads); });
}

munet_status munet_weights_open(const char* path, const char* device, const char* precision,
                                munet_weights** weights) {
  return guarded([&] {
    require(path, "path");
    require(weights, "weights");
    *weights = all_weights().add(
        std::make_shared<Weights>(path, device ? device : "cpu", precision ? precision : "f32"));
  });
}

munet_status munet_weights_bytes(munet_weights* weights, uint64_t* bytes) {
  return guarded([&] {
    const auto found = all_weights().find(weights);
    require(bytes, "bytes");
    *bytes = found->bytes();
  });
}

munet_status munet_weights_close(munet_weights* weights) {
  return guarded([&] {
    all_weights().find(weights);
    all_weights().remove(weights);
  });
}

munet_status munet_options_init(munet_options* options, uint32_t abi_version) {
  return guarded([&] {
    require(options, "options");
    check_abi(abi_version);
    const SegmenterOptions d;
    *options = {};
    options->abi_version = abi_version;
    options->shorter_side = d.shorter_side;
    options->memory_budget = d.memory_budget;
    options->memory = "stm";
    options->every = d.every;
    options->last = d.last;
    options->top_k = d.top_k;
    options->enlarge = d.enlarge;
    options->one_piece = d.one_piece;
    options->nearness = d.nearness;
  });
}

munet_status munet_segmenter_create(munet_weights* weights, const munet_options* options,
                                    munet_segmenter** segmenter) {
  return guarded([&] {
    const auto shared = all_weights().find(weights);
    require(segmenter, "segmenter");
    *segmenter = all_videos().add(
        std::make_shared<Video>(*shared, options ? converted(*options) : SegmenterOptions{}));
  });
}

munet_status munet_segmenter_destroy(munet_segmenter* segmenter) {
  return guarded([&] {
    const Use use(segmenter);
    all_videos().remove(segmenter);
  });
}

munet_status munet_segmenter_step(munet_segmenter* segmenter, const munet_frame* frame,
                                  const munet_mask* mask) {
  return guarded([&] {
    const Use use(segmenter);
    require(frame, "frame");
    FrameView view;
    view.pixels = frame->pixels;
    view.width = frame->width;
    view.height = frame->height;
    view.stride = frame->stride;
    view.format = PixelFormat(frame->format);
    view.chroma = frame->chroma;
    view.chroma_stride = frame->chroma_stride;
    if (!mask) return use->step(view);
    const MaskView given{mask->ids, mask->width, mask->height, mask->stride};
    use->step(view, &given);
  });
}

munet_status munet_segmenter_on_progress(munet_segmenter* segmenter, munet_progress progress,
                                         void* user) {
  return guarded([&] {
    const Use use(segmenter);
    if (!progress) return use->on_progress(nullptr);
    use->on_progress([progress, user](double share) { return progress(user, share) == 0; });
  });
}

munet_status munet_segmenter_seek(munet_segmenter* segmenter, int64_t frame) {
  return guarded([&] { Use(segmenter)->seek(frame); });
}

munet_status munet_segmenter_labels(munet_segmenter* segmenter, unsigned char* ids, int width,
                                    int height, ptrdiff_t stride) {
  return guarded([&] {
    const Use use(segmenter);
    require(ids, "ids");
    check_size(use, width, height);
    stride = checked_stride("labels", stride, width);
    const std::vector<unsigned char> labels = use->labels();
    for (int i = 0; i < height; ++i)
      std::copy_n(labels.begin() + std::ptrdiff_t(i) * width, width, ids + i * stride);
  });
}

munet_status munet_segmenter_probability(munet_segmenter* segmenter, int id, float* values,
                                         int width, int height) {
  return guarded([&] {
    const Use use(segmenter);
    require(values, "values");
    check_size(use, width, height);
    const std::vector<float> soft = use->probability(id);
    std::copy(soft.begin(), soft.end(), values);
  });
}

munet_status munet_segmenter_trust(munet_segmenter* segmenter, int id, munet_trust* trust) {
  return guarded([&] {
    const Use use(segmenter);
    require(trust, "trust");
    const Trust found = use->trust(id);
    *trust = {found.score, found.certainty, found.agreement, found.matching};
  });
}

munet_status munet_segmenter_correct(munet_segmenter* segmenter, int id, const float* values,
                                     int width, int height) {
  return guarded([&] {
    const Use use(segmenter);
    require(values, "values");
    check_size(use, width, height);
    const std::size_t pixels = std::size_t(use->width()) * std::size_t(use->height());
    use->correct(id, {values, values + pixels});
  });
}

munet_status munet_segmenter_objects(munet_segmenter* segmenter, munet_object* objects,
                                     size_t capacity, size_t* count) {
  return guarded([&] {
    const Use use(segmenter);
    require(count, "count");
    require(objects || capacity == 0, "objects");
    const MemoryReport report = use->memory();
    *count = report.objects.size();
    for (std::size_t i = 0; i < std::min(capacity, *count); ++i) {
      const MemoryReport::Object& object = report.objects[i];
      objects[i] = {object.id, object.frames, object.bytes};
    }
  });
}

munet_status munet_segmenter_remove(munet_segmenter* segmenter, int id) {
  return guarded([&] { Use(segmenter)->remove(id); });
}

munet_status munet_segmenter_reset(munet_segmenter* segmenter) {
  return guarded([&] { Use(segmenter)->reset(); });
}

munet_status munet_segmenter_frames(munet_segmenter* segmenter, int64_t* frames) {
  return guarded([&] {
    const Use use(segmenter);
    require(frames, "frames");
    *frames = use->frames();
  });
}

munet_status munet_segmenter_memory(munet_segmenter* segmenter, munet_memory* memory) {
  return guarded([&] {
    const Use use(segmenter);
    require(memory, "memory");
    const MemoryReport report = use->memory();
    *memory = {report.bytes, report.budget, report.weights};
  });
}

munet_status munet_segmenter_save(munet_segmenter* segmenter, const char* path, const char* note) {
  return guarded([&] {
    const Use use(segmenter);
    require(path, "path");
    use->save(path, note ? note : "");
  });
}

munet_status munet_segmenter_load(munet_segmenter* segmenter, const char* path, char* note,
                                  size_t capacity) {
  return guarded([&] {
    const Use use(segmenter);
    require(path, "path");
    require(note || capacity == 0, "note");
    const std::string text = use->load(path);
    if (capacity == 0) return;
    const std::size_t length = std::min(text.size(), capacity - 1);
    std::copy_n(text.begin(), length, note);
    note[length] = '\0';
  });
}

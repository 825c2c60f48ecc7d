// How well a video is segmented, free-running from its first mask, beside somebody else's results:
//   video_accuracy WEIGHTS FRAMES TRUTH [REFERENCE]
// FRAMES, TRUTH and REFERENCE are folders with files of the same names (but for the extension).
// Prints one line per object: J (mean IoU over frames, the first and last not scored) of ours, of
// the reference's masks, and the mean IoU between the two. tests/val_dev.sh runs it over all
// sequences.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "data/image.h"
#include "data/mask.h"
#include "munet/segmenter.h"
#include "tensor/error.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

double iou(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, int id) {
  double both = 0, any = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += a[i] == id && b[i] == id;
    any += a[i] == id || b[i] == id;
  }
  return any ? both / any : 1;
}

struct Sums {
  double ours = 0, reference = 0, agreement = 0;
};

int run(const std::string& weights, const fs::path& frames, const fs::path& truth,
        const fs::path& reference) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(frames))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  check(files.size() > 2, frames.string(), ": expected at least three frames");
  SegmenterOptions options;
  options.shorter_side = 0;
  Segmenter segmenter(weights, options);
  std::map<int, Sums> sums;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t t = 0; t < files.size(); ++t) {
    const fs::path name = files[t].stem().string() + ".png";
    const Image image = read_image(files[t].string());
    const FrameView frame{image.rgb.data(), image.width, image.height, 0};
    const Mask want = read_mask((truth / name).string());
    if (t == 0) {
      const MaskView first{want.ids.data(), want.width, want.height, 0};
      segmenter.step(frame, &first);
      for (int id : segmenter.objects()) sums[id] = {};
      continue;
    }
    segmenter.step(frame);
    if (t + 1 == files.size()) continue;
    const std::vector<uint8_t> ours = segmenter.labels();
    const Mask theirs = reference.empty() ? want : read_mask((reference / name).string());
    for (auto& [id, sum] : sums) {
      sum.ours += iou(ours, want.ids, id);
      sum.reference += iou(theirs.ids, want.ids, id);
      sum.agreement += iou(ours, theirs.ids, id);
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double scored = double(files.size() - 2);
  for (const auto& [id, sum] : sums)
    std::printf(
        "%-22s object %3d  frames %3zu  J %.4f  reference %.4f  difference %+.4f  "
        "agreement %.4f  %.2f frames/s\n",
        frames.filename().c_str(), id, files.size(), sum.ours / scored, sum.reference / scored,
        (sum.ours - sum.reference) / scored, sum.agreement / scored,
        double(files.size()) / seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    std::fprintf(stderr, "video_accuracy WEIGHTS FRAMES TRUTH [REFERENCE]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argv[3], argc > 4 ? argv[4] : "");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "video_accuracy: %s\n", e.what());
    return 2;
  }
}

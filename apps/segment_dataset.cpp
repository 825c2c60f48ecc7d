// Which tree it is; the work is in dataset_run.h.
#include "apps/segment_dataset.h"

#include <cstdio>
#include <filesystem>

#include "apps/dataset_run.h"
#include "apps/weights.h"
#include "data/file.h"
#include "data/sequence.h"
#include "data/truth.h"
#include "data/youtube.h"
#include "data/zip.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace {

using namespace munet;
namespace fs = std::filesystem;

// The tree itself, or the part of it that the set is.
fs::path folder_of(const DataSetOptions& data) {
  const fs::path tree = data.tree;
  if (data.set.empty() || fs::is_directory(tree / "ImageSets")) return tree;
  for (const std::string& name : {data.set, data.set + "id"})  // YouTube-VOS says "valid"
    if (fs::is_directory(tree / name / "Annotations")) return tree / name;
  throw FileError(str("segment: --set expects the lists of DAVIS, ", (tree / "ImageSets").string(),
                      ", or the set itself, ", (tree / data.set / "Annotations").string(),
                      "; there is neither"));
}

void ask_for_frames(Truth& truth, const fs::path& meta) {
  const AskedFrames asked = read_asked_frames(meta);
  for (TruthSequence& sequence : truth.sequences) {
    const auto frames = asked.find(sequence.name);
    check<FileError>(frames != asked.end() && !frames->second.empty(),
                     "segment: --dataset expects frames of ", sequence.name,
                     ", which has masks, in ", meta.string(), "; there are none");
    sequence.asked = frames->second;
  }
}

void take_all_frames(Truth& truth, const fs::path& folder) {
  const fs::path all =
      fs::path(fs::absolute(folder / "").lexically_normal().parent_path().string() +
               "_all_frames") /
      "JPEGImages";
  check<FileError>(fs::is_directory(all), "segment: --all-frames expects the frames in ",
                   all.string(), "; there is no such folder");
  for (TruthSequence& sequence : truth.sequences) sequence.frames = all / sequence.name;
}

// The servers' layouts: YouTube-VOS wants one folder Annotations, the others none.
int64_t write_zip(const fs::path& path, const Truth& truth, const fs::path& results,
                  const fs::path& top) {
  ZipWriter zip(path);
  int64_t files = 0;
  for (const TruthSequence& sequence : truth.sequences)
    for (const fs::path& mask : list_frames(results / sequence.folder).frames) {
      if (!sequence.asked.empty() && !sequence.asked.count(mask.stem().string())) continue;
      zip.add((top / sequence.folder / mask.filename()).generic_string(),
              read_file("write_zip", mask));
      ++files;
    }
  zip.finish();
  return files;
}

}  // namespace

void segment_data_set(const SegmentOptions& options, const DataSetOptions& data) {
  if (options.threads != 0) set_num_threads(options.threads);
  for (const std::string& file : {data.zip, options.summary})
    check<FileError>(file.empty() || options.force || options.resume || !fs::exists(file),
                     "segment: expected a new file; ", file,
                     " is there already (--force replaces it)");
  const fs::path folder = folder_of(data), meta = folder / "meta.json";
  Truth truth = find_truth(folder, fs::is_directory(folder / "ImageSets") ? data.set : "");
  const bool youtube = fs::exists(meta);
  check<FileError>(youtube || !data.all_frames, "--all-frames: expected a data set that asks for ",
                   "some of its frames in ", meta.string(), "; there is no such file");
  if (youtube) ask_for_frames(truth, meta);
  if (data.all_frames) take_all_frames(truth, folder);
  DataSetRun run{"segment",       "--dataset",    find_weights(options.weights),
                 options.network, options.resume, options.force};
  const Speed speed = run_data_set(truth, run, options.out.masks);
  std::printf("%s: masks of %zu sequences", options.out.masks.c_str(), truth.sequences.size());
  if (!data.zip.empty())
    std::printf("; %s: %lld files", data.zip.c_str(),
                static_cast<long long>(
                    write_zip(data.zip, truth, options.out.masks, youtube ? "Annotations" : "")));
  std::printf("\n");
  if (speed.sequences.empty()) return;  // --resume found them all
  std::printf("%s\n", speed_line(speed).c_str());
  const std::string json = options.summary.empty() ? "" : speed_json(speed);
  if (!json.empty()) write_file("segment", options.summary, {json.begin(), json.end()});
}

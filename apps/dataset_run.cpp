// One frame at a time is in memory. Time is measured around the network and around everything.
#include "apps/dataset_run.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "apps/frame_view.h"
#include "apps/interrupt.h"
#include "apps/progress.h"
#include "apps/score.h"
#include "apps/units.h"
#include "data/image.h"
#include "data/mask.h"
#include "data/sequence.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpFrames = 2;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The frames of a sequence, every annotated one among them.
std::vector<fs::path> frames_of(const TruthSequence& sequence, const DataSetRun& run) {
  check<FileError>(!sequence.frames.empty() && fs::is_directory(sequence.frames), run.command, ": ",
                   run.option, " expects the frames of ", sequence.name, " in ",
                   sequence.frames.empty() ? "JPEGImages" : sequence.frames.string(),
                   "; there is no such folder");
  const std::vector<fs::path> frames = list_frames(sequence.frames).frames;
  std::set<fs::path> stems;
  for (const fs::path& frame : frames) stems.insert(frame.stem());
  for (const fs::path& mask : sequence.masks)
    check<FileError>(stems.count(mask.stem()) > 0, run.command, ": ", run.option,
                     " expects the frame of ", mask.string(), " in ", sequence.frames.string(),
                     "; there is none");
  for (const std::string& stem : sequence.asked)
    check<FileError>(stems.count(stem) > 0, run.command, ": ", run.option, " expects the frame ",
                     stem, " of ", sequence.name, ", which meta.json asks for, in ",
                     sequence.frames.string(), "; there is none");
  return frames;
}

// What the network is told: the objects of an annotated frame that are new, as the rule has them.
class Given {
 public:
  Given(ScoreRule rule, const TruthSequence& sequence)
      : rule_(rule), sequence_(sequence), truth_(rule, sequence) {}

  std::optional<Mask> operator()(const fs::path& frame) {
    if (next_ == sequence_.masks.size() || frame.stem() != sequence_.masks[next_].stem()) return {};
    if (next_ > 0 && rule_ != ScoreRule::generic) return {};
    Labels labels = truth_(next_++);
    std::set<int> fresh;
    std::set_difference(labels.ids.begin(), labels.ids.end(), known_.begin(), known_.end(),
                        std::inserter(fresh, fresh.end()));
    if (fresh.empty()) return {};
    labels.renumber([&](int id) { return fresh.count(id) ? id : 0; });
    known_.merge(fresh);
    return std::move(labels.mask);
  }

 private:
  const ScoreRule rule_;
  const TruthSequence& sequence_;
  TruthReader truth_;
  std::size_t next_ = 0;
  std::set<int> known_;
};

class Runner {
 public:
  Runner(const Truth& truth, const DataSetRun& run, const fs::path& results)
      : truth_(truth), run_(run), results_(results), segmenter_(run.weights, run.network) {}

  std::vector<TrustRow> trust;  // if asked for

  std::vector<SequenceSpeed> operator()() {
    std::vector<std::vector<fs::path>> frames;
    int64_t total = 0, done = 0;
    for (const TruthSequence& sequence : truth_.sequences) {
      frames.push_back(frames_of(sequence, run_));
      total += int64_t(frames.back().size());
      if (!is_done(sequence, frames.back())) continue;
      done += int64_t(frames.back().size());
      frames.back().clear();
    }
    std::vector<SequenceSpeed> speeds;
    std::optional<Progress> progress;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (frames[i].empty()) continue;
      if (speeds.empty()) {
        const auto count = std::min<std::ptrdiff_t>(kWarmUpFrames, std::ssize(frames[i]));
        run(truth_.sequences[i], {frames[i].begin(), frames[i].begin() + count}, false, nullptr);
        if (run_.show_progress) progress.emplace(total, done);
      }
      speeds.push_back(run(truth_.sequences[i], frames[i], true, progress ? &*progress : nullptr));
    }
    return speeds;
  }

 private:
  bool is_done(const TruthSequence& sequence, const std::vector<fs::path>& frames) const {
    return run_.resume && std::all_of(frames.begin(), frames.end(), [&](const fs::path& frame) {
             const std::string stem = frame.stem().string();
             return !asked(sequence, stem) || fs::exists(result_path(results_, sequence, stem));
           });
  }
  static bool asked(const TruthSequence& sequence, const std::string& stem) {
    return sequence.asked.empty() || sequence.asked.count(stem) > 0;
  }

  SequenceSpeed run(const TruthSequence& sequence, const std::vector<fs::path>& frames, bool write,
                    Progress* progress) {
    segmenter_.reset();
    const fs::path folder = results_ / sequence.folder;
    if (write) fs::create_directories(folder);
    SequenceSpeed speed;
    speed.name = sequence.name;
    Given given(truth_.rule, sequence);
    std::vector<uint8_t> palette;
    const Clock::time_point start = Clock::now();
    std::deque<Image> pictures;  // read, and announced if there are several at once
    for (auto next = frames.begin(); const fs::path& path : frames) {
      stop_if_interrupted();
      if (pictures.empty()) {
        const auto end = next + std::min<std::ptrdiff_t>(run_.batch, frames.end() - next);
        for (; next != end; ++next) pictures.push_back(read_image(*next));
        if (run_.batch > 1) speed.network_seconds += announce(pictures);
      }
      const Image image = std::move(pictures.front());
      pictures.pop_front();
      if (speed.frames++ == 0) speed.width = image.width, speed.height = image.height;
      check<FileError>(image.width == speed.width && image.height == speed.height, run_.command,
                       ": ", path.string(), ": expected ", speed.width, "x", speed.height,
                       " as in the frames before; it is ", image.width, "x", image.height);
      const std::optional<Mask> mask = given(path);
      check<FileError>(!mask || (mask->width == image.width && mask->height == image.height),
                       run_.command, ": ", path.string(),
                       ": expected a frame of its mask's size; it is ", image.width, "x",
                       image.height);
      MaskView view;
      if (mask) view = {mask->ids.data(), mask->width, mask->height, 0}, palette = mask->palette;
      const Clock::time_point before = Clock::now();
      if (run_.batch > 1)
        segmenter_.step_announced(mask ? &view : nullptr);
      else
        segmenter_.step(view_of(image), mask ? &view : nullptr);
      const std::string stem = path.stem().string();
      Mask found{image.width, image.height, {}, palette};
      if (asked(sequence, stem)) found.ids = segmenter_.labels();
      speed.network_seconds += seconds_since(before);
      speed.object_frames += int64_t(segmenter_.objects().size());
      if (!write) continue;
      if (run_.trust)
        for (const int id : segmenter_.objects())
          trust.push_back({sequence.name, stem, id, segmenter_.trust(id)});
      if (!found.ids.empty()) write_mask(result_path(results_, sequence, stem), found);
      if (progress) progress->finished(sequence.name + "/" + path.filename().string());
    }
    speed.seconds = seconds_since(start);
    speed.memory_bytes = int64_t(segmenter_.memory().bytes);
    return speed;
  }

  double announce(const std::deque<Image>& pictures) {  // seconds
    const Clock::time_point start = Clock::now();
    std::vector<FrameView> views;
    for (const Image& picture : pictures) views.push_back(view_of(picture));
    segmenter_.announce(views);
    return seconds_since(start);
  }

  const Truth& truth_;
  const DataSetRun& run_;
  const fs::path results_;
  Segmenter segmenter_;
};

struct Totals {
  int64_t frames = 0, object_frames = 0;
  std::set<std::string> sizes;
  explicit Totals(const Speed& speed) {
    for (const SequenceSpeed& sequence : speed.sequences) {
      frames += sequence.frames;
      object_frames += sequence.object_frames;
      sizes.insert(str(sequence.width, "x", sequence.height));
    }
  }
  double objects() const { return double(object_frames) / double(frames); }
};

}  // namespace

Speed run_data_set(const Truth& truth, const DataSetRun& run, const fs::path& results) {
  std::error_code error;
  check<FileError>(
      run.resume || run.replace || !fs::exists(results) || fs::is_empty(results, error),
      run.command, ": ", run.option, " writes masks into ", results.string(),
      ": expected an empty folder or none");
  catch_interrupts();
  Runner runner(truth, run, results);
  std::vector<SequenceSpeed> speeds = runner();
  return {run, std::move(speeds), std::move(runner.trust)};
}

fs::path result_path(const fs::path& results, const TruthSequence& sequence,
                     const std::string& stem) {
  return results / sequence.folder / (stem + ".png");
}

FramesPerSecond frames_per_second(const Speed& speed, double SequenceSpeed::*seconds) {
  double mean = 0, frames = 0, all = 0;
  for (const SequenceSpeed& sequence : speed.sequences) {
    mean += double(sequence.frames) / sequence.*seconds / double(speed.sequences.size());
    frames += double(sequence.frames);
    all += sequence.*seconds;
  }
  return {mean, frames / all};
}

std::string speed_line(const Speed& speed) {
  const FramesPerSecond network = frames_per_second(speed, &SequenceSpeed::network_seconds),
                        with_files = frames_per_second(speed, &SequenceSpeed::seconds);
  const Totals totals(speed);
  const SegmenterOptions& options = speed.run.network;
  std::ostringstream out;
  out.precision(3);
  out << "frames/s, mean of sequences (total/total): " << network.mean << " (" << network.total
      << "), with files " << with_files.mean << " (" << with_files.total << "); " << totals.frames
      << " frames of "
      << (totals.sizes.size() == 1 ? *totals.sizes.begin() : str(totals.sizes.size(), " sizes"))
      << " at " << options.shorter_side << ", " << totals.objects() << " objects/frame, "
      << options.device << " " << options.precision << ", " << num_threads() << " threads, memory "
      << options.memory
      << (options.memory == "fifo" ? str(" last ", options.last) : str(" every ", options.every))
      << (options.motion ? "" : ", motion none") << ", " << kWarmUpFrames
      << " frames of warm-up; peak " << format_bytes(peak_bytes());
  return out.str();
}

std::string speed_json(const Speed& speed) {
  const Totals totals(speed);
  const SegmenterOptions& options = speed.run.network;
  const auto both = [&](double SequenceSpeed::*seconds) {
    const FramesPerSecond fps = frames_per_second(speed, seconds);
    return nlohmann::ordered_json{{"mean_of_sequences", fps.mean}, {"total", fps.total}};
  };
  nlohmann::ordered_json sequences = nlohmann::json::array();
  for (const SequenceSpeed& s : speed.sequences)
    sequences.push_back(
        nlohmann::ordered_json{{"name", s.name},
                               {"frames", s.frames},
                               {"objects_per_frame", double(s.object_frames) / double(s.frames)},
                               {"size", {s.width, s.height}},
                               {"seconds", s.seconds},
                               {"network_seconds", s.network_seconds},
                               {"memory_bytes", s.memory_bytes}});
  const nlohmann::ordered_json json = {
      {"frames_per_second", both(&SequenceSpeed::network_seconds)},
      {"frames_per_second_with_files", both(&SequenceSpeed::seconds)},
      {"frames", totals.frames},
      {"objects_per_frame", totals.objects()},
      {"peak_memory_bytes", int64_t(peak_bytes())},
      {"warm_up_frames", kWarmUpFrames},
      {"settings",
       {{"size", options.shorter_side},
        {"enlarge", options.enlarge},
        {"nearness", options.nearness},
        {"one_piece", options.one_piece},
        {"memory", options.memory},
        {"every", options.every},
        {"last", options.last},
        {"top_k", options.top_k},
        {"motion", options.motion ? "on" : "none"},
        {"threads", num_threads()},
        {"device", options.device},
        {"precision", options.precision}}},
      {"weights", speed.run.weights},
      {"sequences", sequences}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

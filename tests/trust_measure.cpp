// Is trust worth anything? Over a list of DAVIS sequences (the first 0..255 masks, one object):
//   trust_measure WEIGHTS DAVIS LIST SIZE CACHE [--fit | --corrections]
// prints for each sequence Spearman's correlation between trust and J over its frames, and their
// median. --fit: least squares of J on the signs instead, each sequence counting the same: the
// coefficients of munet/trust.cpp. --corrections: also J when true masks are given at three frames,
// those that trust picks, evenly spaced ones, and random ones (mean of five draws).
// What a sequence gave is kept in the folder CACHE and not computed again.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>

#include "data/davis.h"
#include "data/image.h"
#include "data/mask.h"
#include "data/metrics.h"
#include "munet/segmenter.h"
#include "munet/trust.h"
#include "tensor/error.h"
#include "tensor/random.h"

using namespace munet;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPicks = 3, kDraws = 5;
constexpr double kLeastSpread = 0.02;  // of J: below it there is no order to find

struct Frame {
  double j;
  Trust trust;
};
using Frames = std::vector<Frame>;  // from the second one on

class Measure {
 public:
  Measure(const std::string& weights, int size, fs::path cache)
      : segmenter_(weights, options(size)), cache_(std::move(cache)) {
    fs::create_directories(cache_);
  }

  // The sequence from its first mask on.
  Frames run(const DavisSequence& sequence) {
    const fs::path file = cache_ / (sequence.name + ".csv");
    Frames frames;
    if (std::ifstream in(file); in) {
      for (Frame f; in >> f.j >> f.trust.certainty >> f.trust.agreement >> f.trust.matching;)
        frames.push_back(f);
    } else {
      frames = follow(sequence, {});
      std::ofstream out(file.string() + ".part");
      out.precision(9);
      for (const Frame& f : frames)
        out << f.j << ' ' << f.trust.certainty << ' ' << f.trust.agreement << ' '
            << f.trust.matching << '\n';
      out.close();
      fs::rename(file.string() + ".part", file);
    }
    for (Frame& f : frames)
      f.trust.score = trust({f.trust.certainty, f.trust.agreement, f.trust.matching});
    return frames;
  }

  // Mean J with true masks at these frames of the sequence, which count as 1.
  double corrected(const DavisSequence& sequence, const std::vector<std::size_t>& given) {
    std::string name = sequence.name;
    for (const std::size_t t : given) name += "-" + std::to_string(t);
    const fs::path file = cache_ / (name + ".txt");
    double mean = 0;
    if (std::ifstream in(file); in >> mean) return mean;
    const Frames frames = follow(sequence, given);
    for (const Frame& f : frames) mean += f.j / double(frames.size());
    std::ofstream(file) << mean;
    return mean;
  }

 private:
  static SegmenterOptions options(int size) {
    SegmenterOptions options;
    options.shorter_side = size;
    return options;
  }

  Frames follow(const DavisSequence& sequence, const std::vector<std::size_t>& given) {
    segmenter_.reset();
    Frames frames;
    for (std::size_t t = 0; t < sequence.frames.size(); ++t) {
      const Image image = read_image(sequence.frames[t]);
      const Mask truth = read_mask(sequence.masks[t]);
      const MaskView view{truth.ids.data(), truth.width, truth.height, 0};
      const bool picked = std::find(given.begin(), given.end(), t) != given.end();
      const bool empty = ids_in(truth).empty();  // cannot be given: it names nothing
      const bool give = t == 0 || (picked && !empty);
      segmenter_.step({image.rgb.data(), image.width, image.height, 0}, give ? &view : nullptr);
      if (t == 0) continue;
      const Region wanted = region_of(truth.ids, truth.width, truth.height, 1),
                   found = region_of(segmenter_.labels(), truth.width, truth.height, 1);
      frames.push_back({picked ? 1 : region_similarity(wanted, found), segmenter_.trust(1)});
    }
    return frames;
  }

  Segmenter segmenter_;
  const fs::path cache_;
};

// Ranks from 1, equal values sharing the mean of theirs.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (std::size_t i = 0, end; i < order.size(); i = end) {
    for (end = i; end < order.size() && values[order[end]] == values[order[i]];) ++end;
    for (std::size_t k = i; k < end; ++k) out[order[k]] = double(i + end + 1) / 2;
  }
  return out;
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double n = double(x.size()), mean = (n + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

std::vector<double> column(const Frames& frames, double (*of)(const Frame&)) {
  std::vector<double> values;
  for (const Frame& frame : frames) values.push_back(of(frame));
  return values;
}
double j_of(const Frame& frame) { return frame.j; }
double trust_of(const Frame& frame) { return frame.trust.score; }

double deviation(const std::vector<double>& values) {
  const double n = double(values.size()),
               mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / n);
}

// Least squares on (1, certainty, agreement): normal equations, by elimination.
void fit(const std::vector<Frames>& sequences) {
  std::array<std::array<double, 4>, 3> a{};
  for (const Frames& frames : sequences)
    for (const Frame& f : frames) {
      const double x[] = {1, f.trust.certainty, f.trust.agreement};
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t k = 0; k < 3; ++k) a[i][k] += x[i] * x[k] / double(frames.size());
        a[i][3] += x[i] * f.j / double(frames.size());
      }
    }
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t row = 0; row < 3; ++row) {
      if (row == i) continue;
      const double factor = a[row][i] / a[i][i];
      for (std::size_t k = i; k < 4; ++k) a[row][k] -= factor * a[i][k];
    }
  std::printf("kBias = %.3f, kCertainty = %.3f, kAgreement = %.3f\n", a[0][3] / a[0][0],
              a[1][3] / a[1][1], a[2][3] / a[2][2]);
}

std::vector<std::size_t> evenly(std::size_t frames) {
  std::vector<std::size_t> picks;
  for (std::size_t i = 1; i <= kPicks; ++i) picks.push_back(i * frames / (kPicks + 1));
  return picks;
}

std::vector<std::size_t> randomly(std::size_t frames, Rng& rng) {
  std::vector<std::size_t> all(frames - 1);
  std::iota(all.begin(), all.end(), std::size_t{1});
  for (std::size_t i = 0; i < kPicks; ++i)
    std::swap(all[i], all[i + std::size_t(rng.uniform() * double(all.size() - i))]);
  std::sort(all.begin(), all.begin() + kPicks);
  return {all.begin(), all.begin() + kPicks};
}

int run(const std::vector<std::string>& arguments) {
  const std::string mode = arguments.size() > 5 ? arguments[5] : "";
  Measure measure(arguments[0], std::stoi(arguments[3]), arguments[4]);
  std::vector<Frames> sequences;
  std::vector<double> correlations, all_j, all_trust;
  std::size_t flat = 0;
  Rng rng(1);
  std::array<double, 4> means{};  // as it is, trust, even, random
  const std::vector<DavisSequence> list = read_davis(arguments[1], arguments[2]);
  for (const DavisSequence& sequence : list) {
    sequences.push_back(measure.run(sequence));
    const Frames& frames = sequences.back();
    const std::vector<double> j = column(frames, j_of), score = column(frames, trust_of);
    all_j.insert(all_j.end(), j.begin(), j.end());
    all_trust.insert(all_trust.end(), score.begin(), score.end());
    const bool used = deviation(j) >= kLeastSpread;
    if (used)
      correlations.push_back(spearman(score, j));
    else
      ++flat;
    const double mean = std::accumulate(j.begin(), j.end(), 0.0) / double(j.size());
    std::printf("%-20s J %.3f spread %.3f  %s", sequence.name.c_str(), mean, deviation(j),
                used ? "" : "left out");
    if (used) std::printf("Spearman %+.2f", correlations.back());
    if (mode == "--corrections") {
      std::vector<double> from_first{1};
      from_first.insert(from_first.end(), score.begin(), score.end());
      const std::vector<std::size_t> picks = frames_to_check(from_first, kPicks);
      std::array<double, 4> values{mean, measure.corrected(sequence, picks),
                                   measure.corrected(sequence, evenly(sequence.frames.size())), 0};
      for (std::size_t i = 0; i < kDraws; ++i)
        values[3] +=
            measure.corrected(sequence, randomly(sequence.frames.size(), rng)) / double(kDraws);
      std::printf("  with masks: trust %.3f, even %.3f, random %.3f; trust picked", values[1],
                  values[2], values[3]);
      for (const std::size_t t : picks) std::printf(" %zu", t);
      for (std::size_t i = 0; i < 4; ++i) means[i] += values[i] / double(list.size());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  if (mode == "--fit") fit(sequences);
  std::printf("Spearman: median %.3f over %zu sequences (%zu left out), pooled %.3f\n",
              median(correlations), correlations.size(), flat, spearman(all_trust, all_j));
  bool good = median(correlations) >= 0.4;
  if (mode == "--corrections") {
    std::printf("mean J %.4f; three masks: trust %.4f, even %.4f, random %.4f\n", means[0],
                means[1], means[2], means[3]);
    good = good && means[1] > means[2] && means[1] > means[3];
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc > 7) {
    std::fprintf(stderr, "trust_measure WEIGHTS DAVIS LIST SIZE CACHE [--fit | --corrections]\n");
    return 2;
  }
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "trust_measure: %s\n", e.what());
    return 2;
  }
}

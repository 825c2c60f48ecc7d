// One clip in the making: footage seen by a moving camera, and further objects put into it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/clips.h"
#include "data/training_set.h"
#include "tensor/random.h"

namespace munet {

// What the camera looks at: the item's frame for each frame of the clip (all 0 for a still).
struct Footage {
  const TrainingSet* set = nullptr;
  std::size_t item = 0;
  std::vector<std::size_t> frames;
  const TrainingItem& of() const { return set->items()[item]; }
};

// Consecutive frames, 1..max_skip apart, by chance backwards; starting at `start` if given and
// possible. Nothing if the video is too short.
std::optional<Footage> draw_footage(const TrainingSet& set, std::size_t item,
                                    const ClipOptions& options, Rng& rng,
                                    std::optional<std::size_t> start = {});

// Something that is not labelled but hides what is behind it, until finish().
inline constexpr int kUnlabelled = 255;

class Scene {
 public:
  // Films the footage: at most `max_objects` of the objects that show enough in the first frame are
  // labelled 1, 2, ...; all others are unlabelled. Nothing if no crop shows one.
  static std::optional<Scene> film(const Footage& footage, const ClipOptions& options,
                                   int max_objects, Rng& rng);

  // Where an added object goes: it starts near a labelled one, of its size, and ends near it too.
  struct Part {
    bool labelled = false;  // gets the next label
    bool behind = false;    // of all that is labelled or was marked in the footage
    bool through = false;   // crosses the object's middle half way
    double size = 1;        // its side by the other's
    int id = 0;             // of the footage's objects; 0: any of `kind`
    std::string kind;       // "": any
  };
  // Adds an object of the footage beside label 1..objects(). False if it shows none.
  bool add(const Footage& footage, const Part& part, int beside, Rng& rng);
  // Puts the other scene's labelled objects in front of all.
  void merge(const Scene& other);

  int objects() const { return int(objects_.size()); }
  int source_id(int label) const { return objects_[std::size_t(label - 1)]; }
  // The clip: labels of what still shows in the first frame. objects = 0 if nothing does.
  Clip finish() &&;

 private:
  struct Spot {  // of a label in a frame
    double x = 0, y = 0, area = 0;
  };
  explicit Scene(const ClipOptions& options);
  float* rgb(int t);
  uint8_t* ids(int t);
  Spot spot(int t, int label);

  ClipOptions options_;
  Tensor frames_, masks_;
  std::vector<int> objects_;  // the id in its footage of each label
};

}  // namespace munet

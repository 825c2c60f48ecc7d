// Annotated data sets as an evaluation sees them: whose masks are the truth, and by which rule.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace munet {

// Who is scored where.
enum class ScoreRule {
  davis2016,  // everything annotated is one object, scored on all annotated frames but first and
              // last
  davis2017,  // objects 1 to the largest id of the first mask, on the same frames
  generic,    // every id that occurs, on the annotated frames after its first
};

struct TruthSequence {
  std::string name;
  std::filesystem::path frames;              // their folder, which may be missing; empty: none
  std::filesystem::path folder;              // below the results' folder; empty: that folder itself
  std::vector<std::filesystem::path> masks;  // of the annotated frames, in natural order
  std::set<std::string> asked = {};          // stems of the frames wanted as results; empty: all
};

struct Truth {
  std::string set;  // the list's name, "val"; of a tree without lists "all"
  ScoreRule rule;
  std::vector<TruthSequence> sequences;
};

// A tree with a folder ImageSets is DAVIS's: `set` names a list ("val", or with its year
// "2016/val"; without one ImageSets/2017 comes before ImageSets/2016; empty: "val"), the year says
// the rule, and masks lie in Annotations/RESOLUTION/SEQUENCE. Any other has masks in
// Annotations/SEQUENCE or SEQUENCE, or is itself one folder of masks; it has no list, so `set` is
// empty. FileError that names the missing folder or list (and those that are there).
Truth find_truth(const std::filesystem::path& root, const std::string& set,
                 const std::string& resolution = "480p");

}  // namespace munet

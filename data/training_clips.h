// Clips from data sets: what may be named as training data, and how clips are drawn from it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/clips.h"

namespace munet {

// One part of the training data. As text, KIND:PATH[@LIST][*SHARE][-NAME...]:
//   toy                                  moving shapes, no files
//   davis:DAVIS@2017/train               read_davis's lists
//   pack:train.pack*0.6-bear-bus         a pack without two of its sequences
struct DataPart {
  std::string kind;  // toy | pack | davis | youtube | folders | msra10k | ecssd | pascal-s |
                     // voc2012 | coco | stills
  std::filesystem::path path = {};
  std::string list;                  // of the data set: "2017/train", "train", ...; empty: default
  double share = 1;                  // of the clips, beside those of the other parts
  std::vector<std::string> without;  // sequences or pictures to leave out (held out)
};

// Error that names the text and what was expected.
DataPart parse_data_part(const std::string& text);

// Clips of all parts together, each part's as often as its share says. FileError as the readers'.
std::unique_ptr<ClipSource> open_clips(const std::vector<DataPart>& parts,
                                       const ClipOptions& options, uint64_t seed);

}  // namespace munet

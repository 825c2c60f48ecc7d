// Clips from data sets: what may be named as training data, and how clips are drawn from it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/clips.h"
#include "data/training_set.h"

namespace munet {

// One part of the training data. As text, KIND:PATH and then, in any order, ",list=LIST",
// ",share=NUMBER", ",without=NAME+NAME" and so on:
//   toy                                           moving shapes, no files
//   davis:DAVIS,list=2017/train                   a data set in its authors' layout
//   pack:train.pack,list=videos,share=0.6,without=bear+bus
struct DataPart {
  std::string kind;            // toy | pack | davis | youtube | folders | msra10k | ecssd |
                               // pascal-s | voc2012 | coco | stills
  std::filesystem::path path;  // a file for pack, else a folder
  std::string list;  // of the data set ("2017/train"); of a pack: videos, stills or NAME+NAME of
                     // the sets packed; empty: the reader's default, all of a pack
  double share = 1;  // of the clips, beside the shares of the other parts
  std::vector<std::string> without;  // names of videos or stills to leave out (held out)
};

// Error that names the text and what was expected. And back.
DataPart parse_data_part(const std::string& text);
std::string to_string(const DataPart& part);

// Any kind but toy. FileError as the readers' (training_files.h, pack.h).
std::unique_ptr<TrainingSet> open_training_set(const DataPart& part);

// Clips of all parts together, each part's as often as its share says, and within a part of each
// video and still alike. Files that turn out damaged are faults(): another clip is drawn. Error
// from clip() when they are more than one and more than a fiftieth of all.
std::unique_ptr<ClipSource> open_clips(const std::vector<DataPart>& parts,
                                       const ClipOptions& options, uint64_t seed);

}  // namespace munet

// `munet segment --dataset`: a whole data set, with results laid out as its server wants them.
#pragma once

#include <string>

#include "apps/segment_options.h"

struct DataSetOptions {
  std::string tree, set, zip;
  bool all_frames = false;
};

// DAVIS's tree with ImageSets, or YouTube-VOS's and others like it: JPEGImages and Annotations in
// `tree` or in its folder `set`. Where meta.json says which frames are asked for, others get no
// mask; all_frames: objects are followed through the frames of the tree's neighbour NAME_all_frames
// all the same. zip: also an archive of the masks. FileError as run_data_set() and ZipWriter.
void segment_data_set(const SegmentOptions& options, const DataSetOptions& data);

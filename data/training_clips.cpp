// Parts of the training data by name.
#include "data/training_clips.h"

#include "tensor/error.h"

namespace munet {

DataPart parse_data_part(const std::string& text) {
  check(text == "toy", "data: expected toy; given '", text, "'");
  DataPart part;
  part.kind = text;
  return part;
}

std::unique_ptr<ClipSource> open_clips(const std::vector<DataPart>& parts,
                                       const ClipOptions& options, uint64_t seed) {
  check(parts.size() == 1, "data: expected one part; given ", parts.size());
  return toy_clips(options, seed);
}

}  // namespace munet

#include "apps/train/source.h"

#include "tensor/error.h"

using namespace munet;

std::unique_ptr<ClipSource> make_source(const Recipe& recipe) {
  check(!recipe.data.empty(), "train: expected --data KIND:FOLDER; given none");
  return toy_clips(recipe.clips, uint64_t(recipe.seed));
}

// Trust per frame and object as CSV: Sequence (if there are several), Frame, Object, Trust,
// Certainty, Agreement, Matching.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "munet/segmenter.h"

struct TrustRow {
  std::string sequence, frame;  // sequence: empty where there is just one
  int object = 0;
  munet::Trust trust;
};

std::string trust_csv(const std::vector<TrustRow>& rows);

// FileError, starting with `op`, if it cannot be read or is something else.
std::vector<TrustRow> read_trust(const char* op, const std::filesystem::path& path);

// The frames of one sequence where a mask helps most (frames_to_check of munet/trust.h), each with
// its least trust over objects; rows of one sequence, in order of time.
struct FrameTrust {
  std::string frame;
  double trust;
};
std::vector<FrameTrust> least_trust(const std::vector<TrustRow>& rows);  // every frame
std::vector<FrameTrust> check_first(const std::vector<TrustRow>& rows, std::size_t count);

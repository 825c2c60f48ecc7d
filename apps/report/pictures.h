// The report's pictures of one sequence: frames under masks, and what the network saw in them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/report/runs.h"
#include "data/image.h"
#include "data/mask.h"
#include "munet/inspect.h"

// What motion is worth between frames one and five apart: means over the frames looked at.
struct StepFigures {
  double length = 0;       // of displacements, pixels
  double uncertainty = 0;  // 1 - U on the object
  double still = 0;        // IoU of the two true masks as they are
  double moved = 0;        // ... after the earlier one went along with the displacement
  int frames = 0;
};

class Album {
 public:
  // Without frames (a data set of masks alone) there are no pictures: found() is false.
  Album(const munet::TruthSequence& sequence, const std::vector<Run>& runs, std::size_t index,
        munet::Inspector& inspector);
  bool found() const { return !frames_.empty(); }

  std::string quarters() const;       // paper, Figs. 5, 6, 7 and 10
  std::string search_window() const;  // Fig. 3
  std::string failure() const;        // Fig. 8, without the curve: the worst frame
  std::string side_by_side() const;   // Figs. 1 and 11: where the first two runs differ most
  std::string steps(StepFigures& one, StepFigures& five) const;

 private:
  std::size_t at(double share) const;  // the frame at this share of the sequence, not the first
  munet::Image frame(std::size_t i) const;
  std::optional<munet::Mask> truth(std::size_t i) const;
  std::optional<munet::Mask> result(const Run& run, std::size_t i) const;
  std::string over(const munet::Image& image, const std::optional<munet::Mask>& mask,
                   const std::string& what) const;
  munet::PairMaps look(std::size_t before, std::size_t i) const;
  double j_at(const Run& run, const std::string& stem) const;  // < 0: not scored

  const munet::TruthSequence& sequence_;
  const std::vector<Run>& runs_;
  const std::size_t index_;
  munet::Inspector& inspector_;
  std::vector<std::filesystem::path> frames_;
};

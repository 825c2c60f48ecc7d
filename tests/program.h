// Runs the program as its users do, on a small made-up video.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/mask.h"
#include "tests/catch.h"
#include "tests/pictures.h"
#include "tests/support.h"

inline const std::filesystem::path kWeights = source_dir() / "munet/weights/munet18.safetensors";

const char* program_path();
const char* played_path();  // the same on a GPU that the host plays (software_device.h)

struct Result {
  int status;            // 128 + signal if one ended it
  std::string out, err;  // what it printed
};

// A child process of the program. before: runs in the child, for limits, rights and environment.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments, const std::function<void()>& before = {},
                 const char* program = program_path()) {
    arguments.insert(arguments.begin(), program);
    pid_ = fork();
    if (pid_ == 0) {
      for (const auto& [name, fd] : {std::pair("out", 1), std::pair("err", 2)})
        dup2(open((output_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), fd);
      if (before) before();
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  Result wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return {code, slurp(output_ / "out"), slurp(output_ / "err")};
  }

 private:
  TemporaryFolder output_;
  pid_t pid_;
};

inline Result munet_program(const std::vector<std::string>& arguments,
                            const std::function<void()>& before = {}) {
  return Child(arguments, before).wait();
}

inline std::set<std::string> files_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      names.insert(entry.path().filename());
  return names;
}

// A small video that the shipped weights can follow: a red disc moves right over soft waves.
struct Video {
  static constexpr int kWidth = 160, kHeight = 128;
  TemporaryFolder folder;
  std::filesystem::path frames = folder / "frames", mask = folder / "first.png",
                        out = folder / "out";
  std::filesystem::path weights = kWeights;

  explicit Video(int count = 3) {
    std::filesystem::create_directory(frames);
    for (int t = 0; t < count; ++t) munet::write_png_rgb(frame(t), picture(t, kWidth, kHeight));
    munet::write_mask(mask, disc(0));
  }
  std::filesystem::path frame(int t) const {
    return frames / ("frame" + std::to_string(t) + ".png");
  }
  static bool inside(int t, int x, int y) {
    return std::pow((x - 66 - 2 * t) / 32.0, 2) + std::pow((y - 64) / 38.0, 2) < 1;
  }
  static munet::Image picture(int t, int width, int height) {
    munet::Image image{width, height, {}};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (const double value : {90 + 30 * std::sin(x / 9.0), 100 + 30 * std::cos(y / 7.0), 80.0})
          image.rgb.push_back(uint8_t(value));
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3 && inside(t, x, y); ++c)
          image.rgb[std::size_t((y * width + x) * 3 + c)] = uint8_t(c == 0   ? 230
                                                                    : c == 1 ? 60
                                                                             : 40);
    return image;
  }
  static munet::Mask disc(int t) {
    munet::Mask mask{kWidth, kHeight, std::vector<uint8_t>(kWidth * kHeight), {}};
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) mask.ids[std::size_t(y * kWidth + x)] = inside(t, x, y);
    return mask;
  }
  std::vector<std::string> arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"segment",   frames.string(),  "--mask",    mask.string(),
                                    "-o",        out.string(),     "--threads", "1",
                                    "--weights", weights.string(), "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Result run(const std::vector<std::string>& more = {},
             const std::function<void()>& before = {}) const {
    return munet_program(arguments(more), before);
  }
};

// One line on stderr that begins and ends as given, and exit status 2.
inline void check_error(const Result& result, const std::string& start,
                        const std::string& end = "") {
  INFO("stderr: " << result.err);
  CHECK(result.status == 2);
  CHECK(result.err.starts_with("munet: error: " + start));
  CHECK(result.err.ends_with(end + "\n"));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK(result.out == "");
}

inline double iou(const munet::Mask& a, const munet::Mask& b) {
  double both = 0, either = 0;
  for (std::size_t i = 0; i < a.ids.size(); ++i) {
    both += a.ids[i] && b.ids[i];
    either += a.ids[i] || b.ids[i];
  }
  return either > 0 ? both / either : 1;
}

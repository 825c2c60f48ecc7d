// Raw RGB frames from stdin, as of a camera, to stdout with the object drawn in red.
//   ffmpeg -v error -f v4l2 -i /dev/video0 -f rawvideo -pix_fmt rgb24 - |
//     stream WEIGHTS 640 480 200,100,240,300 |
//     ffplay -f rawvideo -pixel_format rgb24 -video_size 640x480 -
// The object is in the box X,Y,WIDTH,HEIGHT of the first frame.
#include <munet/segmenter.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

static int run(const char* checkpoint, int width, int height, const char* box) {
  int x, y, w, h;
  if (std::sscanf(box, "%d,%d,%d,%d", &x, &y, &w, &h) != 4 || width < 1 || height < 1) return 2;
  munet::SegmenterOptions options;
  options.shorter_side = 240;                             // of the frame that the network sees
  options.memory_budget = std::size_t(64) * 1024 * 1024;  // whatever the length of the stream
  munet::Segmenter segmenter(checkpoint, options);

  const std::size_t pixels = std::size_t(width) * std::size_t(height);
  std::vector<unsigned char> rgb(pixels * 3), ids(pixels);
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) {
      const double u = (j + 0.5 - x) / w * 2 - 1, v = (i + 0.5 - y) / h * 2 - 1;
      ids[std::size_t(i) * width + j] = u * u + v * v < 1;  // the ellipse in the box: object 1
    }
  const munet::MaskView first{ids.data(), width, height, 0};

  while (std::fread(rgb.data(), 1, rgb.size(), stdin) == rgb.size()) {
    munet::FrameView frame;
    frame.pixels = rgb.data();
    frame.width = width;
    frame.height = height;
    segmenter.step(frame, segmenter.frames() == 0 ? &first : nullptr);
    const std::vector<float> soft = segmenter.probability(1);
    for (std::size_t i = 0; i < pixels; ++i) {  // towards red, by half of the probability
      unsigned char* p = &rgb[i * 3];
      const float a = soft[i] / 2;
      p[0] = static_cast<unsigned char>(p[0] + a * (255 - p[0]));
      p[1] = static_cast<unsigned char>(p[1] * (1 - a));
      p[2] = static_cast<unsigned char>(p[2] * (1 - a));
    }
    if (std::fwrite(rgb.data(), 1, rgb.size(), stdout) != rgb.size()) return 1;
    std::fflush(stdout);
  }
  return 0;
}

int main(int argc, char** argv) try {
  if (argc == 5) return run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]), argv[4]);
  std::fprintf(stderr, "usage: stream WEIGHTS WIDTH HEIGHT X,Y,W,H < FRAMES > FRAMES\n");
  return 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "stream: %s\n", e.what());
  return 1;
}

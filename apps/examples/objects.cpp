// Two objects in one video: a red disc from the first frame on, a blue one that comes later. The
// red one is forgotten when it is no longer wanted.
//   objects WEIGHTS
#include <munet/segmenter.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

constexpr int kWidth = 192, kHeight = 128;

struct Scene {
  std::vector<unsigned char> rgb = std::vector<unsigned char>(kWidth * kHeight * 3);
  std::vector<unsigned char> ids = std::vector<unsigned char>(kWidth * kHeight, 0);

  Scene() {  // a lawn under a sky
    for (int i = 0; i < kWidth * kHeight; ++i)
      for (int c = 0; c < 3; ++c)
        rgb[i * 3 + c] = static_cast<unsigned char>(
            i < kWidth * 50 ? 150 + 30 * c + i / kWidth : 40 + 60 * (c == 1) + i * 7919 % 31);
  }
  void disc(int x, int y, int id, int channel) {
    for (int i = 0; i < kHeight; ++i)
      for (int j = 0; j < kWidth; ++j)
        if ((i - y) * (i - y) + (j - x) * (j - x) < 32 * 32) {
          rgb[(i * kWidth + j) * 3 + channel] = 240;
          ids[i * kWidth + j] = static_cast<unsigned char>(id);
        }
  }
};

static int run(const char* checkpoint) {
  munet::Segmenter segmenter(checkpoint);
  for (int t = 0; t < 8; ++t) {
    Scene scene;
    scene.disc(40 + 2 * t, 60, 10, 0);
    if (t >= 3) scene.disc(140, 50 + 2 * t, 20, 2);

    // A mask says what it knows: at frame 0 where object 10 is, at frame 3 where object 20 is.
    if (t == 3) std::replace(scene.ids.begin(), scene.ids.end(), 10, 0);
    const munet::MaskView mask{scene.ids.data(), kWidth, kHeight, 0};
    segmenter.step({scene.rgb.data(), kWidth, kHeight}, t == 0 || t == 3 ? &mask : nullptr);
    if (t == 5) segmenter.remove(10);

    const std::vector<unsigned char> labels = segmenter.labels();
    std::printf("frame %d:", t);
    for (const munet::MemoryReport::Object& object : segmenter.memory().objects)
      std::printf("  object %d: %d pixels, %d frames in memory", object.id,
                  int(std::count(labels.begin(), labels.end(), object.id)), int(object.frames));
    std::printf("\n");
  }
  return segmenter.objects() == std::vector<int>{20} ? 0 : 1;
}

int main(int argc, char** argv) try {
  return argc == 2 ? run(argv[1]) : 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "objects: %s\n", e.what());
  return 1;
}

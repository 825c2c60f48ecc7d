// From a video file and the mask of its first frame to a film with the objects in colour. Reading
// and writing files is the component `video`, which needs FFmpeg's libraries, libjpeg and libpng.
//   film WEIGHTS walk.mp4 first.png out.mp4
#include <cstdio>
#include <exception>

#include "data/mask.h"
#include "data/video.h"
#include "munet/segmenter.h"

static int run(const char* checkpoint, const char* video, const char* first, const char* film) {
  munet::Segmenter segmenter(checkpoint);
  const munet::Mask given = munet::read_mask(first);
  const munet::MaskView mask{given.ids.data(), given.width, given.height};
  const std::vector<unsigned char> palette = munet::davis_palette();

  munet::VideoReader reader(video);
  const munet::VideoInfo& info = reader.info();
  munet::VideoWriter writer(film, info.width, info.height, info.frames_per_second);
  munet::VideoFrame frame;
  while (reader.next(frame)) {
    munet::Image& image = frame.image;
    if (image.rgb.empty()) continue;  // damaged beyond decoding
    segmenter.step({image.rgb.data(), image.width, image.height},
                   segmenter.frames() == 0 ? &mask : nullptr);
    const std::vector<unsigned char> ids = segmenter.labels();
    for (std::size_t i = 0; i < image.rgb.size(); ++i)
      if (const unsigned char id = ids[i / 3])
        image.rgb[i] = static_cast<unsigned char>((image.rgb[i] + palette[id * 3 + i % 3]) / 2);
    writer.write(image, frame.seconds);
  }
  writer.finish();
  std::printf("%d frames, %d objects\n", int(segmenter.frames()), int(segmenter.objects().size()));
  return 0;
}

int main(int argc, char** argv) try {
  if (argc == 5) return run(argv[1], argv[2], argv[3], argv[4]);
  std::fprintf(stderr, "usage: film WEIGHTS VIDEO MASK FILM\n");
  return 2;
} catch (const std::exception& e) {
  std::fprintf(stderr, "film: %s\n", e.what());
  return 1;
}

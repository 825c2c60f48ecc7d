/* Segments raw NV12 frames from stdin, as a camera or decoder gives them, from a box on the first.
   Prints how many pixels the object has in each frame, the middle of them, and how far to trust it.
     ffmpeg -v error -i walk.mp4 -f rawvideo -pix_fmt nv12 - | segment WEIGHTS 1280 720 400,80,300,600
   The box is X,Y,WIDTH,HEIGHT. */
#include <munet/munet.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(void) {
  fprintf(stderr, "segment: %s\n", munet_last_error());
  return 1;
}

int main(int argc, char** argv) {
  int x, y, w, h, width, height, number = 0;
  if (argc != 5 || sscanf(argv[4], "%d,%d,%d,%d", &x, &y, &w, &h) != 4 ||
      (width = atoi(argv[2])) < 1 || (height = atoi(argv[3])) < 1) {
    fprintf(stderr, "usage: segment WEIGHTS WIDTH HEIGHT X,Y,W,H < FRAMES\n");
    return 2;
  }
  size_t pixels = (size_t)width * height;
  size_t bytes = pixels + (size_t)((width + 1) / 2) * ((height + 1) / 2) * 2;
  unsigned char* nv12 = malloc(bytes);
  unsigned char* ids = calloc(pixels, 1);
  if (!nv12 || !ids) return 1;

  munet_weights* weights;
  munet_segmenter* segmenter;
  if (munet_weights_open(argv[1], NULL, NULL, &weights) != MUNET_OK) return failed();
  if (munet_segmenter_create(weights, NULL, &segmenter) != MUNET_OK) return failed();
  munet_weights_close(weights); /* the segmenter keeps them */

  /* The first mask: the ellipse in the box, object 1. */
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) {
      double u = (j + 0.5 - x) / w * 2 - 1, v = (i + 0.5 - y) / h * 2 - 1;
      ids[(size_t)i * width + j] = u * u + v * v < 1;
    }
  munet_mask first = {.ids = ids, .width = width, .height = height};
  munet_frame frame = {.pixels = nv12, .width = width, .height = height, .format = MUNET_NV12};

  for (; fread(nv12, 1, bytes, stdin) == bytes; ++number) {
    if (munet_segmenter_step(segmenter, &frame, number == 0 ? &first : NULL) != MUNET_OK)
      return failed();
    if (munet_segmenter_labels(segmenter, ids, width, height, 0) != MUNET_OK) return failed();
    size_t count = 0;
    double column = 0, row = 0;
    for (size_t i = 0; i < pixels; ++i)
      if (ids[i] == 1) ++count, column += i % width, row += i / width;
    printf("frame %d: %zu pixels", number, count);
    if (count) printf(" around %.0f,%.0f", column / count, row / count);
    munet_trust trust;
    if (munet_segmenter_trust(segmenter, 1, &trust) != MUNET_OK) return failed();
    printf(", trust %.2f\n", trust.score);
  }
  munet_segmenter_destroy(segmenter);
  free(nv12);
  free(ids);
  return 0;
}

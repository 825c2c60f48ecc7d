/* A video in one process or in two, against the installed library: prints a sum over the masks of
   each frame.   state WEIGHTS FIRST LAST [LOAD|-] [SAVE|-]   frames FIRST..LAST-1 of a made-up video */
#include <munet/munet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 112, HEIGHT = 80 };

static void need(munet_status status) {
  if (status == MUNET_OK) return;
  fprintf(stderr, "state: %s: %s\n", munet_status_text(status), munet_last_error());
  exit(1);
}

int main(int argc, char** argv) {
  static unsigned char rgb[HEIGHT][WIDTH][3], ids[HEIGHT][WIDTH];
  static float soft[HEIGHT * WIDTH];
  if (argc != 6) return 2;
  munet_weights* weights;
  munet_segmenter* segmenter;
  need(munet_weights_open(argv[1], NULL, NULL, &weights));
  need(munet_segmenter_create(weights, NULL, &segmenter));
  if (strcmp(argv[4], "-")) need(munet_segmenter_load(segmenter, argv[4], NULL, 0));
  for (int t = atoi(argv[2]); t < atoi(argv[3]); ++t) {
    for (int i = 0; i < HEIGHT; ++i)
      for (int j = 0; j < WIDTH; ++j) {
        int x = j - 40 - t, y = i - 40;
        ids[i][j] = x * x + y * y < 600 ? 9 : 0;
        for (int c = 0; c < 3; ++c)
          rgb[i][j][c] = (unsigned char)((i * 7 + j * 5 + c * t) % 60 + (ids[i][j] ? 120 : 40));
      }
    munet_frame frame = {.pixels = &rgb[0][0][0], .width = WIDTH, .height = HEIGHT};
    munet_mask mask = {.ids = &ids[0][0], .width = WIDTH, .height = HEIGHT};
    need(munet_segmenter_step(segmenter, &frame, t == 0 ? &mask : NULL));
    need(munet_segmenter_probability(segmenter, 9, soft, WIDTH, HEIGHT));
    unsigned long long sum = 1469598103934665603u;
    for (int i = 0; i < HEIGHT * WIDTH; ++i) {
      unsigned bits;
      memcpy(&bits, &soft[i], sizeof bits);
      sum = (sum ^ bits) * 1099511628211u;
    }
    printf("%d %016llx\n", t, sum);
  }
  if (strcmp(argv[5], "-")) need(munet_segmenter_save(segmenter, argv[5], NULL));
  return 0;
}

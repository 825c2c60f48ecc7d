// munet in C, and in whatever can call C: push one frame of a video, get the masks of its objects.
//
//   munet_weights* weights;
//   munet_segmenter* segmenter;
//   if (munet_weights_open("munet18.safetensors", NULL, NULL, &weights) != MUNET_OK ||
//       munet_segmenter_create(weights, NULL, &segmenter) != MUNET_OK)
//     return fprintf(stderr, "%s\n", munet_last_error()), 1;
//   munet_segmenter_step(segmenter, &frame, &mask);   // a mask may come with any frame
//   munet_segmenter_step(segmenter, &next_frame, NULL);
//   munet_segmenter_labels(segmenter, ids, width, height, 0);
//
// Ownership: the caller owns what it passes in and every buffer that is filled; the library reads
// and writes them during the call only (but for the progress function). What *_create and *_open
// give is given back by *_destroy and *_close.
// Threads: every function may be called from any thread. A segmenter does one thing at a time: a
// call that finds it at work fails with MUNET_ERROR_BUSY. Different segmenters work at the same
// time, also with the same weights.
// Errors: every function that can fail returns a munet_status. A call that failed has changed
// nothing and filled nothing. No exception leaves the library.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

// The version of this header. It grows when a struct or the meaning of a function changes.
enum { MUNET_ABI_VERSION = 1 };

// What a call came to.
typedef enum munet_status {
  MUNET_OK = 0,
  MUNET_ERROR_ARGUMENT = 1,  // a null pointer, a value outside its range, a mask without objects
  MUNET_ERROR_HANDLE = 2,    // null, destroyed, or never made
  MUNET_ERROR_VERSION = 3,   // the caller was built for another MUNET_ABI_VERSION
  MUNET_ERROR_SIZE = 4,      // another size than the frames before, or a stride shorter than a row
  MUNET_ERROR_OBJECT = 5,    // no object has this id
  MUNET_ERROR_FILE = 6,      // cannot be read or written, is damaged, or of another model
  MUNET_ERROR_BUDGET = 7,    // the given masks do not fit the memory budget
  MUNET_ERROR_DEVICE = 8,    // unknown, or not in this build
  MUNET_ERROR_MEMORY = 9,    // the system has no more
  MUNET_ERROR_BUSY = 10,     // the segmenter is at work, in another thread or above on the stack
  MUNET_CANCELLED = 11,      // the progress function said so
  MUNET_ERROR_INTERNAL = 12  // none of these: a bug
} munet_status;

// Weights that any number of segmenters share. A number in a pointer's clothes: never read through.
typedef struct munet_weights munet_weights;
// One video that is being segmented. Handles are never used twice, so an old one is recognised.
typedef struct munet_segmenter munet_segmenter;

// How the 8-bit pixels of a frame lie in memory.
typedef enum munet_format {
  MUNET_RGB = 0,      // 3 bytes a pixel
  MUNET_BGR = 1,      // 3 bytes a pixel
  MUNET_RGBA = 2,     // 4 bytes a pixel, the last is not looked at
  MUNET_BGRA = 3,     // 4 bytes a pixel, the last is not looked at
  MUNET_NV12 = 4,     // a plane of luma, one of U and V for each 2x2 pixels; BT.601, 16..235
  MUNET_NV12_709 = 5  // the same with BT.709, as in HD video
} munet_format;

// A picture.
typedef struct munet_frame {
  const unsigned char* pixels;  // the uppermost row; of luma for NV12
  int32_t width;                // pixels
  int32_t height;               // pixels
  ptrdiff_t stride;             // bytes to the next row; 0: rows follow each other; may be negative
  int32_t format;               // a munet_format
  const unsigned char* chroma;  // NV12: the rows of U and V; null: right behind the luma
  ptrdiff_t chroma_stride;      // bytes; 0: the luma's
} munet_frame;

// One id per pixel: 0 nothing, 1..254 an object, 255 void, which is read as 0. The frame's size.
typedef struct munet_mask {
  const unsigned char* ids;  // the uppermost row
  int32_t width;             // pixels
  int32_t height;            // pixels
  ptrdiff_t stride;          // bytes to the next row; 0: rows follow each other; may be negative
} munet_mask;

// How a segmenter works. munet_options_init fills it; change what you need then.
typedef struct munet_options {
  uint32_t abi_version;    // what munet_options_init was given
  int32_t shorter_side;    // 480: larger frames are reduced to it; 0: never
  uint64_t memory_budget;  // 1 GiB: bytes of what is remembered, all objects
  const char* memory;      // "stm": every n-th frame is kept; "fifo": the last ones
  int32_t every;           // 5: n of stm
  int32_t last;            // 5: frames that fifo keeps
  int32_t top_k;           // -1, the model's own: memory positions per read; 0: all
  int32_t enlarge;         // 0; else smaller frames are enlarged to shorter_side: small objects
  int32_t one_piece;       // 0; else an object is one area: what is apart from it is dropped
  double nearness;         // 1: how much nearness counts in the memory, by the model's own, 0..10
} munet_options;

// What a segmenter holds, in bytes.
typedef struct munet_memory {
  uint64_t bytes;    // of what is remembered
  uint64_t budget;   // its limit
  uint64_t weights;  // once for all segmenters that share them
} munet_memory;

// One object and what is remembered of it.
typedef struct munet_object {
  int32_t id;      // 1..254
  int64_t frames;  // memorised
  uint64_t bytes;  // of these
} munet_object;

// How far a mask can be trusted: score 0..1, and what it is made of.
typedef struct munet_trust {
  double score;      // 0 wrong .. 1 right
  double certainty;  // of the soft mask, 0..1
  double agreement;  // with the mask before, moved by the measured motion, 0..1
  double matching;   // similarity of the object's pixels with where they came from, -1..1
} munet_trust;

// Called during munet_segmenter_step with the share of it that is done, rising in 0..1. Any return
// value but 0 cancels the step. It must return, and may not use the segmenter (MUNET_ERROR_BUSY).
typedef int (*munet_progress)(void* user, double share);

// The MUNET_ABI_VERSION of the library that is loaded.
uint32_t munet_abi_version(void);
// The version of the library that is loaded: "0.1.0".
const char* munet_version(void);
// A status in a few words, "ok" for MUNET_OK. Never null, never freed.
const char* munet_status_text(munet_status status);
// What was expected and what was found by the last call on this thread that failed; "" before one
// does. Valid until the next call on this thread fails.
const char* munet_last_error(void);
// CPU threads that work on one step, the calling one included, at most: 1..256; at first the cores
// this process may run on. They are one pool for the process: of steps that run at the same time
// one gets the pool, the others work alone. Not during a step.
munet_status munet_set_threads(int threads);

// Reads and packs a checkpoint for a device ("cpu", "cuda", "cuda:n"; null: "cpu") and a precision
// ("f32"; on a GPU also "tf32", "bf16", "f16"; null: "f32"). FILE if it is absent, damaged or of
// another model, DEVICE if the device is not there.
munet_status munet_weights_open(const char* path, const char* device, const char* precision,
                                munet_weights** weights);
// The bytes of the packed weights.
munet_status munet_weights_bytes(munet_weights* weights, uint64_t* bytes);
// Gives the handle back. Segmenters made from it go on; the memory goes with the last of them.
munet_status munet_weights_close(munet_weights* weights);

// Fills *options with the defaults. VERSION, and nothing is written, unless abi_version is the
// library's: pass MUNET_ABI_VERSION.
munet_status munet_options_init(munet_options* options, uint32_t abi_version);
// A segmenter that has seen no frame. options: null for the defaults; its strings are copied.
munet_status munet_segmenter_create(munet_weights* weights, const munet_options* options,
                                    munet_segmenter** segmenter);
// Gives the segmenter back with all it remembers. BUSY while it is at work.
munet_status munet_segmenter_destroy(munet_segmenter* segmenter);

// Pushes the next frame. mask: null, or the objects it names start (or are set right) here, for
// good in memory; other objects keep their prediction where the mask is 0. All frames have one
// size, until munet_segmenter_reset. Before the first mask there is nothing to find.
// SIZE, BUDGET, CANCELLED; ARGUMENT for a mask that names no object.
munet_status munet_segmenter_step(munet_segmenter* segmenter, const munet_frame* frame,
                                  const munet_mask* mask);
// Sets the function that watches and cancels steps, and what it is given; null: none.
munet_status munet_segmenter_on_progress(munet_segmenter* segmenter, munet_progress progress,
                                         void* user);
// The next frame pushed is number `frame` of the video, anywhere in it, and not the neighbour of
// the last: no motion is measured between them, objects and memory stay, and which frames are kept
// goes on by their numbers. Without it a frame's number is the one before plus 1.
munet_status munet_segmenter_seek(munet_segmenter* segmenter, int64_t frame);

// The id of the most probable object for each pixel of the last frame, 0 for none, into height rows
// of width bytes that lie stride bytes apart (0: width). SIZE unless that is the last frame's size.
munet_status munet_segmenter_labels(munet_segmenter* segmenter, unsigned char* ids, int width,
                                    int height, ptrdiff_t stride);
// The soft mask of one object in the last frame, 0..1, into width * height floats. OBJECT, SIZE.
munet_status munet_segmenter_probability(munet_segmenter* segmenter, int id, float* values,
                                         int width, int height);
// Of an object in the last frame: all 1 where its mask was given, 0 where it is nowhere. Low where
// a look, and perhaps a mask, is worth it. OBJECT; ARGUMENT before the first step.
munet_status munet_segmenter_trust(munet_segmenter* segmenter, int id, munet_trust* trust);
// Replaces what will be memorised of the last frame for an object by a soft mask, 0..1: width *
// height floats, for example after a refinement of your own. OBJECT, SIZE.
munet_status munet_segmenter_correct(munet_segmenter* segmenter, int id, const float* values,
                                     int width, int height);

// The objects, ids ascending: their number into *count, the first `capacity` of them into objects
// (which may be null if capacity is 0).
munet_status munet_segmenter_objects(munet_segmenter* segmenter, munet_object* objects,
                                     size_t capacity, size_t* count);
// Forgets an object. OBJECT if there is none of this id.
munet_status munet_segmenter_remove(munet_segmenter* segmenter, int id);
// Forgets all objects and frames; weights and options stay.
munet_status munet_segmenter_reset(munet_segmenter* segmenter);
// How many frames were pushed since the start or munet_segmenter_reset.
munet_status munet_segmenter_frames(munet_segmenter* segmenter, int64_t* frames);
// What the segmenter holds.
munet_status munet_segmenter_memory(munet_segmenter* segmenter, munet_memory* memory);

// Everything but the weights and the options into a file, with a note of yours (null: none). A
// segmenter of the same weights and options that loads it, in any process, goes on exactly as this
// one would. FILE.
munet_status munet_segmenter_save(munet_segmenter* segmenter, const char* path, const char* note);
// Back from such a file. The note, up to capacity bytes with the zero at its end, into note (which
// may be null if capacity is 0). FILE also if it comes from other weights or another working size.
munet_status munet_segmenter_load(munet_segmenter* segmenter, const char* path, char* note,
                                  size_t capacity);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

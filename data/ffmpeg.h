// FFmpeg's handles as owners, and its errors as text. Included by video_reader.cpp and
// video_writer.cpp only.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <new>
#include <string>

namespace munet::ffmpeg {

struct Free {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
template <class T>
using Owner = std::unique_ptr<T, Free>;

// What FFmpeg allocates is only ever null for lack of memory.
template <class T>
T* allocated(T* handle) {
  if (!handle) throw std::bad_alloc();
  return handle;
}

// "Invalid data found when processing input".
inline std::string error_text(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, text, sizeof text);
  return text;
}

// FFmpeg prints to stderr unless it is told not to; a library does not.
inline void be_quiet() {
  av_log_set_callback([](void*, int, const char*, va_list) {});
}

}  // namespace munet::ffmpeg

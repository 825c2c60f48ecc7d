// Encoding: RGB -> yuv420p (BT.709, said in the file) -> H.264 -> MP4.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "data/ffmpeg.h"
#include "data/video.h"
#include "tensor/error.h"

namespace munet {
namespace {

using namespace ffmpeg;

constexpr int kTicks = 60000;  // per second; divisible by 24, 25, 30, 50, 60 and 30000/1001

struct CloseOutput {
  void operator()(AVFormatContext* format) const {
    if (format->pb) avio_closep(&format->pb);
    avformat_free_context(format);
  }
};

Owner<AVFrame> new_frame(AVPixelFormat format, int width, int height) {
  Owner<AVFrame> frame(allocated(av_frame_alloc()));
  frame->format = format;
  frame->width = width;
  frame->height = height;
  if (av_frame_get_buffer(frame.get(), 64) < 0) throw std::bad_alloc();
  return frame;
}

}  // namespace

struct VideoWriter::State {
  std::filesystem::path path;
  std::string part;
  int width = 0, height = 0;
  std::unique_ptr<AVFormatContext, CloseOutput> format;
  Owner<AVCodecContext> codec;
  Owner<AVFrame> rgb, yuv;
  Owner<AVPacket> packet{allocated(av_packet_alloc())};
  Owner<SwsContext> scaler;
  AVStream* stream = nullptr;
  int64_t last = -1, duration = 0;  // ticks
  bool finished = false;

  ~State() {
    format.reset();
    if (!finished && !part.empty()) ::unlink(part.c_str());
  }

  void check_call(int result) const {
    if (result == AVERROR(ENOMEM)) throw std::bad_alloc();
    check<FileError>(result >= 0, "write_video: cannot write ", path.string(), ": ",
                     error_text(result));
  }

  void open(double frames_per_second);
  void open_codec(double frames_per_second);
  void encode(AVFrame* frame);
};

void VideoWriter::State::open_codec(double frames_per_second) {
  const AVCodec* encoder = avcodec_find_encoder_by_name("libx264");
  if (!encoder) encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
  check<FileError>(encoder != nullptr, "write_video: ", path.string(),
                   ": expected an FFmpeg that encodes H.264 or MPEG-4; this one does neither");
  codec.reset(allocated(avcodec_alloc_context3(encoder)));
  codec->width = yuv->width;
  codec->height = yuv->height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->colorspace = AVCOL_SPC_BT709;
  codec->color_primaries = AVCOL_PRI_BT709;
  codec->color_trc = AVCOL_TRC_BT709;
  codec->color_range = AVCOL_RANGE_MPEG;
  codec->time_base = {1, kTicks};
  codec->framerate = av_d2q(frames_per_second, 100000);
  codec->gop_size = 60;
  if (format->oformat->flags & AVFMT_GLOBALHEADER) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  AVDictionary* options = nullptr;
  if (encoder->id == AV_CODEC_ID_H264) {
    // Few frames in flight: at 8192x8192 each one is 100 MB.
    codec->thread_count = 1;
    av_dict_set(&options, "preset", "veryfast", 0);
    av_dict_set(&options, "crf", "20", 0);
    av_dict_set(&options, "rc-lookahead", "8", 0);
  } else {
    codec->flags |= AV_CODEC_FLAG_QSCALE;
    codec->global_quality = 3 * FF_QP2LAMBDA;
  }
  const int opened = avcodec_open2(codec.get(), encoder, &options);
  av_dict_free(&options);
  check<FileError>(opened >= 0, "write_video: ", path.string(), ": expected a size that ",
                   encoder->name, " can encode; given ", width, "x", height, " (",
                   error_text(opened), ")");
}

void VideoWriter::State::open(double frames_per_second) {
  be_quiet();
  check_picture_size("write_video", path, width, height);
  rgb = new_frame(AV_PIX_FMT_RGB24, width + width % 2, height + height % 2);
  yuv = new_frame(AV_PIX_FMT_YUV420P, rgb->width, rgb->height);
  part = path.string() + ".part";
  AVFormatContext* made = nullptr;
  check_call(avformat_alloc_output_context2(&made, nullptr, "mp4", part.c_str()));
  format.reset(made);
  open_codec(frames_per_second);
  scaler.reset(allocated(sws_getContext(
      rgb->width, rgb->height, AV_PIX_FMT_RGB24, rgb->width, rgb->height, AV_PIX_FMT_YUV420P,
      SWS_BILINEAR | SWS_ACCURATE_RND, nullptr, nullptr, nullptr)));
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(SWS_CS_DEFAULT), 1,
                           sws_getCoefficients(SWS_CS_ITU709), 0, 0, 1 << 16, 1 << 16);
  stream = allocated(avformat_new_stream(format.get(), nullptr));
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = codec->framerate;
  check_call(avcodec_parameters_from_context(stream->codecpar, codec.get()));
  check_call(avio_open(&format->pb, ("file:" + part).c_str(), AVIO_FLAG_WRITE));
  check_call(avformat_write_header(format.get(), nullptr));
  duration = std::max<int64_t>(1, std::llround(kTicks / frames_per_second));
}

// null: the end.
void VideoWriter::State::encode(AVFrame* frame) {
  check_call(avcodec_send_frame(codec.get(), frame));
  for (;;) {
    const int got = avcodec_receive_packet(codec.get(), packet.get());
    if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return;
    check_call(got);
    packet->duration = duration;
    packet->stream_index = stream->index;
    av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
    check_call(av_interleaved_write_frame(format.get(), packet.get()));
  }
}

VideoWriter::VideoWriter(const std::filesystem::path& path, int width, int height,
                         double frames_per_second)
    : state_(std::make_unique<State>()) {
  state_->path = path;
  state_->width = width;
  state_->height = height;
  state_->open(std::clamp(frames_per_second, 0.01, 1000.0));
}
VideoWriter::~VideoWriter() = default;
VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;

void VideoWriter::write(const Image& image, double seconds) {
  State& s = *state_;
  check<ShapeError>(image.width == s.width && image.height == s.height, "write_video: expected ",
                    s.width, "x", s.height, " as in the frames before; given ", image.width, "x",
                    image.height);
  if (av_frame_make_writable(s.yuv.get()) < 0) throw std::bad_alloc();
  const std::size_t row = std::size_t(s.width) * 3;
  for (int y = 0; y < s.rgb->height; ++y) {  // an odd last row or column is there twice
    uint8_t* to = s.rgb->data[0] + std::ptrdiff_t(y) * s.rgb->linesize[0];
    std::memcpy(to, image.rgb.data() + std::size_t(std::min(y, s.height - 1)) * row, row);
    if (s.width % 2) std::memcpy(to + row, to + row - 3, 3);
  }
  sws_scale(s.scaler.get(), s.rgb->data, s.rgb->linesize, 0, s.rgb->height, s.yuv->data,
            s.yuv->linesize);
  s.yuv->pts = std::max<int64_t>(s.last + 1, std::llround(seconds * kTicks));
  s.last = s.yuv->pts;
  s.encode(s.yuv.get());
}

void VideoWriter::finish() {
  State& s = *state_;
  if (s.finished) return;
  s.encode(nullptr);
  s.check_call(av_write_trailer(s.format.get()));
  s.check_call(avio_closep(&s.format->pb));
  check<FileError>(std::rename(s.part.c_str(), s.path.c_str()) == 0, "write_video: cannot write ",
                   s.path.string(), ": ", std::strerror(errno));
  s.finished = true;
}

}  // namespace munet

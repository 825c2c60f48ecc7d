// Decoding. One decoder thread: then an error belongs to the packet that was just sent, and memory
// does not grow with the number of cores; the network takes far longer than the decoder anyway.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "data/container.h"
#include "data/ffmpeg.h"
#include "data/video.h"
#include "tensor/error.h"

namespace munet {
namespace {

using namespace ffmpeg;

struct CloseInput {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};

// Multiples of 90 degrees and mirrors: stored pixel (x, y) is shown at (a x + c y, b x + d y),
// moved so that all are positive.
struct Turn {
  int a = 1, b = 0, c = 0, d = 1;
  bool swaps() const { return a == 0; }
};

const int32_t* display_matrix(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)  // FFmpeg 6.1
  const AVPacketSideData* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                              AV_PKT_DATA_DISPLAYMATRIX);
  return data && data->size >= 36 ? reinterpret_cast<const int32_t*>(data->data) : nullptr;
#else
  std::size_t size = 0;
  const uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data && size >= 36 ? reinterpret_cast<const int32_t*>(data) : nullptr;
#endif
}

Turn turn_of(const AVStream& stream) {
  const int32_t* matrix = display_matrix(stream);
  if (!matrix) return {};
  const auto unit = [&](int i) { return int(std::lround(matrix[i] / 65536.0)); };  // 16.16
  const Turn turn{unit(0), unit(1), unit(3), unit(4)};
  const bool straight =
      std::abs(turn.a) == 1 && turn.b == 0 && turn.c == 0 && std::abs(turn.d) == 1;
  const bool swapped = turn.a == 0 && std::abs(turn.b) == 1 && std::abs(turn.c) == 1 && turn.d == 0;
  return straight || swapped ? turn : Turn{};
}

constexpr double kTimeError = 1e-4;  // seconds: time stamps are rounded

enum class Step { end, gap, picture };

Image turned(const uint8_t* rgb, std::ptrdiff_t stride, int width, int height, Turn turn) {
  Image out{turn.swaps() ? height : width, turn.swaps() ? width : height, {}};
  out.rgb.resize(std::size_t(width) * std::size_t(height) * 3);
  const int left = turn.a + turn.c < 0 ? out.width - 1 : 0;
  const int top = turn.b + turn.d < 0 ? out.height - 1 : 0;
  const std::ptrdiff_t step = 3 * (std::ptrdiff_t(turn.b) * out.width + turn.a);
  for (int y = 0; y < height; ++y) {
    const uint8_t* from = rgb + y * stride;
    uint8_t* to =
        out.rgb.data() + 3 * (std::ptrdiff_t(top + turn.d * y) * out.width + left + turn.c * y);
    if (step == 3)
      std::copy_n(from, 3 * width, to);
    else
      for (int x = 0; x < width; ++x, from += 3, to += step) std::copy_n(from, 3, to);
  }
  return out;
}

}  // namespace

struct VideoReader::State {
  std::filesystem::path path;
  std::unique_ptr<AVFormatContext, CloseInput> format;
  Owner<AVCodecContext> codec;
  Owner<AVFrame> decoded{allocated(av_frame_alloc())}, rgb;
  Owner<AVPacket> packet{allocated(av_packet_alloc())};
  Owner<SwsContext> scaler;
  AVStream* stream = nullptr;
  Turn turn;
  VideoInfo info;
  int64_t origin = 0;  // time stamp of the first frame
  int64_t index = 0;
  double time = 0;       // of the last frame
  bool waiting = false;  // `decoded` holds a frame that has not been given out
  bool ended = false, sought = false;
  double from = 0;  // after a seek: frames before this time are not given out
  std::multimap<double, std::string> lost;  // times of packets that gave no frame, and why

  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw FileError(str("read_video: ", path.string(), ": expected ", expected, "; found ", found));
  }

  void open();
  void check_whole() const;
  bool decode();
  double decoded_time();
  double next_time();
  Step advance(VideoFrame& frame);
  Image picture();

  double seconds_of(int64_t stamp, double otherwise) const {
    if (stamp == AV_NOPTS_VALUE) return otherwise;
    return std::max(0.0, double(stamp - origin) * av_q2d(stream->time_base));
  }
};

void VideoReader::State::open() {
  be_quiet();
  AVFormatContext* opened = nullptr;
  AVDictionary* options = nullptr;
  // A playlist may name other files; never let one reach out over the network.
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  const int failed =
      avformat_open_input(&opened, ("file:" + path.string()).c_str(), nullptr, &options);
  av_dict_free(&options);
  check<FileError>(
      failed != AVERROR(ENOENT) && failed != AVERROR(EACCES) && failed != AVERROR(EISDIR),
      "read_video: cannot read ", path.string(), ": ", error_text(failed));
  if (failed < 0)
    fail("a video file", str("something else, or one that is cut off (", error_text(failed), ")"));
  format.reset(opened);
  if (const int error = avformat_find_stream_info(format.get(), nullptr); error < 0)
    fail("a whole video", str("\"", error_text(error), "\"; the file is truncated or damaged"));
  const AVCodec* decoder = nullptr;
  const int track = av_find_best_stream(format.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (track < 0 || format->streams[track]->disposition & AV_DISPOSITION_ATTACHED_PIC)
    fail("a video", str("a file without a video track (", format->iformat->long_name, ")"));
  stream = format->streams[track];
  info.codec = avcodec_get_name(stream->codecpar->codec_id);
  decoder = avcodec_find_decoder(stream->codecpar->codec_id);
  if (!decoder || stream->codecpar->codec_id == AV_CODEC_ID_NONE)
    fail("a codec that this FFmpeg decodes",
         str(info.codec == "none" ? "an unknown one" : info.codec,
             "; convert it: ffmpeg -i FILE -c:v libx264 other.mp4"));
  check_picture_size("read_video", path, stream->codecpar->width, stream->codecpar->height);
  check_whole();
  for (unsigned other = 0; other < format->nb_streams; ++other)
    if (int(other) != track) format->streams[other]->discard = AVDISCARD_ALL;

  codec.reset(allocated(avcodec_alloc_context3(decoder)));
  avcodec_parameters_to_context(codec.get(), stream->codecpar);
  codec->thread_count = 1;
  codec->max_pixels = kMaxPixels;
  codec->pkt_timebase = stream->time_base;
  if (const int error = avcodec_open2(codec.get(), decoder, nullptr); error < 0)
    fail("a video that can be decoded", error_text(error));

  turn = turn_of(*stream);
  info.width = turn.swaps() ? codec->height : codec->width;
  info.height = turn.swaps() ? codec->width : codec->height;
  const AVRational rate = av_guess_frame_rate(format.get(), stream, nullptr);
  info.frames_per_second = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 25;
  info.frames = stream->nb_frames;
  const double duration = stream->duration > 0
                              ? double(stream->duration) * av_q2d(stream->time_base)
                              : double(format->duration) / AV_TIME_BASE;
  if (info.frames <= 0 && duration > 0)
    info.frames = std::llround(duration * info.frames_per_second);

  if (!decode()) fail("at least one frame", "none that can be decoded");
  if (decoded->best_effort_timestamp != AV_NOPTS_VALUE) origin = decoded->best_effort_timestamp;
}

// An index at the start of the file (MP4), or its first header, says how far the data reaches.
void VideoReader::State::check_whole() const {
  const int64_t size = avio_size(format->pb);
  int64_t end = promised_bytes(path);
  for (int i = 0; i < avformat_index_get_entries_count(stream); ++i) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream, i);
    end = std::max(end, entry->pos + entry->size);
  }
  if (size > 0 && end > size)
    fail(
        str("a whole video of at least ", end, " bytes"),
        str(size, "; the file is truncated (ffmpeg -i FILE -c copy part.mp4 keeps what is there)"));
}

// The next frame into `decoded`; packets that fail on the way are noted in `lost`.
bool VideoReader::State::decode() {
  if (waiting) return true;
  while (!ended) {
    const int got = avcodec_receive_frame(codec.get(), decoded.get());
    if (got == AVERROR(ENOMEM))  // damaged files ask for absurd amounts
      fail("frames that fit into memory", str("\"", error_text(got), "\"; the file is damaged"));
    if (got == 0) return waiting = true;
    if (got == AVERROR_EOF) ended = true;
    if (got != AVERROR(EAGAIN)) continue;
    const int read = av_read_frame(format.get(), packet.get());
    if (read < 0) {
      if (read != AVERROR_EOF)
        fail("a whole video",
             str("\"", error_text(read), "\" after frame ", index - 1, "; the file is damaged"));
      avcodec_send_packet(codec.get(), nullptr);  // gives out what it still holds
      continue;
    }
    if (packet->stream_index == stream->index) {
      const int sent = avcodec_send_packet(codec.get(), packet.get());
      const int64_t stamp = packet->pts == AV_NOPTS_VALUE ? packet->dts : packet->pts;
      if (sent < 0) lost.emplace(seconds_of(stamp, time), error_text(sent));
    }
    av_packet_unref(packet.get());
  }
  return false;
}

// Of the frame in `decoded`, the next one; infinite if there is none any more.
double VideoReader::State::decoded_time() {
  if (!decode()) return std::numeric_limits<double>::infinity();
  return seconds_of(decoded->best_effort_timestamp, index ? time + 1 / info.frames_per_second : 0);
}

// Of the next frame, with those that gave nothing.
double VideoReader::State::next_time() {
  const double at = decoded_time();
  return lost.empty() ? at : std::min(at, lost.begin()->first);
}

// Everything of the next frame but its picture, which then is in `decoded`.
Step VideoReader::State::advance(VideoFrame& frame) {
  for (;;) {
    const double at = next_time();
    if (std::isinf(at)) return Step::end;
    const bool gap = at < decoded_time();
    frame.image = {};
    frame.index = sought ? -1 : index;
    ++index;
    frame.seconds = time = at;
    if (gap) {
      frame.damage = lost.begin()->second;
      lost.erase(lost.begin());
    } else {
      waiting = false;
      const bool bad = decoded->decode_error_flags || decoded->flags & AV_FRAME_FLAG_CORRUPT;
      frame.damage = bad ? "parts of it could not be decoded" : "";
    }
    if (!sought || frame.seconds >= from) return gap ? Step::gap : Step::picture;
  }
}

Image VideoReader::State::picture() {
  const int width = decoded->width, height = decoded->height;
  check_picture_size("read_video", path, width, height);
  const int shown_width = turn.swaps() ? height : width;
  const int shown_height = turn.swaps() ? width : height;
  if (index == 1 && !sought) info.width = shown_width, info.height = shown_height;
  if (shown_width != info.width || shown_height != info.height)
    fail(str(info.width, "x", info.height, " as in the frames before"),
         str(shown_width, "x", shown_height, " at ", time, " s"));
  if (!rgb || rgb->width != width || rgb->height != height) {
    rgb.reset(allocated(av_frame_alloc()));
    rgb->format = AV_PIX_FMT_RGB24;
    rgb->width = width;
    rgb->height = height;
    if (av_frame_get_buffer(rgb.get(), 64) < 0) throw std::bad_alloc();  // rows may be overrun
  }
  const auto format = AVPixelFormat(decoded->format);
  scaler.reset(sws_getCachedContext(
      scaler.release(), width, height, format, width, height, AV_PIX_FMT_RGB24,
      SWS_BILINEAR | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
  const char* name = av_get_pix_fmt_name(format);
  if (!scaler) fail("pixels that FFmpeg turns into RGB", name ? name : "an unknown kind");
  // Unless the file says otherwise: BT.601, as the ffmpeg program takes it.
  const int* matrix = sws_getCoefficients(
      decoded->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : decoded->colorspace);
  const bool full = decoded->color_range == AVCOL_RANGE_JPEG || format == AV_PIX_FMT_YUVJ420P ||
                    format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P;
  sws_setColorspaceDetails(scaler.get(), matrix, full, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0,
                           1 << 16, 1 << 16);
  sws_scale(scaler.get(), decoded->data, decoded->linesize, 0, height, rgb->data, rgb->linesize);
  return turned(rgb->data[0], rgb->linesize[0], width, height, turn);
}

VideoReader::VideoReader(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->path = path;
  state_->open();
}
VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;

const VideoInfo& VideoReader::info() const { return state_->info; }

bool VideoReader::next(VideoFrame& frame, bool picture) {
  const Step step = state_->advance(frame);
  if (picture && step == Step::picture) frame.image = state_->picture();
  return step != Step::end;
}

int64_t VideoReader::skip_to(double seconds) {
  VideoFrame frame;
  int64_t skipped = 0;
  while (state_->next_time() < seconds - kTimeError && state_->advance(frame) != Step::end)
    ++skipped;
  return skipped;
}

void VideoReader::seek(double seconds) {
  State& s = *state_;
  const int64_t stamp = s.origin + std::llround(seconds / av_q2d(s.stream->time_base));
  // To the key frame before; where that fails, everything is decoded from here on.
  av_seek_frame(s.format.get(), s.stream->index, stamp, AVSEEK_FLAG_BACKWARD);
  avcodec_flush_buffers(s.codec.get());
  s.waiting = s.ended = false;
  s.lost.clear();
  s.sought = true;
  s.from = seconds - kTimeError;
}

}  // namespace munet

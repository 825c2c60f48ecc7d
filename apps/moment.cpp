// Numbers are digits only; times end with an s.
#include "apps/moment.h"

#include <charconv>

#include "tensor/error.h"

using namespace munet;

namespace {

bool parse(const std::string& text, Moment& moment) {
  if (!text.ends_with('s')) return parse_count(text, moment.frame);
  const char* end = text.data() + text.size() - 1;
  const auto [stop, error] =
      std::from_chars(text.data(), end, moment.seconds, std::chars_format::fixed);
  return error == std::errc() && stop == end && moment.seconds >= 0 && moment.seconds < 1e9;
}

// Of two times or two numbers; a time and a number cannot be compared.
bool before(const Moment& a, const Moment& b) {
  if (a.timed() != b.timed()) return true;
  return a.timed() ? a.seconds < b.seconds : a.frame < b.frame;
}

}  // namespace

bool parse_count(const std::string& text, int64_t& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && value >= 0;
}

std::string Moment::text() const { return timed() ? str(seconds, "s") : str(frame); }

Moment parse_moment(const std::string& option, const std::string& text) {
  Moment moment;
  check(parse(text, moment), option,
        ": expected a time like 12.5s or the number of a frame, from 0; given \"", text, "\"");
  return moment;
}

FrameRange parse_range(const std::string& text) {
  FrameRange range;
  if (text.empty()) return range;
  const std::size_t colon = text.find(':');
  const std::string first = text.substr(0, colon);
  const std::string last = colon == std::string::npos ? "" : text.substr(colon + 1);
  check(colon != std::string::npos && (first.empty() || parse(first, range.first)) &&
            (last.empty() || parse(last, range.last)) && before(range.first, range.last),
        "--range: expected FIRST:END, frames counted from 0 and END not included, like 30:120, or ",
        "times like 12.5s:20s; given \"", text, "\"");
  return range;
}

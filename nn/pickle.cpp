// A stack machine with the opcodes of pickletools.py that build plain data; the others are refused.
#include "nn/pickle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>

#include "tensor/error.h"

namespace munet::nn {
namespace {

using Kind = PickleValue::Kind;
using Values = std::vector<PickleValue*>;

class Machine {
 public:
  Machine(const std::string& path, const std::vector<uint8_t>& data, std::size_t& at,
          const std::vector<std::string>& allowed, std::deque<PickleValue>& values)
      : path_(path), data_(data), at_(at), allowed_(allowed), values_(values) {}

  const PickleValue* run() {
    while (true) {
      const uint8_t code = byte();
      if (code == '.') return pop();
      if (!constant(code) && !container(code) && !memo(code) && !object(code))
        fail("the pickle has the unknown opcode ", int(code), " at byte ", at_ - 1);
    }
  }

 private:
  template <class... Part>
  [[noreturn]] void fail(const Part&... part) const {
    throw FileError(str(path_, ": ", part...));
  }
  uint8_t byte() {
    if (at_ >= data_.size()) fail("the pickle ends at byte ", at_, " (truncated?)");
    return data_[at_++];
  }
  uint64_t little(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t(byte()) << (8 * i);
    return value;
  }
  std::string text(uint64_t length) {
    if (length > data_.size() - at_) fail("the pickle ends inside of a string (truncated?)");
    at_ += length;
    return {data_.begin() + std::ptrdiff_t(at_ - length), data_.begin() + std::ptrdiff_t(at_)};
  }
  std::string line() {
    std::string out;
    for (char c = char(byte()); c != '\n'; c = char(byte())) out += c;
    return out;
  }

  PickleValue* push(PickleValue value) {
    if (values_.size() >= 100'000'000) fail("the pickle has over 100 million values");
    values_.push_back(std::move(value));
    stack_.push_back(&values_.back());
    return stack_.back();
  }
  PickleValue* top() {
    if (stack_.empty() || (!marks_.empty() && marks_.back() >= stack_.size()))
      fail("the pickle takes a value that is not there, before byte ", at_);
    return stack_.back();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }
  Values take(std::size_t count) {
    Values items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  Values take_to_mark() {
    if (marks_.empty()) fail("the pickle closes what it has not opened, before byte ", at_);
    const Values items(stack_.begin() + std::ptrdiff_t(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  PickleValue* top(Kind kind, const char* what) {
    PickleValue* value = top();
    if (value->kind != kind) fail("the pickle adds items to what is no ", what);
    return value;
  }

  void push_integer(int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  void push_text(std::string value) { push({.kind = Kind::text, .text = std::move(value)}); }
  void push_bool(bool value) { push({.kind = Kind::boolean, .integer = value}); }

  void push_decimal(std::string digits) {  // "12", "12L", "00" and "01" (booleans)
    if (digits == "00" || digits == "01") return push_bool(digits == "01");
    if (!digits.empty() && digits.back() == 'L') digits.pop_back();
    int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end) fail("the pickle has the number '", digits, "'");
    push_integer(value);
  }
  // Two's complement. Longer ones than int64 occur only as the magic number of old files: kept as 8
  // low bytes.
  void push_long(uint64_t bytes) {
    const std::string raw = text(bytes);
    uint64_t value = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(8, raw.size()); ++i)
      value |= uint64_t(uint8_t(raw[i])) << (8 * i);
    if (!raw.empty() && raw.size() < 8 && raw.back() & 0x80)
      value |= ~uint64_t{0} << 8 * raw.size();
    push_integer(int64_t(value));
  }

  bool constant(uint8_t code) {
    switch (code) {
      case 0x80:
        little(1);
        return true;  // PROTO
      case 0x95:
        little(8);
        return true;  // FRAME
      case 'N':
        push({});
        return true;
      case 0x88:
        push_bool(true);
        return true;
      case 0x89:
        push_bool(false);
        return true;
      case 'I':
      case 'L':
        push_decimal(line());
        return true;
      case 'J':
        push_integer(int32_t(little(4)));
        return true;
      case 'K':
        push_integer(int64_t(little(1)));
        return true;
      case 'M':
        push_integer(int64_t(little(2)));
        return true;
      case 0x8a:
        push_long(little(1));
        return true;
      case 'G': {
        uint64_t bits = 0;
        for (int i = 0; i < 8; ++i) bits = bits << 8 | byte();
        push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
        return true;
      }
      case 'X':
        push_text(text(little(4)));
        return true;
      case 0x8c:
        push_text(text(little(1)));
        return true;
      case 'T':
        push_text(text(little(4)));
        return true;
      case 'U':
        push_text(text(little(1)));
        return true;
    }
    return false;
  }

  bool container(uint8_t code) {
    switch (code) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case ')':
      case ']':
        push({.kind = Kind::list});
        return true;
      case '}':
        push({.kind = Kind::dict});
        return true;
      case 't': {
        Values items = take_to_mark();
        push({.kind = Kind::list, .items = std::move(items)});
        return true;
      }
      case 0x85:
      case 0x86:
      case 0x87: {
        Values items = take(std::size_t(code - 0x84));
        push({.kind = Kind::list, .items = std::move(items)});
        return true;
      }
      case 'a': {
        PickleValue* item = pop();
        top(Kind::list, "list")->items.push_back(item);
        return true;
      }
      case 'e':
        append(take_to_mark(), Kind::list, "list");
        return true;
      case 's':
        append(take(2), Kind::dict, "dict");
        return true;
      case 'u':
        append(take_to_mark(), Kind::dict, "dict");
        return true;
      case '0':
        pop();
        return true;
    }
    return false;
  }
  void append(const Values& items, Kind kind, const char* what) {
    if (kind == Kind::dict && items.size() % 2) fail("the pickle has a key without a value");
    PickleValue* to = top(kind, what);
    to->items.insert(to->items.end(), items.begin(), items.end());
  }

  bool memo(uint8_t code) {
    switch (code) {
      case 'q':
        memo_[little(1)] = top();
        return true;
      case 'r':
        memo_[little(4)] = top();
        return true;
      case 0x94:
        memo_.emplace(memo_.size(), top());
        return true;
      case 'h':
        recall(little(1));
        return true;
      case 'j':
        recall(little(4));
        return true;
    }
    return false;
  }
  void recall(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail("the pickle refers to value ", index, ", which is not there");
    stack_.push_back(found->second);
  }

  bool object(uint8_t code) {
    switch (code) {
      case 'c': {
        const std::string module = line(), function = line();
        push_name(module + "." + function);
        return true;
      }
      case 0x93: {
        const std::string function = pop()->text, module = pop()->text;
        push_name(module + "." + function);
        return true;
      }
      case 'R': {
        PickleValue* arguments = pop();
        PickleValue* name = pop();
        if (name->kind != Kind::name || arguments->kind != Kind::list)
          fail("the pickle calls something that is no function");
        if (name->text == "collections.OrderedDict")
          push({.kind = Kind::dict});
        else
          push({.kind = Kind::call, .text = name->text, .items = arguments->items});
        return true;
      }
      case 'b':  // attributes: of a state dict, the versions of its layers
        pop();
        top(Kind::dict, "dict");
        return true;
      case 'Q': {
        PickleValue* id = pop();
        push({.kind = Kind::persistent, .items = {id}});
        return true;
      }
    }
    return false;
  }
  void push_name(const std::string& name) {
    if (std::find(allowed_.begin(), allowed_.end(), name) == allowed_.end())
      fail("the pickle names '", name.substr(0, 100),
           "', which is code or an object of a kind that is not read (only tensors, dicts, lists, "
           "numbers and strings are)");
    push({.kind = Kind::name, .text = name});
  }

  const std::string& path_;
  const std::vector<uint8_t>& data_;
  std::size_t& at_;
  const std::vector<std::string>& allowed_;
  std::deque<PickleValue>& values_;
  Values stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::map<uint64_t, PickleValue*> memo_;
};

}  // namespace

Pickle::Pickle(const std::string& path, const std::vector<uint8_t>& data, std::size_t& at,
               const std::vector<std::string>& allowed) {
  root_ = Machine(path, data, at, allowed, values_).run();
}

}  // namespace munet::nn

// Python's pickle (protocols 0 to 4, as far as torch.save uses them) as plain data: nothing is ever
// called or imported.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace munet::nn {

struct PickleValue {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    list,        // and tuple
    dict,        // items: key, value, key, value ...
    name,        // text: "module.function", one of the allowed ones, not yet applied
    call,        // text: the name; items: the arguments it would be called with
    persistent,  // items: the one value that stands for an object outside of the pickle
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<PickleValue*> items = {};
};

// One pickle of a stream of bytes.
class Pickle {
 public:
  // Reads the pickle that begins at data + at and moves `at` behind it. FileError (beginning with
  // `path`) if it is damaged, needs more than 100 million values, or names anything that is not in
  // `allowed`: then the text has the name.
  Pickle(const std::string& path, const std::vector<uint8_t>& data, std::size_t& at,
         const std::vector<std::string>& allowed);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;
  const PickleValue& root() const { return *root_; }

 private:
  std::deque<PickleValue> values_;  // all of them: pickles may hold circles
  const PickleValue* root_ = nullptr;
};

}  // namespace munet::nn

// What the keys of a network and of a training recipe are checked by.
#pragma once

#include <initializer_list>
#include <string>

#include "tensor/error.h"

namespace munet {

// Error "WHERE KEY is between LOW and HIGH; found VALUE" unless it is. where: "FILE: model key".
inline void check_range(const std::string& where, const char* key, double value, double low,
                        double high) {
  check(value >= low && value <= high, where, " ", key, " is between ", low, " and ", high,
        "; found ", value);
}

// Error "WHERE KEY is one of A, B; found 'VALUE'" unless it is.
inline void check_choice(const std::string& where, const char* key, const std::string& value,
                         std::initializer_list<const char*> choices) {
  std::string list;
  for (const char* choice : choices) {
    if (value == choice) return;
    list += (list.empty() ? "" : ", ") + std::string(choice);
  }
  throw Error(str(where, " ", key, " is one of ", list, "; found '", value, "'"));
}

}  // namespace munet

// parallel_for: the only way in which munet uses several CPU threads.
#pragma once

#include <cstdint>
#include <functional>

namespace munet {

// Calls f(begin, end) on disjoint ranges that cover [0, n). Ranges are multiples of `grain` (but
// the last) and are handed out in order to our own pool and to the caller, which works too. Which
// thread gets which range is not fixed, so f must write only outputs of its range: then the result
// is the same for any number of threads. Nested calls run serially. The first exception is
// rethrown.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f);

// Threads that parallel_for uses, the caller included. The start value is the number of cores that
// this process may run on. Error outside 1..256.
int num_threads();
void set_num_threads(int threads);

}  // namespace munet

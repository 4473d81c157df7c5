#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace narthex::tsdb {

// Calls work(piece) for each of [0, pieces), on up to `threads` threads, the caller's among them,
// and returns when all are done.
template <class Work>
void SpreadWork(size_t threads, size_t pieces, const Work& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t piece = next++; piece < pieces; piece = next++) work(piece);
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(threads, pieces); ++i) others.emplace_back(run);
  run();
}

}  // namespace narthex::tsdb

#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"

namespace narthex::tsdb {

// Work in `threads` threads, the caller's among them, whose results are taken in order: what comes
// out is the same for any number of them. `next()` gives a piece as a Result of an optional, empty
// at the end; `work(piece)`, several at once, makes a result of it; `take(result)` gets the results
// in the order of their pieces. Neither next nor take is called by two threads at once. One piece
// per thread is under way at most. The first error in that order ends it.
template <class Next, class Work, class Take>
base::Status RunOrdered(size_t threads, Next next, Work work, Take take) {
  std::mutex source;
  bool ended = false;  // Guarded by `source`, as is the next.
  uint64_t given = 0;
  std::mutex turn;
  std::condition_variable turned;
  uint64_t taken = 0;  // Guarded by `turn`, as is the next.
  base::Status status;
  const auto run = [&] {
    for (;;) {
      uint64_t number = 0;
      auto piece = [&]() -> decltype(next()) {
        const std::lock_guard lock(source);
        if (ended) return std::nullopt;
        auto got = next();
        ended = !got || !*got;
        number = given;
        if (!got || *got) ++given;
        return got;
      }();
      if (piece && !*piece) return;
      auto result =
          piece ? work(*std::move(*piece))
                : decltype(work(*std::move(*piece)))(std::unexpected(std::move(piece).error()));
      std::unique_lock lock(turn);
      turned.wait(lock, [&] { return taken == number; });
      if (status)
        status = result ? take(*std::move(result))
                        : base::Status(std::unexpected(std::move(result).error()));
      const bool failed = !status;
      ++taken;
      turned.notify_all();
      lock.unlock();
      if (!failed) continue;
      const std::lock_guard source_lock(source);
      ended = true;
      return;
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < threads; ++i) others.emplace_back(run);
    run();
  }
  return status;
}

}  // namespace narthex::tsdb

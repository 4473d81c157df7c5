#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "model/metadata.h"

namespace narthex::remote {

// Type, help and unit of metric families as remote-write requests tell them. What is not told again
// for an hour or two is forgotten. Thread-safe.
class ReceivedMetadata {
 public:
  struct Entry {
    std::string family;
    model::Metadata metadata;
  };
  // Of a MetricMetadata message. Throws protozero::exception for malformed bytes.
  static Entry Decode(std::string_view message);

  // Names and texts kept, in bytes; entries over it are passed over and counted.
  static constexpr size_t kBytesMax = 32 << 20;

  explicit ReceivedMetadata(const base::Clock& clock, size_t bytes_max = kBytesMax);

  // The newest of a family stays. Entries without a name are passed over.
  void Take(const std::vector<Entry>& entries) EXCLUDES_LOCK(mutex_);
  // By name.
  void ForEach(const std::function<void(std::string_view, const model::Metadata&)>& visit) const
      EXCLUDES_LOCK(mutex_);

  struct Statistics {
    uint64_t families = 0;
    uint64_t passed_over = 0;  // For lack of room.
  };
  Statistics statistics() const EXCLUDES_LOCK(mutex_);

 private:
  struct Known {
    model::Metadata metadata;
    int64_t told_ns;
  };
  void Forget() REQUIRES_LOCK(mutex_);

  const base::Clock& clock_;
  const size_t bytes_max_;
  mutable base::Mutex mutex_;
  std::map<std::string, Known, std::less<>> families_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t passed_over_ GUARDED_BY(mutex_) = 0;
  int64_t forgot_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::remote

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "model/metadata.h"

namespace narthex::remote {

// By the number of prompb; kUnknown for one that is none.
model::MetricType TypeFromNumber(int32_t number);

// Type, help and unit of metric families as remote-write requests tell them. What is not told again
// for an hour or two is forgotten. Thread-safe.
class ReceivedMetadata {
 public:
  struct Entry {
    std::string family;
    model::Metadata metadata;
    // For senders that tell the same with every sample: a hash of what it was told of, and one of
    // what it was told. 0: none.
    uint64_t subject = 0;
    uint64_t content = 0;
  };
  // Of a MetricMetadata message. Throws protozero::exception for malformed bytes.
  static Entry Decode(std::string_view message);

  // Names and texts kept, in bytes; entries over it are passed over and counted.
  static constexpr size_t kBytesMax = 32 << 20;

  explicit ReceivedMetadata(const base::Clock& clock, size_t bytes_max = kBytesMax);

  // Fills `is_new` where that content was not the last told of its subject, or some time ago.
  struct Telling {
    uint64_t subject;
    uint64_t content;
    bool is_new = true;
  };
  void Compare(std::span<Telling> tellings) const EXCLUDES_LOCK(mutex_);
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
  void Remember(const Entry& entry) REQUIRES_LOCK(mutex_);

  const base::Clock& clock_;
  const size_t bytes_max_;
  mutable base::Mutex mutex_;
  std::map<std::string, Known, std::less<>> families_ GUARDED_BY(mutex_);
  // From subject to content, of the last minutes.
  boost::unordered_flat_map<uint64_t, uint64_t> told_ GUARDED_BY(mutex_);
  int64_t told_since_ns_ GUARDED_BY(mutex_) = 0;
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t passed_over_ GUARDED_BY(mutex_) = 0;
  int64_t forgot_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace narthex::remote

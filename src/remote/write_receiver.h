#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "remote/received_metadata.h"
#include "remote/write_request.h"
#include "storage/storage.h"

namespace narthex::remote {

// Takes remote-write requests, 1.0 and 2.0: protobuf in snappy's block format. Known series are
// recognised by a hash of their label bytes or symbols, without decoding them; what requests tell
// of metric families is kept beside. Thread-safe.
//
// 1.0: a 2xx means that all samples and native histograms are logged and visible, but for series
// with unusable labels, which are passed over and counted, as upstream does; so are exemplars that
// cannot be kept. One sample that cannot be stored refuses the whole request.
//
// 2.0: what can be stored is, and the answer says in three headers how much that was; a 400 names
// the rest. Where several senders write a series at once, a sample may be counted for one that
// another was first with. Source: Prometheus Remote-Write 1.0 and 2.0 specifications.
class WriteReceiver {
 public:
  struct Options {
    size_t body_bytes_max = 32 << 20;     // After decompression.
    int64_t future_ms_max = 10 * 60'000;  // Samples further ahead are refused.
    std::vector<WriteMessage> accepted = {WriteMessage::kVersion1, WriteMessage::kVersion2};
  };
  WriteReceiver(storage::Appendable& storage, const base::Clock& clock, Options options);
  ~WriteReceiver();

  // 204 on success; 400 for what a sender must not send again, 415 for other formats, 5xx for what
  // it should.
  net::HttpResponse Handle(const net::HttpRequest& request);
  // The same without HTTP: one decompressed request. What is written is committed; an error of
  // 2.0 with kInvalidArgument may have written a part.
  struct Written {
    base::Status status;
    uint64_t samples = 0;
    uint64_t histograms = 0;
    uint64_t exemplars = 0;
  };
  Written Write(std::string_view body, WriteMessage message = WriteMessage::kVersion1);

  struct Statistics {
    uint64_t requests = 0;
    uint64_t samples = 0;     // Committed, as the next two.
    uint64_t histograms = 0;  // Native ones.
    uint64_t exemplars = 0;
    uint64_t refused_exemplars = 0;  // Also where the storage keeps none.
    uint64_t invalid_series = 0;     // Left out for their labels.
    uint64_t invalid_samples = 0;    // Of those, numbers and histograms.
    uint64_t without_metadata = 0;   // Numbers and histograms whose request said nothing of theirs.
    uint64_t refused_requests = 0;   // Answered with an error.
    uint64_t partial_requests = 0;   // Of those, the ones with a part that was stored.
    uint64_t known_series = 0;       // Recognised without decoding; those of the last hour or two.
  };
  Statistics statistics() const;
  const ReceivedMetadata& metadata() const { return metadata_; }

 private:
  base::Result<WriteMessage> Negotiate(const net::Headers& headers) const;
  base::Result<Written> WriteOrThrow(std::string_view body, WriteMessage message);

  storage::Appendable& storage_;
  const base::Clock& clock_;
  const Options options_;
  std::unique_ptr<SeriesIdentities> identities_;
  ReceivedMetadata metadata_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> invalid_series_{0};
  std::atomic<uint64_t> invalid_samples_{0};
  std::atomic<uint64_t> without_metadata_{0};
  std::atomic<uint64_t> histograms_{0};
  std::atomic<uint64_t> exemplars_{0};
  std::atomic<uint64_t> refused_exemplars_{0};
  std::atomic<uint64_t> refused_requests_{0};
  std::atomic<uint64_t> partial_requests_{0};
};

}  // namespace narthex::remote

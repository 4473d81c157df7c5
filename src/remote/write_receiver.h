#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "remote/received_metadata.h"
#include "storage/storage.h"

namespace narthex::remote {

class SeriesIdentities;
struct WriteRequest;

// Takes remote-write 1.0 requests (snappy, protobuf prometheus.WriteRequest). A 2xx means that all
// its samples and native histograms are logged and visible, but for series with unusable labels,
// which are passed over and counted, as upstream does; so are exemplars that cannot be kept.
// Metadata, which names families and no series, is kept beside. Known series are recognised by a
// hash of their label bytes, without decoding them. Thread-safe. Source: Prometheus
// Remote-Write 1.0 specification.
class WriteReceiver {
 public:
  struct Options {
    size_t body_bytes_max = 32 << 20;     // After decompression.
    int64_t future_ms_max = 10 * 60'000;  // Samples further ahead are refused.
  };
  WriteReceiver(storage::Appendable& storage, const base::Clock& clock, Options options);
  ~WriteReceiver();

  // 204 on success; 400 for what a sender must not send again, 415 for other formats, 5xx for what
  // it should.
  net::HttpResponse Handle(const net::HttpRequest& request);
  // The same without HTTP: one decompressed request.
  base::Status Write(std::string_view body);

  struct Statistics {
    uint64_t requests = 0;
    uint64_t samples = 0;     // Committed, as the next two.
    uint64_t histograms = 0;  // Native ones.
    uint64_t exemplars = 0;
    uint64_t refused_exemplars = 0;  // Also where the storage keeps none.
    uint64_t invalid_series = 0;     // Passed over for their labels.
    uint64_t refused_requests = 0;
    uint64_t known_series = 0;  // Recognised without decoding; those of the last hour or two.
  };
  Statistics statistics() const;
  const ReceivedMetadata& metadata() const { return metadata_; }

 private:
  // How many of a request were appended.
  struct Taken {
    uint64_t samples = 0;
    uint64_t histograms = 0;
    uint64_t exemplars = 0;
  };
  base::Result<Taken> Append(WriteRequest& request, storage::Appender& appender);

  storage::Appendable& storage_;
  const base::Clock& clock_;
  const Options options_;
  std::unique_ptr<SeriesIdentities> identities_;
  ReceivedMetadata metadata_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> invalid_series_{0};
  std::atomic<uint64_t> histograms_{0};
  std::atomic<uint64_t> exemplars_{0};
  std::atomic<uint64_t> refused_exemplars_{0};
  std::atomic<uint64_t> refused_requests_{0};
};

}  // namespace narthex::remote

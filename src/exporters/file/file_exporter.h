#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/mutex.h"
#include "exporters/file/config.h"

namespace narthex::exporters {

// Writes every batch to a file: a line of JSON, or, for protobuf and for what is compressed, the
// bytes behind their number (four bytes, the highest first). A batch that cannot be written whole
// is cut off again and refused. Thread-safe.
// Source: opentelemetry-collector-contrib, exporter/fileexporter.
class FileExporter final : public pipeline::Exporter {
 public:
  static std::unique_ptr<pipeline::Exporter> Create(const pipeline::CreateContext& context);

  FileExporter(FileConfig config, const std::string& name, pipeline::Host& host);
  ~FileExporter() override { Stop(); }

  base::Status Start() override;
  void Stop() override;
  base::Status Consume(otlp::Batch batch) override;

 private:
  std::string Encode(const otlp::Batch& batch) const;
  base::Status OpenFile() REQUIRES_LOCK(mutex_);
  base::Status Write(std::string_view record) REQUIRES_LOCK(mutex_);
  // Gives the full file a name with the time in it and begins another.
  base::Status Rotate() REQUIRES_LOCK(mutex_);
  void RemoveOld() REQUIRES_LOCK(mutex_);

  const FileConfig config_;
  const std::string name_;
  base::FileSystem& files_;
  const base::Clock& clock_;
  base::Logger& logger_;
  pipeline::Flow flow_;
  sdk::BoundCounter<uint64_t> sent_;
  sdk::BoundCounter<uint64_t> send_failed_;

  base::Mutex mutex_;
  std::unique_ptr<base::File> file_ GUARDED_BY(mutex_);
  uint64_t size_ GUARDED_BY(mutex_) = 0;
  uint64_t rotations_ GUARDED_BY(mutex_) = 0;
};

inline constexpr pipeline::ExporterFactory kFileExporter = {"file", "", &FileExporter::Create};

}  // namespace narthex::exporters

#pragma once

#include <memory>
#include <string>

#include "pipeline/factory.h"
#include "pipeline/queue_log.h"

namespace narthex::extensions {

// Keeps sending queues in a directory, one folder for each. Only one process may have the
// directory. Thread-safe. Source: opentelemetry-collector-contrib, extension/storage/filestorage;
// the files are our own.
class FileStorage final : public pipeline::StorageExtension {
 public:
  struct Config {
    std::string directory = "/var/lib/otelcol/file_storage";
    bool create_directory = false;
    bool fsync = false;      // An entry is there when the disk has it.
    uint64_t bytes_max = 0;  // Of one queue; 0: no limit.
  };
  static std::unique_ptr<pipeline::Extension> Create(const pipeline::CreateContext& context);

  FileStorage(Config config, pipeline::Host& host);
  base::Status Start() override;
  void Stop() override { lock_.reset(); }
  base::Result<std::unique_ptr<pipeline::QueueLog>> OpenQueue(const std::string& client) override;

 private:
  const Config config_;
  base::FileSystem& files_;
  base::Logger& logger_;
  std::unique_ptr<base::FileLock> lock_;
};

inline constexpr pipeline::ExtensionFactory kFileStorage = {"file_storage", "",
                                                            &FileStorage::Create};

}  // namespace narthex::extensions

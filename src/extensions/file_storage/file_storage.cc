#include "extensions/file_storage/file_storage.h"

namespace narthex::extensions {

using base::Code;
using base::Fail;

std::unique_ptr<pipeline::Extension> FileStorage::Create(const pipeline::CreateContext& context) {
  Config config;
  int64_t timeout_ns = 0;
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("directory", config.directory, "One process has it; a folder per exporter");
  reader.Read("create_directory", config.create_directory,
              "Without it the directory has to be there");
  reader.Read("fsync", config.fsync, "Acknowledges when the disk has it, not the system");
  reader.ReadBytes("max_size", config.bytes_max, "Bytes of one queue's files; `0`: no limit");
  reader.ReadGoDuration("timeout", timeout_ns, "Changes nothing: nobody waits for a lock");
  // There is no step of compaction: segments that are done with are removed.
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"compaction", "recreate", "directory_permissions"}));
  reader.Finish();
  if (config.directory.empty()) reader.Report("directory", "must not be empty");
  return std::make_unique<FileStorage>(std::move(config), context.host);
}

FileStorage::FileStorage(Config config, pipeline::Host& host)
    : config_(std::move(config)), files_(host.env.files), logger_(host.logger) {}

base::Status FileStorage::Start() {
  if (config_.create_directory) {
    RETURN_IF_ERROR(files_.CreateDirectories(config_.directory));
  } else {
    ASSIGN_OR_RETURN(const bool exists, files_.Exists(config_.directory));
    if (!exists) {
      return Fail(Code::kFailedPrecondition,
                  "directory {} must exist; create_directory: true would create it",
                  config_.directory);
    }
  }
  ASSIGN_OR_RETURN(lock_, files_.Lock(base::JoinPath(config_.directory, "lock")));
  return {};
}

base::Result<std::unique_ptr<pipeline::QueueLog>> FileStorage::OpenQueue(
    const std::string& client) {
  if (lock_ == nullptr) return Fail(Code::kFailedPrecondition, "the storage has not started");
  std::string folder = client;
  for (char& c : folder) c = c == '/' ? '~' : c;  // Ids have no tildes.
  return pipeline::QueueLog::Open(files_,
                                  {.directory = base::JoinPath(config_.directory, folder),
                                   .fsync = config_.fsync,
                                   .bytes_max = config_.bytes_max},
                                  logger_);
}

}  // namespace narthex::extensions

#include "exporters/file/file_exporter.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/time_format.h"
#include "compress/compress.h"
#include "otlp/encode.h"
#include "otlp/json.h"

namespace narthex::exporters {
namespace {

using base::Code;
using base::Fail;

// "metrics.json" into "metrics-" and ".json".
struct NameParts {
  std::string stem, extension;
};
NameParts PartsOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == path.npos ? path : path.substr(slash + 1);
  const size_t dot = name.rfind('.');
  if (dot == name.npos || dot == 0) return {name + '-', ""};
  return {name.substr(0, dot) + '-', name.substr(dot)};
}

}  // namespace

std::unique_ptr<pipeline::Exporter> FileExporter::Create(const pipeline::CreateContext& context) {
  return std::make_unique<FileExporter>(ReadFileConfig(context), context.id.ToString(),
                                        context.host);
}

FileExporter::FileExporter(FileConfig config, const std::string& name, pipeline::Host& host)
    : config_(std::move(config)),
      name_(name),
      files_(host.env.files),
      clock_(host.env.clock),
      logger_(host.logger),
      flow_(host.instruments, "exporter/" + name),
      sent_(host.instruments.exporter_sent->Bind({{"exporter", name}})),
      send_failed_(host.instruments.exporter_send_failed->Bind({{"exporter", name}})) {}

base::Status FileExporter::Start() {
  base::MutexLock lock(mutex_);
  if (config_.create_directory) {
    RETURN_IF_ERROR(files_.CreateDirectories(base::ParentPath(config_.path)));
  }
  return OpenFile();
}

base::Status FileExporter::OpenFile() {
  ASSIGN_OR_RETURN(file_, files_.Open(config_.path, base::FileSystem::Mode::kAppend));
  // With rotation the file goes on where it ended; without, it begins anew unless told otherwise.
  if (!config_.append && !config_.has_rotation) RETURN_IF_ERROR(file_->Truncate(0));
  ASSIGN_OR_RETURN(size_, file_->Size());
  return {};
}

void FileExporter::Stop() {
  base::MutexLock lock(mutex_);
  if (file_ == nullptr) return;
  if (const base::Status status = file_->Sync(); !status.has_value()) {
    logger_.Error("file", "cannot make the file durable",
                  {{"exporter", name_}, {"error", status.error().message}});
  }
  file_.reset();
}

std::string FileExporter::Encode(const otlp::Batch& batch) const {
  std::string bytes = config_.is_json ? otlp::EncodeMetricsJson(batch) : otlp::EncodeMetrics(batch);
  if (config_.is_zstd) bytes = compress::ZstdEncode(bytes);
  if (config_.is_json && !config_.is_zstd) return bytes += '\n';
  std::string record;
  base::PutBigEndian(record, static_cast<uint32_t>(bytes.size()));
  return record += bytes;
}

base::Status FileExporter::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  const std::string record = Encode(batch);
  base::MutexLock lock(mutex_);
  flow_.In(points);
  base::Status status =
      file_ == nullptr ? Fail(Code::kUnavailable, "the file is not open") : Write(record);
  if (status.has_value()) {
    sent_.Add(points);
    flow_.Out(points);
  } else {
    send_failed_.Add(points);
    flow_.Lost("write_failed", points);
  }
  return status;
}

base::Status FileExporter::Write(std::string_view record) {
  if (config_.has_rotation && size_ > 0 && size_ + record.size() > config_.bytes_max) {
    RETURN_IF_ERROR(Rotate());
  }
  base::Status status = file_->Append(record);
  if (!status.has_value()) {
    // Readers must not find half a message.
    if (!file_->Truncate(size_).has_value()) file_.reset();
    return status;
  }
  size_ += record.size();
  return {};
}

base::Status FileExporter::Rotate() {
  const NameParts parts = PartsOf(config_.path);
  std::string stamp = base::FormatRfc3339(clock_.WallMs());
  std::ranges::replace(stamp, ':', '-');
  stamp.pop_back();  // The Z: a name as the official rotation makes it.
  const std::string directory = base::ParentPath(config_.path);
  std::string target = base::JoinPath(directory, parts.stem + stamp + parts.extension);
  ASSIGN_OR_RETURN(const bool is_taken, files_.Exists(target));
  if (is_taken) {
    target = base::JoinPath(
        directory, fmt::format("{}{}.{}{}", parts.stem, stamp, ++rotations_, parts.extension));
  }
  RETURN_IF_ERROR(file_->Sync());
  file_.reset();
  const base::Status renamed = files_.Rename(config_.path, target);
  RETURN_IF_ERROR(OpenFile());
  RETURN_IF_ERROR(renamed);
  RemoveOld();
  return {};
}

void FileExporter::RemoveOld() {
  const NameParts parts = PartsOf(config_.path);
  const std::string directory = base::ParentPath(config_.path);
  const auto entries = files_.List(directory);
  if (!entries.has_value()) return;
  std::vector<std::string> backups;  // The oldest first: names sort as their times do.
  for (const base::DirectoryEntry& entry : *entries) {
    if (!entry.is_directory && entry.name.starts_with(parts.stem + "2") &&
        entry.name.ends_with(parts.extension)) {
      backups.push_back(entry.name);
    }
  }
  std::string oldest;
  if (config_.age_max.count() > 0) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(config_.age_max);
    oldest = parts.stem + base::FormatRfc3339(clock_.WallMs() - age.count());
    std::ranges::replace(oldest, ':', '-');
  }
  for (size_t i = 0; i < backups.size(); ++i) {
    const bool is_beyond = config_.backups_max > 0 && backups.size() - i > config_.backups_max;
    if (!is_beyond && !(backups[i] < oldest)) continue;
    const base::Status removed = files_.Remove(base::JoinPath(directory, backups[i]));
    if (!removed.has_value()) {
      logger_.Warn("file", "cannot remove an old file",
                   {{"exporter", name_}, {"error", removed.error().message}});
    }
  }
}

}  // namespace narthex::exporters

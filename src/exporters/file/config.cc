#include "exporters/file/config.h"

namespace narthex::exporters {
namespace {

void ReadRotation(const config::Node& node, const pipeline::CreateContext& context,
                  FileConfig& config) {
  uint64_t megabytes = 100, days = 0, backups = 100;
  config::MapReader reader(node, context.diagnostics);
  reader.Read("max_megabytes", megabytes, "Then a file is full");
  reader.Read("max_days", days, "Old files go after so many days; `0`: never");
  reader.Read("max_backups", backups, "Old files that stay; `0`: all");
  context.WarnWithoutEffect(reader.TakeWithoutEffect({"localtime"}));
  reader.Finish();
  constexpr uint64_t kMegabytesMax = 1 << 20, kDaysMax = 100'000;
  if (megabytes == 0 || megabytes > kMegabytesMax) {
    reader.Report("max_megabytes", "must be within 1 and 1048576");
  }
  if (days > kDaysMax) reader.Report("max_days", "must not be over 100000");
  config.has_rotation = true;
  config.bytes_max = megabytes << 20;
  config.age_max = std::chrono::hours(24 * static_cast<int64_t>(std::min(days, kDaysMax)));
  config.backups_max = backups;
}

}  // namespace

FileConfig ReadFileConfig(const pipeline::CreateContext& context) {
  FileConfig config;
  std::string format = "json", compression;
  int64_t flush_ns = 0;
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("path", config.path, "Required. Without `append` or `rotation` the file begins anew");
  reader.Read("append", config.append, "Not together with `rotation` or `compression`");
  reader.Read("create_directory", config.create_directory,
              "Without it the directory has to be there");
  reader.Read("format", format,
              "`json`: one line per batch; `proto`: messages behind their length, four bytes, the "
              "highest first");
  reader.Read("compression", compression, "`zstd`: each message for itself, behind its length");
  reader.ReadGoDuration("flush_interval", flush_ns,
                        "Changes nothing: every batch is handed to the system at once");
  if (const config::Node* node = reader.Take("rotation", "A full file gets its time in its name"))
    ReadRotation(*node, context, config);
  reader.Refuse({"encoding", "group_by"}, "is not supported by this exporter");
  (void)reader.TakeWithoutEffect({"directory_permissions"});
  reader.Finish();
  if (config.path.empty()) reader.Report("path", "must be non-empty");
  if (format != "json" && format != "proto") reader.Report("format", "must be json or proto");
  if (!compression.empty() && compression != "zstd") reader.Report("compression", "must be zstd");
  if (flush_ns < 0) reader.Report("flush_interval", "must be larger than zero");
  if (config.append && config.has_rotation) {
    reader.Report("append", "append and rotation enabled at the same time is not supported");
  }
  if (config.append && !compression.empty()) {
    reader.Report("append", "append and compression enabled at the same time is not supported");
  }
  config.is_json = format == "json";
  config.is_zstd = compression == "zstd";
  return config;
}

}  // namespace narthex::exporters

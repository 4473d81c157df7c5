#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "base/process.h"
#include "commands.h"
#include "flags.h"
#include "model/matcher.h"
#include "promql_tool.h"
#include "server/server.h"
#include "server_flags.h"
#include "stop_signal.h"

namespace narthex::apps {
namespace {

// The version of Prometheus whose behaviour this one has: what clients gate on.
constexpr char kPrometheusVersion[] = "3.14.0";

constexpr CommandHelp kHelp = {
    .name = "narthex server",
    .summary = "Scrapes, stores and answers queries: stands in for prometheus.",
    .examples =
        "  narthex server --config.file=prometheus.yml --storage.tsdb.path=data\n"
        "  narthex server --web.listen-address=127.0.0.1:9090 "
        "--web.enable-remote-write-receiver\n",
};

base::Result<base::LogLevel> ParseLevel(const std::string& name) {
  if (name == "debug") return base::LogLevel::kDebug;
  if (name == "info") return base::LogLevel::kInfo;
  if (name == "warn") return base::LogLevel::kWarn;
  if (name == "error") return base::LogLevel::kError;
  return base::Fail(base::Code::kInvalidArgument,
                    "--log.level: \"{}\" is none of debug, info, warn and error", name);
}

base::Result<base::LogFormat> ParseFormat(const std::string& name) {
  if (name == "logfmt") return base::LogFormat::kLogfmt;
  if (name == "json") return base::LogFormat::kJson;
  return base::Fail(base::Code::kInvalidArgument, "--log.format: \"{}\" is neither logfmt nor json",
                    name);
}

base::Result<tsdb::Db::Options> StorageOptions(const Flags& flags) {
  using base::Code;
  using base::Fail;
  tsdb::Db::Options options;
  options.directory = flags.String("storage.tsdb.path");
  options.lock = !flags.Bool("storage.tsdb.no-lockfile");
  options.head.series_max = static_cast<uint64_t>(flags.Int("storage.tsdb.max-series"));
  options.retention.time_ms = flags.DurationMs("storage.tsdb.retention.time");
  options.retention.bytes = flags.Bytes("storage.tsdb.retention.size");
  const int64_t min_block_ms = flags.DurationMs("storage.tsdb.min-block-duration");
  if (min_block_ms < 60'000) {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.min-block-duration: has to be a minute or more");
  }
  options.head.chunk_range_ms = min_block_ms;
  options.maintenance_ms = flags.DurationMs("storage.tsdb.maintenance-interval");
  if (options.maintenance_ms < 1) {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.maintenance-interval: has to be a millisecond or more");
  }
  const int64_t threads = flags.Int("storage.tsdb.compaction-threads");
  if (threads < 0 || threads > 64) {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.compaction-threads: {} is not between 0 and 64", threads);
  }
  options.compaction_threads = static_cast<size_t>(threads);
  options.max_block_ms = flags.DurationMs("storage.tsdb.max-block-duration");
  if (options.max_block_ms != 0 && options.max_block_ms < min_block_ms) {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.max-block-duration: is below --storage.tsdb.min-block-duration");
  }
  const int64_t per_chunk = flags.Int("storage.tsdb.samples-per-chunk");
  if (per_chunk < 1 || per_chunk > 10'000) {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.samples-per-chunk: {} is not between 1 and 10000", per_chunk);
  }
  options.head.samples_per_chunk = static_cast<uint16_t>(per_chunk);
  if (const uint64_t bytes = flags.Bytes("storage.tsdb.wal-segment-size"); bytes != 0) {
    if (bytes < (10u << 20) || bytes > (256u << 20)) {
      return Fail(Code::kInvalidArgument,
                  "--storage.tsdb.wal-segment-size: has to lie between 10MB and 256MB");
    }
    options.wal.segment_bytes = bytes / wal::kPageBytes * wal::kPageBytes;
  }
  const std::string& compression = flags.String("storage.tsdb.wal-compression-type");
  if (!flags.Bool("storage.tsdb.wal-compression") || compression == "none") {
    options.wal.compression = wal::Compression::kNone;
  } else if (compression == "zstd") {
    options.wal.compression = wal::Compression::kZstd;
  } else if (compression != "snappy") {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.wal-compression-type: \"{}\" is none of none, snappy and zstd",
                compression);
  }
  const std::string& fsync = flags.String("storage.tsdb.wal-fsync");
  if (fsync == "none") {
    options.fsync = tsdb::FsyncPolicy::kNone;
  } else if (fsync == "commit") {
    options.fsync = tsdb::FsyncPolicy::kCommit;
  } else if (fsync != "interval") {
    return Fail(Code::kInvalidArgument,
                "--storage.tsdb.wal-fsync: \"{}\" is none of none, interval and commit", fsync);
  }
  return options;
}

base::Result<std::vector<remote::WriteMessage>> AcceptedMessages(const Flags& flags) {
  constexpr std::string_view kFlag = "web.remote-write-receiver.accepted-protobuf-messages";
  std::vector<remote::WriteMessage> messages;
  for (const std::string_view name : flags.Items(kFlag)) {
    const auto message = remote::WriteMessageFromName(name);
    if (!message) {
      return base::Fail(base::Code::kInvalidArgument,
                        "--{}: unknown message \"{}\": neither {} nor {}", kFlag, name,
                        remote::NameOf(remote::WriteMessage::kVersion1),
                        remote::NameOf(remote::WriteMessage::kVersion2));
    }
    if (std::ranges::find(messages, *message) != messages.end()) {
      return base::Fail(base::Code::kInvalidArgument, "--{}: {} comes twice", kFlag, name);
    }
    messages.push_back(*message);
  }
  return messages;
}

base::Result<server::Server::Options> ServerOptions(const Flags& flags) {
  server::Server::Options options;
  options.config_file = flags.String("config.file");
  options.listen_addresses = flags.List("web.listen-address");
  options.external_url = flags.String("web.external-url");
  options.route_prefix = flags.String("web.route-prefix");
  options.web_config_file = flags.String("web.config.file");
  options.connections_max = static_cast<size_t>(flags.Int("web.max-connections"));
  options.read_timeout = std::chrono::milliseconds(flags.DurationMs("web.read-timeout"));
  options.body_bytes_max = flags.Bytes("web.max-body-size");
  options.enable_lifecycle = flags.Bool("web.enable-lifecycle");
  options.enable_admin_api = flags.Bool("web.enable-admin-api");
  options.enable_remote_write = flags.Bool("web.enable-remote-write-receiver");
  ASSIGN_OR_RETURN(options.remote_write_messages, AcceptedMessages(flags));
  options.http_sd_bytes_max = flags.Bytes("scrape.http-sd-max-body-size");
  if (options.http_sd_bytes_max == 0) {
    return base::Fail(base::Code::kInvalidArgument,
                      "--scrape.http-sd-max-body-size: has to be above 0");
  }
  options.cors_origin = flags.String("web.cors.origin");
  if (const auto regex = model::AnchoredRegex::Compile(options.cors_origin); !regex) {
    return base::Fail(base::Code::kInvalidArgument, "--web.cors.origin: {}", regex.error().message);
  }
  ASSIGN_OR_RETURN(options.db, StorageOptions(flags));
  options.engine.lookback_ms = flags.DurationMs("query.lookback-delta");
  options.engine.timeout_ms = flags.DurationMs("query.timeout");
  options.engine.samples_max = static_cast<uint64_t>(flags.Int("query.max-samples"));
  options.engine.concurrent_max = static_cast<size_t>(flags.Int("query.max-concurrency"));
  options.engine.threads = static_cast<size_t>(std::max<int64_t>(flags.Int("query.threads"), 0));
  options.engine.memory_bytes_max = flags.Bytes("query.max-memory");
  options.engine.parse.text_bytes_max = static_cast<size_t>(flags.Int("query.max-text-bytes"));
  options.engine.parse.depth_max = static_cast<uint32_t>(flags.Int("query.max-depth"));
  StorageFeatures storage;
  ApplyFeatures("narthex server", flags.Items("enable-feature"), options.engine, &storage);
  options.exemplar_storage = storage.exemplars;
  options.db.metadata_records = storage.metadata_records;
  options.version = kPrometheusVersion;
  options.revision = VersionText();
  options.flags = flags.Values();
  options.on_quit = [] { StopSignal::RequestStop(); };
  return options;
}

int Fail(int code, const base::Error& error) {
  fmt::print(stderr, "narthex server: {}\n", error.message);
  return code;
}

}  // namespace

int RunServer(int argc, char** argv) {
  const auto flags = ParseCommandLine(kHelp, ServerFlags(), argc, argv);
  if (!flags) return flags.error();
  const auto level = ParseLevel(flags->String("log.level"));
  if (!level) return Fail(2, level.error());
  const auto format = ParseFormat(flags->String("log.format"));
  if (!format) return Fail(2, format.error());
  const auto options = ServerOptions(*flags);
  if (!options) return Fail(2, options.error());

  StopSignal signal;
  base::Logger log(*level, *format);
  const int64_t began = base::SystemClock().MonotonicNs();
  base::ReturnLargeBlocks();
  auto server = server::Server::Start(base::RealEnv(), log, *options);
  if (!server) {
    return Fail(server.error().code == base::Code::kInvalidArgument ? 2 : 1, server.error());
  }
  log.Info("server", "ready",
           {{"address", options->listen_addresses.front()},
            {"port", (*server)->port()},
            {"duration_ms", (base::SystemClock().MonotonicNs() - began) / 1'000'000}});
  while (signal.Wait() == StopSignal::Event::kReload) {
    // What failed is logged and shown; the old configuration stays.
    std::ignore = (*server)->Reload();
  }
  log.Info("server", "stopping");
  server->reset();
  log.Info("server", "stopped");
  return 0;
}

}  // namespace narthex::apps

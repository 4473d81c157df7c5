#include "server/self_metrics.h"

#include "base/process.h"
#include "exposition/writer.h"
#include "model/duration.h"

namespace narthex::server {
namespace {

using exposition::Writer;
using model::MetricType;

class Page {
 public:
  explicit Page(exposition::Format format) : writer_(format) {}

  void Counter(std::string_view name, std::string_view help, double value) {
    writer_.Family(name, MetricType::kCounter, help);
    writer_.Sample(name, "", value);
  }
  void Gauge(std::string_view name, std::string_view help, double value) {
    writer_.Family(name, MetricType::kGauge, help);
    writer_.Sample(name, "", value);
  }
  Writer& writer() { return writer_; }

 private:
  Writer writer_;
};

std::string Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string text;
  for (const auto& [name, value] : labels) exposition::AppendLabel(text, name, value);
  return text;
}

double D(uint64_t value) { return static_cast<double>(value); }

void AddExemplars(Page& page, const tsdb::ExemplarRing& ring) {
  const tsdb::ExemplarRing::Statistics exemplars = ring.statistics();
  page.Counter("prometheus_tsdb_exemplar_exemplars_appended_total", "Exemplars taken.",
               D(exemplars.appended));
  page.Gauge("prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars kept.",
             D(exemplars.exemplars));
  page.Gauge("prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
             "Series that have exemplars.", D(exemplars.series));
  page.Gauge("prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
             "Time of the exemplar that goes next.",
             static_cast<double>(exemplars.oldest.value_or(0)) / 1000);
  page.Gauge("prometheus_tsdb_exemplar_max_exemplars", "Exemplars that may be kept.",
             D(exemplars.max));
  page.Counter("prometheus_tsdb_exemplar_out_of_order_exemplars_total",
               "Exemplars refused as older than the newest of their series.",
               D(exemplars.out_of_order));
}

void AddStorage(Page& page, const tsdb::Db& db) {
  const tsdb::Head::Statistics head = db.head().statistics();
  const tsdb::Db::Statistics log = db.statistics();
  const tsdb::Retention retention = db.retention();
  const bool empty = head.min_time > head.max_time;
  page.Gauge("prometheus_tsdb_head_series", "Series in the head.", D(head.series));
  page.Gauge("prometheus_tsdb_head_chunks", "Chunks in the head.", D(head.chunks));
  page.Gauge("prometheus_tsdb_head_chunks_storage_size_bytes", "Bytes of finished head chunks.",
             D(head.chunk_bytes));
  page.Counter("prometheus_tsdb_mmap_chunks_total", "Finished head chunks given to their files.",
               D(db.head().chunk_files().chunks_written()));
  page.Counter("prometheus_tsdb_mmap_chunk_corruptions_total",
               "Damaged places found in the files of head chunks.",
               D(log.head_chunks_damaged + log.head_chunks_healed));
  page.Gauge("narthex_tsdb_head_chunks_found",
             "Finished head chunks found in their files at start.", D(log.head_chunks_found));
  page.Counter("narthex_tsdb_head_chunks_healed_total",
               "Head chunks made anew from the log because their file was damaged in use.",
               D(log.head_chunks_healed));
  page.Counter("narthex_tsdb_head_chunk_writes_failed_total",
               "Writes of finished head chunks that failed; the log has their samples.",
               D(log.head_chunk_failures));
  page.Gauge("prometheus_tsdb_head_min_time", "Oldest sample in the head, in milliseconds.",
             empty ? 0 : static_cast<double>(head.min_time));
  page.Gauge("prometheus_tsdb_head_max_time", "Newest sample in the head, in milliseconds.",
             empty ? 0 : static_cast<double>(head.max_time));
  const auto by_type = [&](std::string_view name, std::string_view help, uint64_t numbers,
                           uint64_t histograms) {
    page.writer().Family(name, MetricType::kCounter, help);
    page.writer().Sample(name, Labels({{"type", "float"}}), D(numbers));
    page.writer().Sample(name, Labels({{"type", "histogram"}}), D(histograms));
  };
  const auto& numbers = log.numbers_refused;
  const auto& histograms = log.histograms_refused;
  by_type("prometheus_tsdb_head_samples_appended_total", "Samples appended to the head.",
          head.samples_appended, head.histograms_appended);
  by_type("prometheus_tsdb_out_of_order_samples_total",
          "Samples refused as older than the newest of their series.", numbers.out_of_order,
          histograms.out_of_order);
  by_type("prometheus_tsdb_out_of_bound_samples_total",
          "Samples refused as older than what the head takes, where it takes no late ones.",
          numbers.out_of_bound, histograms.out_of_bound);
  by_type("prometheus_tsdb_too_old_samples_total",
          "Samples refused as older than the window of late ones.", numbers.too_old,
          histograms.too_old);
  by_type("prometheus_tsdb_head_out_of_order_samples_appended_total",
          "Samples taken although they are older than the newest of their series.",
          head.late_samples_appended, head.late_histograms_appended);
  page.Counter("narthex_tsdb_duplicate_samples_total",
               "Samples refused for another value at the time of their series' newest.",
               D(numbers.duplicate + histograms.duplicate));
  page.Counter("prometheus_tsdb_wal_writes_failed_total", "Commits that the log did not take.",
               D(log.commits_failed));
  page.Counter("prometheus_tsdb_wal_corruptions_total", "Damaged places found in the log.",
               D(log.wal_corruptions));
  page.Gauge("prometheus_tsdb_wal_segment_current", "Log segment that is written to.",
             log.wal_segment);
  page.Counter("prometheus_tsdb_wal_record_parts_bytes_written_total", "Bytes written to the log.",
               D(log.wal_bytes_written));
  const auto blocks = db.blocks();
  uint64_t block_bytes = 0;
  for (const auto& block : *blocks) block_bytes += block->bytes();
  page.Gauge("prometheus_tsdb_blocks_loaded", "Blocks in service.", D(blocks->size()));
  page.Gauge("prometheus_tsdb_storage_blocks_bytes", "Bytes of all blocks.", D(block_bytes));
  page.Gauge("narthex_tsdb_blocks_damaged", "Blocks that could not be read at start.",
             D(log.blocks_damaged));
  page.Gauge("narthex_tsdb_head_image_used",
             "1: the start took the head from its image; 0: it replayed the log.",
             log.image == tsdb::Db::ImageUse::kUsed ? 1 : 0);
  page.Gauge(
      "narthex_tsdb_head_image_refused",
      "1: there was an image, which something has outdated since, or which is damaged.",
      log.image == tsdb::Db::ImageUse::kStale || log.image == tsdb::Db::ImageUse::kDamaged ? 1 : 0);
  page.Counter("prometheus_tsdb_head_series_created_total", "Series created in the head.",
               D(head.series_created));
  page.Counter("prometheus_tsdb_head_series_removed_total", "Series dropped from the head.",
               D(head.series_removed));
  page.Counter("prometheus_tsdb_head_truncations_total", "Truncations of the head.",
               D(head.truncations));
  page.Counter("prometheus_tsdb_compactions_total", "Blocks written in the background.",
               D(log.compactions));
  page.Counter("prometheus_tsdb_compactions_failed_total", "Rounds of compaction that failed.",
               D(log.compactions_failed));
  page.Counter("prometheus_tsdb_checkpoint_creations_total", "Checkpoints of the log.",
               D(log.checkpoints));
  page.Counter("prometheus_tsdb_checkpoint_creations_failed_total", "Checkpoints that failed.",
               D(log.checkpoints_failed));
  page.Counter("prometheus_tsdb_time_retentions_total", "Blocks deleted for their age.",
               D(log.time_retentions));
  page.Counter("prometheus_tsdb_size_retentions_total", "Blocks deleted for lack of room.",
               D(log.size_retentions));
  page.Gauge("prometheus_tsdb_retention_limit_seconds", "How long samples are kept; 0: for good.",
             static_cast<double>(retention.time_ms) / 1000);
  page.Gauge("prometheus_tsdb_retention_limit_bytes", "Size of blocks and logs; 0: no limit.",
             D(retention.bytes));
  page.Gauge("prometheus_tsdb_retention_limit_percentage",
             "Share of the file system for blocks and logs; 0: no limit.", retention.percentage);
  page.Gauge("prometheus_tsdb_data_replay_duration_seconds", "Time of the replay at start.",
             static_cast<double>(log.replay_ms) / 1000);
}

void AddScrape(Page& page, const scrape::Manager& manager) {
  const scrape::Manager::Statistics scrape = manager.statistics();
  page.Counter("narthex_scrapes_total", "Scrapes finished.", D(scrape.scrapes));
  page.Counter("narthex_scrapes_failed_total", "Scrapes that failed.", D(scrape.scrapes_failed));
  page.Counter("narthex_scrape_samples_scraped_total", "Samples in scraped bodies.",
               D(scrape.samples_scraped));
  page.Counter("narthex_scrape_samples_stored_total", "Samples kept after relabelling.",
               D(scrape.samples_kept));
  page.Counter("prometheus_target_scrapes_exemplar_out_of_order_total",
               "Scraped exemplars older than the newest of their series.",
               D(scrape.exemplars_out_of_order));
  page.Counter("prometheus_target_scrapes_sample_out_of_order_total",
               "Scraped samples older than the newest of their series.", D(scrape.out_of_order));
  page.Counter("prometheus_target_scrapes_sample_duplicate_timestamp_total",
               "Scraped samples with a timestamp used before.", D(scrape.duplicate));
  page.Counter("prometheus_target_scrapes_sample_out_of_bounds_total",
               "Scraped samples too old or too far ahead.", D(scrape.out_of_bounds));
  page.Counter("narthex_scrape_failure_log_failures_total",
               "Failed scrapes that could not be written to their log.",
               D(scrape.failures_unlogged));
  page.Counter("prometheus_target_scrape_pools_total", "Jobs that were set up.",
               D(scrape.jobs_made));
  page.Counter("prometheus_target_scrape_pool_reloads_total",
               "Jobs that a reload has found to be others than they were.",
               D(scrape.jobs_reloaded));
  page.Counter("prometheus_target_scrapes_exceeded_body_size_limit_total",
               "Scrapes that failed for the size of the answer.", D(scrape.over_body_size));
  page.Counter("prometheus_target_scrapes_exceeded_sample_limit_total",
               "Scrapes that failed for their samples.", D(scrape.over_samples));
  page.Counter("prometheus_target_scrape_pool_exceeded_label_limits_total",
               "Scrapes that failed for the labels of a series.", D(scrape.over_labels));
  page.Counter("prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
               "Scrapes that failed for the buckets of a native histogram.",
               D(scrape.over_histogram_buckets));
  page.writer().Family("prometheus_target_interval_length_seconds", MetricType::kSummary,
                       "Distances of scrapes from those before.");
  for (const auto& [interval_ms, distances] : scrape.distances) {
    const std::string labels = Labels({{"interval", model::FormatDuration(interval_ms)}});
    page.writer().Sample("prometheus_target_interval_length_seconds_sum", labels,
                         distances.seconds);
    page.writer().Sample("prometheus_target_interval_length_seconds_count", labels,
                         D(distances.count));
  }
  page.writer().Family("prometheus_target_scrape_pool_targets", MetricType::kGauge,
                       "Targets of a job.");
  std::map<std::string, uint64_t> targets;
  for (const scrape::JobStatus& job : manager.jobs()) targets[job.name] = 0;
  for (const scrape::TargetStatus& target : manager.targets()) ++targets[target.job];
  for (const auto& [job, count] : targets) {
    page.writer().Sample("prometheus_target_scrape_pool_targets", Labels({{"scrape_job", job}}),
                         D(count));
  }
}

// Source: Prometheus, discovery manager, refresh, file, http and dns.
void AddDiscovery(Page& page, const scrape::Manager& manager) {
  const discovery::Discovery::Statistics found = manager.discovery();
  const std::string name = Labels({{"name", "scrape"}});
  Writer& writer = page.writer();
  const auto named = [&](std::string_view metric, MetricType type, std::string_view help,
                         uint64_t value) {
    writer.Family(metric, type, help);
    writer.Sample(metric, name, D(value));
  };
  const std::vector<scrape::JobStatus> jobs = manager.jobs();
  writer.Family("prometheus_sd_discovered_targets", MetricType::kGauge,
                "Targets of a job before relabelling.");
  for (const scrape::JobStatus& job : jobs) {
    writer.Sample("prometheus_sd_discovered_targets",
                  Labels({{"config", job.name}, {"name", "scrape"}}), D(job.found));
  }
  named("prometheus_sd_failed_configs", MetricType::kGauge,
        "Settings of discovery that cannot be used.", found.failed_configs);
  named("prometheus_sd_received_updates_total", MetricType::kCounter,
        "Answers of places where targets are looked for.", found.received_updates);
  named("prometheus_sd_updates_delayed_total", MetricType::kCounter,
        "Times that changed targets could not be handed over at once.",
        manager.statistics().updates_delayed);
  writer.Family("prometheus_sd_last_update_timestamp_seconds", MetricType::kGauge,
                "When the scraper took over changed targets, since the Unix epoch.");
  writer.Sample("prometheus_sd_last_update_timestamp_seconds", name,
                static_cast<double>(manager.statistics().discovered_ms) / 1000);
  named("prometheus_sd_updates_total", MetricType::kCounter,
        "Changes of targets that the scraper took over.", found.updates);
  const auto by_mechanism = [&](std::string_view metric, auto value) {
    for (const auto& [mechanism, looks] : found.mechanisms) {
      writer.Sample(metric, Labels({{"mechanism", mechanism}}), value(looks));
    }
  };
  writer.Family("prometheus_sd_refresh_failures_total", MetricType::kCounter,
                "Looks for targets that failed.");
  by_mechanism("prometheus_sd_refresh_failures_total",
               [](const auto& looks) { return D(looks.failures); });
  writer.Family("prometheus_sd_refresh_duration_seconds", MetricType::kSummary,
                "Duration of looks for targets.");
  by_mechanism("prometheus_sd_refresh_duration_seconds_sum",
               [](const auto& looks) { return looks.seconds; });
  by_mechanism("prometheus_sd_refresh_duration_seconds_count",
               [](const auto& looks) { return D(looks.looks); });
  if (const auto files = found.mechanisms.find("file"); files != found.mechanisms.end()) {
    writer.Family("prometheus_sd_file_scan_duration_seconds", MetricType::kSummary,
                  "Duration of looks for files with targets.");
    writer.Sample("prometheus_sd_file_scan_duration_seconds_sum", "", files->second.seconds);
    writer.Sample("prometheus_sd_file_scan_duration_seconds_count", "", D(files->second.looks));
  }
  page.Counter("prometheus_sd_file_read_errors_total",
               "Files with targets that could not be read or understood.",
               D(found.file_read_errors));
  page.Counter("prometheus_sd_file_watcher_errors_total",
               "Directories that could not be watched for changes.", D(found.file_watcher_errors));
  writer.Family("prometheus_sd_file_mtime_seconds", MetricType::kGauge,
                "Time of change of a file with targets, in seconds since the Unix epoch.");
  for (const auto& [path, time_ms] : found.file_times) {
    writer.Sample("prometheus_sd_file_mtime_seconds", Labels({{"filename", path}}),
                  static_cast<double>(time_ms / 1000));
  }
  page.Counter("prometheus_sd_http_failures_total", "HTTP answers with targets that failed.",
               D(found.http_failures));
  page.Counter("narthex_sd_http_answers_too_large_total",
               "HTTP answers with targets that were over the limit.", D(found.http_too_large));
  page.Counter("prometheus_sd_dns_lookups_total", "Lookups of names.", D(found.dns_lookups));
  page.Counter("prometheus_sd_dns_lookup_failures_total", "Lookups of names that failed.",
               D(found.dns_lookup_failures));
  const auto by_job = [&](std::string_view metric, MetricType type, std::string_view help,
                          auto value) {
    writer.Family(metric, type, help);
    for (const scrape::JobStatus& job : jobs) {
      writer.Sample(metric, Labels({{"scrape_job", job.name}}), static_cast<double>(value(job)));
    }
  };
  constexpr MetricType kCounter = MetricType::kCounter, kGauge = MetricType::kGauge;
  by_job("prometheus_target_scrape_pool_sync_total", kCounter,
         "Times the targets of a job were made out.",
         [](const scrape::JobStatus& job) { return job.syncs; });
  by_job("prometheus_target_sync_failed_total", kCounter, "Targets that could not be made out.",
         [](const scrape::JobStatus& job) { return job.failed; });
  by_job("prometheus_target_scrape_pool_target_limit", kGauge,
         "Targets that a job may have; 0: no limit.",
         [](const scrape::JobStatus& job) { return job.target_limit; });
  by_job("prometheus_target_metadata_cache_entries", kGauge,
         "Families whose metadata the targets of a job told.",
         [](const scrape::JobStatus& job) { return job.metadata_families; });
  by_job("prometheus_target_metadata_cache_bytes", kGauge, "Names and texts of those.",
         [](const scrape::JobStatus& job) { return job.metadata_bytes; });
  uint64_t over_limit = 0;
  for (const scrape::JobStatus& job : jobs) over_limit += job.over_limit;
  page.Counter("prometheus_target_scrape_pool_exceeded_target_limit_total",
               "Times that a job had more targets than may be.", D(over_limit));
  writer.Family("prometheus_target_sync_length_seconds", MetricType::kSummary,
                "How long it took to make out the targets of a job.");
  for (const scrape::JobStatus& job : jobs) {
    const std::string labels = Labels({{"scrape_job", job.name}});
    writer.Sample("prometheus_target_sync_length_seconds_sum", labels, job.sync_seconds);
    writer.Sample("prometheus_target_sync_length_seconds_count", labels, D(job.syncs));
  }
}

void AddWrite(Page& page, const remote::WriteReceiver& receiver) {
  const remote::WriteReceiver::Statistics write = receiver.statistics();
  page.Counter("narthex_remote_write_requests_total", "Remote-write requests.", D(write.requests));
  page.Counter("narthex_remote_write_requests_refused_total", "Requests answered with an error.",
               D(write.refused_requests));
  page.Counter("prometheus_api_remote_write_samples_total", "Samples stored by remote write.",
               D(write.samples));
  page.Counter("prometheus_api_remote_write_invalid_labels_samples_total",
               "Samples and histograms left out for unusable labels.", D(write.invalid_samples));
  page.Counter("prometheus_api_remote_write_without_metadata_appended_samples_total",
               "Samples and histograms stored whose series came without metadata.",
               D(write.without_metadata));
  page.Counter("narthex_remote_write_requests_partial_total",
               "Requests of which a part was stored and the rest refused.",
               D(write.partial_requests));
  page.Counter("narthex_remote_write_histograms_total", "Native histograms stored by remote write.",
               D(write.histograms));
  page.Counter("narthex_remote_write_exemplars_total", "Exemplars stored by remote write.",
               D(write.exemplars));
  const remote::ReceivedMetadata::Statistics metadata = receiver.metadata().statistics();
  page.Gauge("narthex_remote_write_metadata_families", "Families whose metadata senders told.",
             D(metadata.families));
  page.Counter("narthex_remote_write_metadata_passed_over_total",
               "Metadata of senders passed over for lack of room.", D(metadata.passed_over));
  page.Counter("narthex_remote_write_exemplars_refused_total",
               "Exemplars that remote write passed over.", D(write.refused_exemplars));
}

void AddEngine(Page& page, const promql::Engine& engine) {
  const promql::Engine::Statistics stats = engine.statistics();
  page.Gauge("prometheus_engine_queries_concurrent_max", "Queries that may run at once.",
             D(engine.options().concurrent_max));
  page.Gauge("prometheus_engine_queries", "Queries that run or wait.", D(stats.queries_now));
  page.Counter("prometheus_engine_query_samples_total", "Samples that queries read.",
               D(stats.samples_read));
  page.Counter("narthex_engine_queries_total", "Queries that ended, with or without an answer.",
               D(stats.queries));
  page.writer().Family("narthex_engine_queries_ended_total", MetricType::kCounter,
                       "Queries that a limit ended, or the end of their client.");
  const std::pair<std::string_view, uint64_t> kReasons[] = {{"cancelled", stats.cancelled},
                                                            {"memory", stats.over_memory},
                                                            {"samples", stats.over_samples},
                                                            {"timeout", stats.timed_out}};
  for (const auto& [reason, count] : kReasons) {
    page.writer().Sample("narthex_engine_queries_ended_total", Labels({{"reason", reason}}),
                         D(count));
  }
}

void AddProcess(Page& page, const SelfMetrics& metrics) {
  const base::ProcessUsage usage = base::ReadProcessUsage();
  page.Counter("process_cpu_seconds_total", "User and system time.", usage.cpu_seconds);
  page.Gauge("process_resident_memory_bytes", "Resident memory.", D(usage.resident_bytes));
  page.Gauge("process_virtual_memory_bytes", "Virtual memory.", D(usage.virtual_bytes));
  page.Gauge("process_open_fds", "Open file descriptors.", D(usage.open_files));
  page.Gauge("process_start_time_seconds", "Start, in seconds since the Unix epoch.",
             static_cast<double>(metrics.process_start_ms) / 1000);
}

}  // namespace

void HttpCounters::Count(std::string_view handler, int status) {
  base::MutexLock lock(mutex_);
  ++counts_[{std::string(handler), status}];
}

std::map<std::pair<std::string, int>, uint64_t> HttpCounters::counts() const {
  base::MutexLock lock(mutex_);
  return counts_;
}

std::string RenderSelfMetrics(const SelfMetrics& metrics, exposition::Format format) {
  Page page(format);
  page.writer().Family("prometheus_build_info", MetricType::kGauge,
                       "1, with the version that runs as labels.");
  page.writer().Sample("prometheus_build_info",
                       Labels({{"branch", "main"},
                               {"goarch", "amd64"},
                               {"goos", "linux"},
                               {"goversion", "none"},
                               {"revision", metrics.revision},
                               {"tags", "narthex"},
                               {"version", metrics.version}}),
                       1);
  page.Gauge("prometheus_ready", "Whether the server is ready.", metrics.ready ? 1 : 0);
  page.Gauge("prometheus_config_last_reload_successful", "Whether the last reload succeeded.",
             metrics.config_reload_successful ? 1 : 0);
  page.Gauge("prometheus_config_last_reload_success_timestamp_seconds",
             "Time of the last successful reload.",
             static_cast<double>(metrics.config_reload_time_ms) / 1000);
  if (metrics.http != nullptr) {
    page.writer().Family("prometheus_http_requests_total", MetricType::kCounter,
                         "HTTP requests by handler and code.");
    for (const auto& [key, count] : metrics.http->counts()) {
      page.writer().Sample("prometheus_http_requests_total",
                           Labels({{"code", std::to_string(key.second)}, {"handler", key.first}}),
                           D(count));
    }
  }
  if (metrics.engine != nullptr) AddEngine(page, *metrics.engine);
  if (metrics.query_log != nullptr) {
    page.Gauge("prometheus_engine_query_log_enabled", "Whether queries are logged.",
               metrics.query_log->enabled() ? 1 : 0);
    page.Counter("prometheus_engine_query_log_failures_total",
                 "Lines of the query log that could not be written.",
                 D(metrics.query_log->failures()));
  }
  if (metrics.db != nullptr) AddStorage(page, *metrics.db);
  if (metrics.db != nullptr) AddExemplars(page, metrics.db->exemplars());
  if (metrics.scrape != nullptr) AddScrape(page, *metrics.scrape);
  if (metrics.scrape != nullptr) AddDiscovery(page, *metrics.scrape);
  if (metrics.write != nullptr) AddWrite(page, *metrics.write);
  AddProcess(page, metrics);
  return page.writer().Finish();
}

}  // namespace narthex::server

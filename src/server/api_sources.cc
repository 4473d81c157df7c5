#include "server/api_sources.h"

#include <algorithm>
#include <array>

#include "base/process.h"
#include "model/byte_size.h"
#include "model/duration.h"

namespace narthex::server {

std::shared_ptr<const scrape::Manager> CurrentScrape::Get() const {
  base::MutexLock lock(mutex_);
  return manager_;
}

std::shared_ptr<const scrape::Manager> CurrentScrape::Set(
    std::shared_ptr<const scrape::Manager> manager) {
  base::MutexLock lock(mutex_);
  return std::exchange(manager_, std::move(manager));
}

std::vector<std::string> ScrapeSource::ScrapePools() const {
  std::vector<std::string> names;
  if (const auto manager = scrape_.Get()) {
    for (const scrape::JobStatus& job : manager->jobs()) names.push_back(job.name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<api::ActiveTarget> ScrapeSource::Active() const {
  std::vector<api::ActiveTarget> targets;
  const auto manager = scrape_.Get();
  if (manager == nullptr) return targets;
  for (const scrape::TargetStatus& status : manager->targets()) {
    api::ActiveTarget target;
    target.discovered_labels = status.target.discovered;
    target.labels = status.target.labels;
    target.scrape_pool = status.job;
    target.scrape_url = status.target.url;
    target.global_url = status.target.url;
    target.last_error = status.last_error;
    target.last_scrape_ms = status.last_scrape;
    target.last_scrape_seconds = status.last_duration_seconds;
    switch (status.health) {
      case scrape::Health::kUnknown:
        target.health = "unknown";
        break;
      case scrape::Health::kUp:
        target.health = "up";
        break;
      case scrape::Health::kDown:
        target.health = "down";
        break;
    }
    target.scrape_interval = model::FormatDuration(status.target.interval_ms);
    target.scrape_timeout = model::FormatDuration(status.target.timeout_ms);
    targets.push_back(std::move(target));
  }
  return targets;
}

std::vector<api::DroppedTarget> ScrapeSource::Dropped() const {
  std::vector<api::DroppedTarget> targets;
  const auto manager = scrape_.Get();
  if (manager == nullptr) return targets;
  for (const scrape::JobStatus& job : manager->jobs()) {
    for (const model::Labels& labels : job.dropped) targets.push_back({labels, job.name});
  }
  return targets;
}

void ScrapeSource::ForEach(const Visit& visit) const {
  if (const auto manager = scrape_.Get()) {
    for (const scrape::MetadataEntry& entry : manager->metadata()) {
      visit(entry.family, entry.metadata);
    }
  }
  const remote::WriteReceiver* const receiver = receiver_;
  if (receiver != nullptr) receiver->metadata().ForEach(visit);
}

void StatusPages::NoteReload(bool success, int64_t now_ms, const std::string& config_text) {
  base::MutexLock lock(mutex_);
  reload_success_ = success;
  if (!success) return;
  reload_ms_ = now_ms;
  config_text_ = config_text;
}

bool StatusPages::reload_success() const {
  base::MutexLock lock(mutex_);
  return reload_success_;
}

int64_t StatusPages::reload_ms() const {
  base::MutexLock lock(mutex_);
  return reload_ms_;
}

api::BuildInfo StatusPages::Build() const {
  return {.version = facts_.version,
          .revision = facts_.revision,
          .branch = "main",
          .build_user = "narthex",
          .build_date = "",
          .go_version = "C++ (GCC " __VERSION__ ")"};
}

namespace {

// Such as "15d or 1GiB512MiB".
std::string DescribeRetention(const tsdb::Retention& retention) {
  std::string text;
  const auto add = [&text](const std::string& limit) {
    if (!text.empty()) text += " or ";
    text += limit;
  };
  if (retention.time_ms > 0) add(model::FormatDuration(retention.time_ms));
  if (retention.percentage > 0) {
    add(fmt::format("{}%", retention.percentage));
  } else if (retention.bytes > 0) {
    add(model::FormatBytes(retention.bytes));
  }
  return text;
}

}  // namespace

api::RuntimeInfo StatusPages::Runtime() const {
  api::RuntimeInfo info;
  info.start_ms = facts_.start_ms;
  info.working_directory = base::CurrentDirectory();
  info.hostname = base::HostName();
  info.reload_success = reload_success();
  info.last_config_ms = reload_ms();
  if (const tsdb::Db* const db = db_) {
    info.corruption_count = db->statistics().wal_corruptions;
    info.storage_retention = DescribeRetention(db->retention());
  }
  info.thread_count = base::ReadProcessUsage().threads;
  return info;
}

std::string StatusPages::ConfigYaml() const {
  base::MutexLock lock(mutex_);
  return MaskSecrets(config_text_);
}

base::Result<api::TsdbStats> StatusPages::Tsdb(size_t limit) const {
  const tsdb::Db* const db = db_;
  if (db == nullptr) return base::Fail(base::Code::kUnavailable, "the storage is not open yet");
  const tsdb::Head::Statistics head = db->head().statistics();
  const tsdb::SeriesIndex::Statistics labels = db->head().AnalyzeLabels(limit);
  const auto copy = [](const std::vector<tsdb::SeriesIndex::Count>& counts) {
    std::vector<api::NamedCount> named;
    for (const auto& [name, value] : counts) named.push_back({name, value});
    return named;
  };
  api::TsdbStats stats;
  stats.series = head.series;
  stats.label_pairs = labels.label_pairs;
  stats.chunks = head.chunks;
  stats.time_min = head.min_time;
  stats.time_max = head.max_time;
  stats.series_by_metric = copy(labels.series_by_metric);
  stats.values_by_label = copy(labels.values_by_label);
  stats.bytes_by_label = copy(labels.bytes_by_label);
  stats.series_by_label_pair = copy(labels.series_by_pair);
  return stats;
}

base::Result<tsdb::Db*> StorageAdmin::Open() const {
  const tsdb::Db* const db = db_;
  if (db == nullptr) return base::Fail(base::Code::kUnavailable, "the storage is not open yet");
  return const_cast<tsdb::Db*>(db);
}

base::Status StorageAdmin::DeleteSeries(const std::vector<model::Matcher>& matchers,
                                        model::TimeRange range) {
  ASSIGN_OR_RETURN(tsdb::Db* const db, Open());
  return db->DeleteSeries(matchers, range);
}

base::Status StorageAdmin::CleanTombstones() {
  ASSIGN_OR_RETURN(tsdb::Db* const db, Open());
  return db->CleanTombstones();
}

base::Result<std::string> StorageAdmin::Snapshot(bool skip_head) {
  ASSIGN_OR_RETURN(tsdb::Db* const db, Open());
  return db->Snapshot(skip_head);
}

std::string MaskSecrets(std::string_view yaml) {
  static constexpr std::array<std::string_view, 7> kKeys = {
      "password", "credentials", "bearer_token", "client_secret", "secret_key", "secrets", "key"};
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::string masked;
  while (!yaml.empty()) {
    const size_t end = std::min(yaml.find('\n'), yaml.size());
    const std::string_view line = yaml.substr(0, end);
    yaml.remove_prefix(std::min(end + 1, yaml.size()));
    // Anywhere in the line, since `{username: u, password: p}` is one. What follows a secret on its
    // line goes with it: a value may contain whatever would end it.
    size_t cut = line.size();
    for (const std::string_view key : kKeys) {
      for (size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
        const size_t colon = at + key.size();
        const bool whole = (at == 0 || !is_word(line[at - 1])) && colon < line.size() &&
                           (line[colon] == ':' || line[colon] == '"' || line[colon] == '\'');
        if (whole) cut = std::min(cut, line.find(':', colon));
      }
    }
    masked += line.substr(0, cut);
    masked += cut < line.size() ? ": <secret>\n" : "\n";
  }
  return masked;
}

}  // namespace narthex::server

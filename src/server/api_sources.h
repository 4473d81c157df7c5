#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/sources.h"
#include "base/mutex.h"
#include "remote/write_receiver.h"
#include "scrape/manager.h"
#include "tsdb/db.h"

namespace narthex::server {

// The scrape manager of the running configuration; changes at a reload. Thread-safe.
class CurrentScrape {
 public:
  std::shared_ptr<const scrape::Manager> Get() const EXCLUDES_LOCK(mutex_);
  // Returns the one before.
  std::shared_ptr<const scrape::Manager> Set(std::shared_ptr<const scrape::Manager> manager)
      EXCLUDES_LOCK(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const scrape::Manager> manager_ GUARDED_BY(mutex_);
};

// What the API shows of targets.
class ScrapeSource final : public api::TargetSource, public api::MetadataSource {
 public:
  explicit ScrapeSource(const CurrentScrape& scrape) : scrape_(scrape) {}
  // Whose metadata is shown behind that of the scrapes; outlives this. Null: nobody's.
  void ShowMetadataOf(const remote::WriteReceiver* receiver) { receiver_ = receiver; }

  std::vector<std::string> ScrapePools() const override;
  std::vector<api::ActiveTarget> Active() const override;
  std::vector<api::DroppedTarget> Dropped() const override;
  void ForEach(const Visit& visit) const override;

 private:
  const CurrentScrape& scrape_;
  std::atomic<const remote::WriteReceiver*> receiver_{nullptr};
};

// What the API shows of the server itself.
class StatusPages final : public api::StatusSource {
 public:
  struct Facts {
    std::string version;
    std::string revision;
    std::vector<std::pair<std::string, std::string>> flags;
    int64_t start_ms = 0;
  };
  StatusPages(Facts facts, const std::atomic<const tsdb::Db*>& db)
      : facts_(std::move(facts)), db_(db) {}

  void NoteReload(bool success, int64_t now_ms, const std::string& config_text);

  api::BuildInfo Build() const override;
  api::RuntimeInfo Runtime() const override;
  std::vector<std::pair<std::string, std::string>> Flags() const override { return facts_.flags; }
  std::string ConfigYaml() const override;
  base::Result<api::TsdbStats> Tsdb(size_t limit) const override;

  bool reload_success() const;
  int64_t reload_ms() const;
  const Facts& facts() const { return facts_; }

 private:
  const Facts facts_;
  const std::atomic<const tsdb::Db*>& db_;
  mutable base::Mutex mutex_;
  bool reload_success_ GUARDED_BY(mutex_) = true;
  int64_t reload_ms_ GUARDED_BY(mutex_) = 0;
  std::string config_text_ GUARDED_BY(mutex_);
};

// The admin endpoints, once the storage is open.
class StorageAdmin final : public api::Admin {
 public:
  explicit StorageAdmin(const std::atomic<const tsdb::Db*>& db) : db_(db) {}

  base::Status DeleteSeries(const std::vector<model::Matcher>& matchers,
                            model::TimeRange range) override;
  base::Status CleanTombstones() override;
  base::Result<std::string> Snapshot(bool skip_head) override;

 private:
  base::Result<tsdb::Db*> Open() const;
  const std::atomic<const tsdb::Db*>& db_;
};

// The text with the values of passwords, keys and tokens replaced by "<secret>".
std::string MaskSecrets(std::string_view yaml);

}  // namespace narthex::server

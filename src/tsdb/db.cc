#include "tsdb/db.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <set>

#include "base/check.h"
#include "base/fault_points.h"
#include "storage/merge.h"
#include "wal/exemplar_records.h"
#include "wal/reader.h"

namespace narthex::tsdb {

using model::Labels;
using model::Matcher;
using model::TimeRange;
using model::Timestamp;
using storage::Appended;
using storage::SeriesRef;

// References handed out are slots, shifted by one so that 0 stays "none".
constexpr uint64_t kSlotMax = ~Slot{0};

class DbAppender final : public storage::Appender {
 public:
  explicit DbAppender(Db& db) : db_(db), guard_(db.head_.Enter()) {}

  base::Result<SeriesRef> Resolve(const Labels& labels) override {
    if (labels.empty()) {
      return base::Fail(base::Code::kInvalidArgument, "a series needs at least one label");
    }
    ASSIGN_OR_RETURN(const Slot slot, db_.head_.Resolve(labels));
    return SeriesRef{slot} + 1;
  }

  Appended Append(SeriesRef ref, Timestamp t, double v) override {
    if (ref == 0 || ref > kSlotMax) return Appended::kUnknownSeries;
    if (batch_.empty() && late_.empty()) judged_at_ = db_.changes_.load(std::memory_order_acquire);
    const auto slot = static_cast<Slot>(ref - 1);
    if (model::IsStaleNan(v)) [[unlikely]] {
      // It takes the form of what it ends.
      const Head::Form form = db_.head_.FormOf(slot);
      if (form == Head::Form::kWholeHistogram) {
        return AppendHistogram(ref, t, model::IntegerHistogram{.sum = v});
      }
      if (form == Head::Form::kFloatHistogram) {
        return AppendHistogram(ref, t, model::FloatHistogram{.sum = v});
      }
    }
    Appended verdict = db_.head_.Judge(slot, t, v);
    // Several samples of one series come one after the other.
    const Head::Entry* const last = batch_.LastNumber(slot);
    if (verdict == Appended::kYes && last != nullptr && t <= last->t) {
      const bool same = std::bit_cast<uint64_t>(last->v) == std::bit_cast<uint64_t>(v);
      verdict = t < last->t ? Appended::kOutOfOrder
                : same      ? Appended::kSameAgain
                            : Appended::kDuplicate;
    }
    if (verdict == Appended::kYes) {
      batch_.Add({slot, t, v});
      return verdict;
    }
    if (db_.TakesLate(verdict, t)) {
      late_.numbers.push_back({slot, t, v});
      return Appended::kYes;
    }
    db_.Count(verdict);
    return verdict;
  }

  Appended AppendHistogram(SeriesRef ref, Timestamp t,
                           const model::IntegerHistogram& histogram) override {
    return TakeHistogram(ref, t, histogram);
  }
  Appended AppendHistogram(SeriesRef ref, Timestamp t,
                           const model::FloatHistogram& histogram) override {
    return TakeHistogram(ref, t, histogram);
  }
  Appended AppendExemplar(SeriesRef ref, const model::Exemplar& exemplar) override {
    if (!db_.exemplars_.enabled()) return Appended::kNotKept;
    if (ref == 0 || ref > kSlotMax) return Appended::kUnknownSeries;
    const auto slot = static_cast<Slot>(ref - 1);
    std::optional<Labels> series = db_.head_.LabelsIfKnown(slot);
    if (!series) return Appended::kUnknownSeries;
    const Appended verdict = db_.exemplars_.Judge(*series, exemplar);
    if (verdict == Appended::kYes) {
      batch_.exemplars.push_back({slot, *std::move(series), exemplar});
    } else if (verdict == Appended::kOutOfOrder) {
      db_.exemplars_.NoteOutOfOrder();
    }
    return verdict;
  }

  void SetMetadata(SeriesRef ref, const model::Metadata& metadata) override {
    if (!db_.options_.metadata_records || ref == 0 || ref > kSlotMax) return;
    const auto slot = static_cast<Slot>(ref - 1);
    if (!db_.head_.MetadataIs(slot, metadata)) batch_.metadata.push_back({slot, metadata});
  }

  base::Status Commit() override {
    base::Status status = db_.Commit(batch_, late_, judged_at_);
    Rollback();
    return status;
  }

  void Rollback() override {
    batch_.Clear();
    late_.Clear();
  }

 private:
  template <class Histogram>
  Appended TakeHistogram(SeriesRef ref, Timestamp t, const Histogram& histogram) {
    if (ref == 0 || ref > kSlotMax) return Appended::kUnknownSeries;
    if (!model::IsStaleNan(histogram.sum) && !histogram.Validate()) return Appended::kInvalid;
    if (batch_.empty() && late_.empty()) judged_at_ = db_.changes_.load(std::memory_order_acquire);
    const auto slot = static_cast<Slot>(ref - 1);
    chunk::Value value(histogram);
    Appended verdict = db_.head_.JudgeHistogram(slot, t, value);
    const Head::HistogramEntry* const last = batch_.LastHistogram(slot);
    if (verdict == Appended::kYes && last != nullptr && t <= last->t) {
      verdict = t < last->t                            ? Appended::kOutOfOrder
                : chunk::SameValue(last->value, value) ? Appended::kSameAgain
                                                       : Appended::kDuplicate;
    }
    if (verdict == Appended::kYes) {
      batch_.AddHistogram({slot, t, std::move(value)});
      return verdict;
    }
    if (db_.TakesLate(verdict, t)) {
      late_.histograms.push_back({slot, t, std::move(value)});
      return Appended::kYes;
    }
    db_.Count(verdict);
    return verdict;
  }

  Db& db_;
  const Epochs::Guard guard_;
  Batch batch_;
  Head::LateBatch late_;
  uint64_t judged_at_ = 0;
};

// The head is read before the list of blocks is: a stretch that moves from one to the other in
// between is then seen twice, which merging undoes, and never missed.
class DbQuerier final : public storage::Querier {
 public:
  DbQuerier(const Db& db, TimeRange range) : db_(db), range_(range) {}

  base::Result<std::unique_ptr<storage::SeriesSet>> Select(
      const std::vector<Matcher>& matchers) override {
    std::vector<std::unique_ptr<storage::SeriesSet>> sets;
    std::vector<std::unique_ptr<storage::SeriesSet>> late;
    std::unique_ptr<storage::SeriesSet> head = db_.head_.Select(matchers, range_);
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(std::unique_ptr<storage::SeriesSet> set, block->Select(matchers, range_));
      if (set->size() > 0) (block->is_late() ? late : sets).push_back(std::move(set));
    }
    if (sets.empty() && late.empty()) return head;
    sets.push_back(std::move(head));
    // At equal times the first wins: a late sample never changes what was there before.
    std::ranges::move(late, std::back_inserter(sets));
    return storage::MergeSeriesSets(std::move(sets));
  }

  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matcher>& matchers) override {
    std::vector<std::string> names = db_.head_.LabelNames(matchers);
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> more, block->LabelNames(matchers));
      Unite(names, more);
    }
    return names;
  }

  base::Result<std::vector<std::string>> LabelValues(
      std::string_view name, const std::vector<Matcher>& matchers) override {
    std::vector<std::string> values = db_.head_.LabelValues(name, matchers);
    for (const auto& block : *db_.blocks()) {
      if (!Overlaps(*block)) continue;
      ASSIGN_OR_RETURN(const std::vector<std::string> more, block->LabelValues(name, matchers));
      Unite(values, more);
    }
    return values;
  }

 private:
  bool Overlaps(const Block& block) const {
    const BlockMeta meta = block.meta();
    return meta.min_time <= range_.max && meta.max_time > range_.min;
  }
  static void Unite(std::vector<std::string>& into, const std::vector<std::string>& more) {
    std::vector<std::string> all;
    std::ranges::set_union(into, more, std::back_inserter(all));
    into = std::move(all);
  }

  const Db& db_;
  const TimeRange range_;
};

namespace {

base::Status ReadOnlyError() {
  return base::Fail(base::Code::kFailedPrecondition, "the directory is open for reading only");
}

}  // namespace

Db::Db(base::Env env, base::Logger& log, Options options)
    : env_(env),
      log_(log),
      options_(std::move(options)),
      head_(options_.head),
      exemplars_(options_.exemplars_max),
      random_(base::RandomSeed()) {
  SetRetention(options_.retention);
  SetLateWindow(options_.late_window_ms);
}

base::Result<std::unique_ptr<Db>> Db::Open(base::Env env, base::Logger& log, Options options) {
  std::unique_ptr<Db> db(new Db(env, log, std::move(options)));
  const std::string& directory = db->options_.directory;
  if (db->options_.read_only) {
    RETURN_IF_ERROR(db->OpenBlocks());
    RETURN_IF_ERROR(db->ReadHead());
    return db;
  }
  RETURN_IF_ERROR(env.files.CreateDirectories(directory));
  if (db->options_.lock) {
    ASSIGN_OR_RETURN(db->lock_, env.files.Lock(base::JoinPath(directory, "lock")));
  }
  RETURN_IF_ERROR(db->OpenBlocks());
  RETURN_IF_ERROR(db->ReadHead());
  {
    base::MutexLock lock(db->commit_mutex_);
    ASSIGN_OR_RETURN(db->wal_, wal::Writer::Open(env.files, db->WalDirectory(), db->options_.wal));
    if (db->head_.has_late_samples()) RETURN_IF_ERROR(db->OpenLateLog());
  }
  if (db->late_log_has_markers_) {
    // A marker says that samples are in a mapped chunk, which a kill can have kept from the disk.
    // Upstream goes by the number of the last chunk file, and we go on writing such files: so the
    // log is written anew, without markers.
    base::MutexLock lock(db->maintenance_mutex_);
    RETURN_IF_ERROR(db->CutLate(model::kTimestampMin));
  }
  if (db->options_.fsync == FsyncPolicy::kInterval) {
    db->syncer_ =
        std::jthread([raw = db.get()](std::stop_token stop) { raw->SyncEverySecond(stop); });
  }
  if (db->options_.maintenance_ms > 0) {
    db->maintainer_ =
        std::jthread([raw = db.get()](std::stop_token stop) { raw->MaintainRegularly(stop); });
  }
  return db;
}

Db::~Db() {
  maintainer_ = std::jthread();  // Stops and joins.
  syncer_ = std::jthread();
  if (!options_.read_only) FlushHeadChunks(true);
  base::MutexLock lock(commit_mutex_);
  if (wal_ == nullptr) return;
  for (wal::Writer* const log : {wal_.get(), wbl_.get()}) {
    if (log == nullptr) continue;
    if (const base::Status synced = log->Sync(); !synced) {
      log_.Error("tsdb", "the log could not be synced at close", {{"err", synced.error().message}});
      return;
    }
  }
  if (!options_.head_image) return;
  if (const base::Status saved = SaveImage(); !saved) {
    log_.Warn("tsdb", "no head image was written; the next start replays the log",
              {{"cause", saved.error().message}});
  }
}

std::string Db::WalDirectory() const { return base::JoinPath(options_.directory, "wal"); }

std::string Db::WblDirectory() const { return base::JoinPath(options_.directory, "wbl"); }

std::shared_ptr<const Db::Blocks> Db::blocks() const {
  base::MutexLock lock(blocks_mutex_);
  return blocks_;
}

base::Status Db::OpenBlocks() {
  if (!options_.read_only) {
    RETURN_IF_ERROR(RemoveTemporaryBlocks(env_.files, options_.directory));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> directories,
                   ListBlocks(env_.files, options_.directory));
  auto blocks = std::make_shared<Blocks>();
  for (const std::string& directory : directories) {
    base::Result<std::shared_ptr<Block>> block = Block::Open(env_.files, directory);
    if (!block) {
      // The others are no worse for it: start, say so, and leave it as it is.
      ++replay_.blocks_damaged;
      log_.Error("tsdb", "a block cannot be read and is left out of every answer",
                 {{"block", directory}, {"err", block.error().message}});
      continue;
    }
    for (const std::string& doubt : (*block)->doubts()) {
      log_.Warn("tsdb", "the parts of a block do not agree; it is read all the same",
                {{"block", directory}, {"why", doubt}});
    }
    blocks->push_back(*std::move(block));
  }
  DropReplaced(*blocks);
  std::ranges::sort(*blocks, {}, [](const auto& block) { return block->meta().min_time; });
  for (const auto& block : *blocks) {
    // A block of late samples says nothing about how far the head has been cut.
    if (!block->is_late()) head_.RaiseValidTime(block->meta().max_time);
  }
  base::MutexLock lock(blocks_mutex_);
  blocks_ = std::move(blocks);
  return {};
}

// A crash between writing a block and deleting what it replaces leaves both.
void Db::DropReplaced(Blocks& blocks) {
  std::set<Ulid> replaced;
  for (const auto& block : blocks) {
    const BlockMeta meta = block->meta();
    for (const BlockParent& parent : meta.compaction.parents) replaced.insert(parent.ulid);
    if (meta.compaction.deletable) replaced.insert(meta.ulid);
  }
  std::erase_if(blocks, [&](const auto& block) {
    if (!replaced.contains(block->meta().ulid)) return false;
    if (options_.read_only) return true;
    log_.Info("tsdb", "deleting a block that another has replaced",
              {{"block", block->directory()}});
    if (const base::Status deleted = DeleteBlock(env_.files, block->directory()); !deleted) {
      log_.Error("tsdb", "a replaced block could not be removed",
                 {{"block", block->directory()}, {"err", deleted.error().message}});
    }
    return true;
  });
}

void Db::FlushHeadChunks(bool all) {
  constexpr uint64_t kEnoughBytes = 1 << 20;
  const uint64_t pending = head_.chunk_files().pending_bytes();
  // A full disk stays so for a while: only Maintain tries it again.
  const bool worthwhile = pending > kEnoughBytes && !head_chunks_failing_;
  if (pending == 0 || (!all && !worthwhile)) return;
  const base::Status flushed = head_.chunk_files().Flush();
  if (!flushed) {
    ++head_chunk_failures_;
    if (!head_chunks_failing_.exchange(true)) {
      log_.Error("tsdb", "finished chunks stay in memory: writing them failed",
                 {{"err", flushed.error().message}});
    }
  } else {
    head_chunks_failing_ = false;
  }
}

base::Result<std::unique_ptr<storage::Querier>> Db::OpenQuerier(TimeRange range) {
  return std::make_unique<DbQuerier>(*this, range);
}

std::unique_ptr<storage::Appender> Db::OpenAppender() {
  return std::make_unique<DbAppender>(*this);
}

base::Status Db::DeleteSeries(const std::vector<Matcher>& matchers, TimeRange range) {
  if (options_.read_only) return ReadOnlyError();
  base::MutexLock maintenance(maintenance_mutex_);
  for (const auto& block : *blocks()) {
    const BlockMeta meta = block->meta();
    if (meta.min_time > range.max || meta.max_time <= range.min) continue;
    RETURN_IF_ERROR(block->AddTombstones(matchers, range));
  }
  base::MutexLock lock(commit_mutex_);
  const std::vector<Head::Deletion> deletions = head_.DeletionsFor(matchers, range);
  if (deletions.empty()) return {};
  wal::TombstonesRecord record;
  for (const Head::Deletion& deletion : deletions) {
    record.Add({head_.RefOf(deletion.slot), deletion.range});
  }
  // The record may name series that no record before it does.
  const std::vector<Slot> created = head_.TakeUnlogged();
  series_record_.Clear();
  for (const Slot slot : created) series_record_.Add(head_.RefOf(slot), head_.LabelsOf(slot));
  std::vector<std::string_view> records;
  if (!series_record_.empty()) records.push_back(series_record_.bytes());
  records.push_back(record.bytes());
  base::Status logged = wal_->Log(records);
  if (logged && options_.fsync == FsyncPolicy::kCommit) logged = wal_->Sync();
  if (!logged) {
    head_.PutBackUnlogged(created);
    return logged;
  }
  unsynced_ = true;
  head_.Delete(deletions);
  return {};
}

void Db::Count(Appended verdict) {
  switch (verdict) {
    case Appended::kOutOfOrder:
      ++out_of_order_;
      break;
    case Appended::kDuplicate:
      ++duplicate_;
      break;
    case Appended::kTooOld:
      ++too_old_;
      break;
    default:
      break;
  }
}

base::Status Db::Commit(Batch& batch, Head::LateBatch& late, uint64_t judged_at) {
  if (options_.read_only) return ReadOnlyError();
  RETURN_IF_ERROR(CommitLocked(batch, late, judged_at));
  FlushHeadChunks(false);
  return {};
}

base::Status Db::CommitLocked(Batch& batch, Head::LateBatch& late, uint64_t judged_at) {
  base::MutexLock lock(commit_mutex_);
  const std::vector<Slot> created = head_.TakeUnlogged();
  bool series_gone = false;
  if (judged_at != changes_) {
    const auto refused = [&](Appended verdict) {
      if (verdict != Appended::kYes) Count(verdict);
      series_gone |= verdict == Appended::kUnknownSeries;
      return verdict != Appended::kYes;
    };
    const auto number_refused = [&](const Head::Entry& entry) {
      Appended verdict = head_.Judge(entry.slot, entry.t, entry.v);
      if (!TakesLate(verdict, entry.t)) return refused(verdict);
      late.numbers.push_back(entry);
      return true;
    };
    const auto histogram_refused = [&](const Head::HistogramEntry& entry) {
      Appended verdict = head_.JudgeHistogram(entry.slot, entry.t, entry.value);
      if (!TakesLate(verdict, entry.t)) return refused(verdict);
      late.histograms.push_back(entry);
      return true;
    };
    for (const Head::Entry& entry : late.numbers) series_gone |= !head_.Knows(entry.slot);
    for (const Head::HistogramEntry& entry : late.histograms) {
      series_gone |= !head_.Knows(entry.slot);
    }
    std::erase_if(batch.numbers(), number_refused);
    for (Head::BatchPart& part : batch.more()) {
      std::erase_if(part.histograms, histogram_refused);
      std::erase_if(part.numbers, number_refused);
    }
  }
  if (series_gone) {
    // A truncation came between this batch's judgement and its commit. Nobody was told yet: whoever
    // sends it again finds the series anew.
    head_.PutBackUnlogged(created);
    return base::Fail(base::Code::kUnavailable, "a series was dropped meanwhile; send again");
  }

  series_record_.Clear();
  samples_record_.Clear();
  for (const Slot slot : created) series_record_.Add(head_.RefOf(slot), head_.LabelsOf(slot));
  for (const Head::Entry& entry : batch.numbers()) {
    samples_record_.Add({head_.RefOf(entry.slot), entry.t, entry.v});
  }
  std::vector<std::string_view> records;
  if (!series_record_.empty()) records.push_back(series_record_.bytes());
  // What belongs to a series that is gone meanwhile is gone with it.
  const auto gone = [this](const auto& entry) { return !head_.Knows(entry.slot); };
  std::erase_if(batch.metadata, gone);
  std::erase_if(batch.exemplars, gone);
  wal::MetadataRecord metadata_record;
  for (const auto& [slot, metadata] : batch.metadata) {
    metadata_record.Add({head_.RefOf(slot), metadata});
  }
  if (!metadata_record.empty()) records.push_back(metadata_record.bytes());
  if (!samples_record_.empty()) records.push_back(samples_record_.bytes());
  std::deque<std::string> more;
  for (const Head::BatchPart& part : batch.more()) {
    for (std::string& record : HistogramRecords(head_, part.histograms)) {
      more.push_back(std::move(record));
    }
    wal::SamplesRecord numbers;
    for (const Head::Entry& entry : part.numbers) {
      numbers.Add({head_.RefOf(entry.slot), entry.t, entry.v});
    }
    if (!numbers.empty()) more.emplace_back(numbers.bytes());
  }
  records.insert(records.end(), more.begin(), more.end());
  wal::ExemplarsRecord exemplars_record;
  for (const auto& [slot, series, exemplar] : batch.exemplars) {
    exemplars_record.Add({head_.RefOf(slot), *exemplar.timestamp, exemplar.value, exemplar.labels});
  }
  if (!exemplars_record.empty()) records.push_back(exemplars_record.bytes());
  if (records.empty() && late.empty()) return {};

  base::Status logged = records.empty() ? base::Status() : wal_->Log(records);
  // Behind the series that it may name. Where it fails, nothing of the batch may come back.
  if (logged && !late.empty()) {
    SortByForm(late.histograms);
    logged = LogLate(late);
    if (!logged && !records.empty()) std::ignore = wal_->Undo();
  }
  if (logged && options_.fsync == FsyncPolicy::kCommit) logged = SyncLogs();
  if (!logged) {
    ++commits_failed_;
    head_.PutBackUnlogged(created);
    return logged;
  }
  unsynced_ = true;
  NARTHEX_FAULT_POINT("head.after_log");
  ++changes_;
  head_.Publish(batch.numbers(), batch.more(), late);
  for (const auto& [slot, metadata] : batch.metadata) head_.SetMetadata(slot, metadata);
  for (const auto& [slot, series, exemplar] : batch.exemplars) exemplars_.Add(series, exemplar);
  NARTHEX_FAULT_POINT("head.after_publish");
  return {};
}

base::Status Db::SyncLogs() {
  base::Status first = wal_->Sync();
  base::Status second = wbl_ != nullptr ? wbl_->Sync() : base::Status();
  return !first ? std::move(first) : std::move(second);
}

void Db::SyncEverySecond(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) &&
         !stop.stop_requested()) {
    base::MutexLock commit(commit_mutex_);
    if (!unsynced_) continue;
    unsynced_ = false;
    for (wal::Writer* const log : {wal_.get(), wbl_.get()}) {
      if (log == nullptr) continue;
      if (const base::Status synced = log->Sync(); !synced) {
        log_.Error("tsdb", "syncing the log failed; writing goes on in a new segment",
                   {{"err", synced.error().message}});
      }
    }
  }
}

Db::Statistics Db::statistics() const {
  Statistics result = replay_;
  result.out_of_order = out_of_order_;
  result.duplicate = duplicate_;
  result.too_old = too_old_;
  result.commits_failed = commits_failed_;
  result.head_chunk_failures = head_chunk_failures_;
  result.head_chunks_healed = head_chunks_healed_;
  result.compactions = compactions_;
  result.compactions_failed = compactions_failed_;
  result.time_retentions = time_retentions_;
  result.size_retentions = size_retentions_;
  result.checkpoints = checkpoints_;
  result.checkpoints_failed = checkpoints_failed_;
  base::MutexLock lock(commit_mutex_);
  if (wal_ == nullptr) return result;
  result.wal_bytes_written = wal_->bytes_written();
  result.wal_segment = wal_->segment();
  return result;
}

}  // namespace narthex::tsdb

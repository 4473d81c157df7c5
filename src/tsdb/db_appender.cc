// How batches come in: judged sample by sample, logged, then made visible as a whole.

#include <bit>
#include <deque>

#include "base/fault_points.h"
#include "tsdb/db.h"
#include "wal/exemplar_records.h"

namespace narthex::tsdb {

using model::Labels;
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
    db_.Count(verdict, t, db_.numbers_refused_);
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

  bool keeps_metadata() const override { return db_.options_.metadata_records; }

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
    db_.Count(verdict, t, db_.histograms_refused_);
    return verdict;
  }

  Db& db_;
  const Epochs::Guard guard_;
  Batch batch_;
  Head::LateBatch late_;
  uint64_t judged_at_ = 0;
};

std::unique_ptr<storage::Appender> Db::OpenAppender() {
  return std::make_unique<DbAppender>(*this);
}

// As upstream: too old is what is before the late samples that are taken; where none are, whatever
// is half a chunk range older than the newest of all is out of bounds, before it is out of order.
void Db::Count(Appended verdict, Timestamp t, RefusedCounters& refused) {
  switch (verdict) {
    case Appended::kOutOfOrder:
      if (!head_.has_late_window() &&
          t < head_.statistics().max_time - options_.head.chunk_range_ms / 2) {
        ++refused.out_of_bound;
      } else {
        ++refused.out_of_order;
      }
      break;
    case Appended::kDuplicate:
      ++refused.duplicate;
      break;
    case Appended::kTooOld:
      ++(head_.has_late_window() ? refused.too_old : refused.out_of_bound);
      break;
    default:
      break;
  }
}

base::Status Db::Commit(Batch& batch, Head::LateBatch& late, uint64_t judged_at) {
  RETURN_IF_ERROR(CheckWritable());
  RETURN_IF_ERROR(CommitLocked(batch, late, judged_at));
  FlushHeadChunks(false);
  return {};
}

base::Status Db::CommitLocked(Batch& batch, Head::LateBatch& late, uint64_t judged_at) {
  base::MutexLock lock(commit_mutex_);
  const std::vector<Slot> created = head_.TakeUnlogged();
  bool series_gone = false;
  if (judged_at != changes_) {
    const auto refused = [&](Appended verdict, Timestamp t, RefusedCounters& counters) {
      if (verdict != Appended::kYes) Count(verdict, t, counters);
      series_gone |= verdict == Appended::kUnknownSeries;
      return verdict != Appended::kYes;
    };
    const auto number_refused = [&](const Head::Entry& entry) {
      Appended verdict = head_.Judge(entry.slot, entry.t, entry.v);
      if (!TakesLate(verdict, entry.t)) return refused(verdict, entry.t, numbers_refused_);
      late.numbers.push_back(entry);
      return true;
    };
    const auto histogram_refused = [&](const Head::HistogramEntry& entry) {
      Appended verdict = head_.JudgeHistogram(entry.slot, entry.t, entry.value);
      if (!TakesLate(verdict, entry.t)) return refused(verdict, entry.t, histograms_refused_);
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
  series_record_.Clear();
  const bool in_log = logged && !records.empty();
  bool in_late_log = false;
  // Behind the series that it may name.
  if (logged && !late.empty()) {
    SortByForm(late.histograms);
    logged = LogLate(late);
    in_late_log = logged.has_value();
  }
  if (logged && options_.fsync == FsyncPolicy::kCommit) logged = SyncLogs();
  if (!logged) {
    // Nothing of the batch may come back.
    if (in_log) TakeBack(*wal_);
    if (in_late_log) TakeBack(*wbl_);
    ++commits_failed_;
    head_.PutBackUnlogged(created);
    return logged;
  }
  unsynced_ = true;
  NARTHEX_FAULT_POINT("head.after_log");
  ++changes_;
  Head::LateBatch passed_over;
  head_.Publish(batch.numbers(), batch.more(), late, &passed_over);
  for (const auto& [slot, metadata] : batch.metadata) head_.SetMetadata(slot, metadata);
  for (const auto& [slot, series, exemplar] : batch.exemplars) exemplars_.Add(series, exemplar);
  NARTHEX_FAULT_POINT("head.after_publish");
  return passed_over.empty() ? base::Status() : TakePassedOver(passed_over);
}

// Samples that were good when they were appended, and stand behind newer ones of their series in
// the same batch. In the log they say nothing: whoever reads it passes them over as well.
base::Status Db::TakePassedOver(Head::LateBatch& samples) {
  const auto is_late = [&](Appended verdict, Timestamp t, RefusedCounters& counters) {
    if (TakesLate(verdict, t)) return true;
    Count(verdict, t, counters);
    return false;
  };
  std::erase_if(samples.numbers, [&](const Head::Entry& entry) {
    return !is_late(head_.Judge(entry.slot, entry.t, entry.v), entry.t, numbers_refused_);
  });
  std::erase_if(samples.histograms, [&](const Head::HistogramEntry& entry) {
    return !is_late(head_.JudgeHistogram(entry.slot, entry.t, entry.value), entry.t,
                    histograms_refused_);
  });
  if (samples.empty()) return {};
  SortByForm(samples.histograms);
  RETURN_IF_ERROR(LogLate(samples));
  if (options_.fsync == FsyncPolicy::kCommit) RETURN_IF_ERROR(wbl_->Sync());
  head_.Publish({}, {}, samples);
  return {};
}

void Db::TakeBack(wal::Writer& log) {
  // Where the cut fails, or the disk loses it at a power cut behind a failed sync, the batch may be
  // read again: nobody was told that it is not there, only that it could not be made sure of.
  if (log.Undo() && options_.fsync == FsyncPolicy::kCommit) std::ignore = log.Sync();
}

base::Status Db::SyncLogs() {
  base::Status first = wal_->Sync();
  base::Status second = wbl_ != nullptr ? wbl_->Sync() : base::Status();
  return !first ? std::move(first) : std::move(second);
}

}  // namespace narthex::tsdb

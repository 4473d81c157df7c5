#include "embed/database.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/env.h"
#include "base/log.h"
#include "model/number.h"
#include "promql/engine.h"
#include "tsdb/db.h"

namespace narthex {
namespace {

std::unexpected<DatabaseError> Translate(base::Error error) {
  using base::Code;
  ErrorCode code = ErrorCode::kInternal;
  switch (error.code) {
    case Code::kInvalidArgument:
      code = ErrorCode::kInvalid;
      break;
    case Code::kFailedPrecondition:
      code = ErrorCode::kInvalid;  // A query that its data does not allow.
      break;
    case Code::kResourceExhausted:
    case Code::kDeadlineExceeded:
      code = ErrorCode::kLimit;
      break;
    case Code::kDataLoss:
      code = ErrorCode::kDamaged;
      break;
    default:
      break;
  }
  return std::unexpected(DatabaseError{code, std::move(error.message)});
}

Answer::Type TypeOf(promql::ValueType type) {
  switch (type) {
    case promql::ValueType::kScalar:
      return Answer::Type::kScalar;
    case promql::ValueType::kVector:
      return Answer::Type::kVector;
    case promql::ValueType::kString:
      return Answer::Type::kString;
    default:
      return Answer::Type::kMatrix;
  }
}

Answer ToAnswer(promql::QueryResult result) {
  Answer answer;
  answer.type = TypeOf(result.type);
  answer.text = std::move(result.text);
  answer.warnings = std::move(result.warnings);
  answer.infos = std::move(result.infos);
  for (const promql::ResultRow& row : result.rows) {
    DatabaseSeries series;
    for (const model::LabelView label : row.labels) {
      series.labels.emplace_back(label.name, label.value);
    }
    for (size_t i = 0; i < row.samples.size(); ++i) {
      series.samples.push_back({row.samples.t[i], row.samples.v[i]});
    }
    answer.series.push_back(std::move(series));
  }
  return answer;
}

base::Result<model::Labels> ToLabels(const LabelList& list) {
  std::vector<model::Label> labels;
  labels.reserve(list.size());
  for (const auto& [name, value] : list) labels.push_back({name, value});
  return model::Labels::From(std::move(labels));
}

std::unexpected<DatabaseError> Refuse(std::string_view why, int64_t timestamp_ms) {
  return std::unexpected(
      DatabaseError{ErrorCode::kRefused, fmt::format("the sample at {} is {}", timestamp_ms, why)});
}

}  // namespace

struct Database::State {
  explicit State(const Options& options)
      : engine(
            {.timeout_ms = options.query_timeout.count(), .samples_max = options.query_samples_max},
            base::SystemClock()) {}

  base::Logger log{base::LogLevel::kError, base::LogFormat::kLogfmt};
  std::unique_ptr<tsdb::Db> db;
  promql::Engine engine;
};

struct Database::Batch::State {
  std::unique_ptr<storage::Appender> appender;
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Outcome<Database> Database::Open(std::string directory) {
  return Open(std::move(directory), Options());
}

Outcome<Database> Database::Open(std::string directory, Options options) {
  auto state = std::make_unique<State>(options);
  tsdb::Db::Options db_options;
  db_options.directory = std::move(directory);
  db_options.retention.time_ms = options.retention.count();
  db_options.retention.bytes = options.retention_bytes;
  db_options.fsync = options.sync == Sync::kNever         ? tsdb::FsyncPolicy::kNone
                     : options.sync == Sync::kEverySecond ? tsdb::FsyncPolicy::kInterval
                                                          : tsdb::FsyncPolicy::kCommit;
  auto db = tsdb::Db::Open(base::RealEnv(), state->log, std::move(db_options));
  if (!db) {
    if (db.error().code == base::Code::kFailedPrecondition) {
      return std::unexpected(DatabaseError{ErrorCode::kInUse, std::move(db.error().message)});
    }
    return Translate(std::move(db.error()));
  }
  state->db = *std::move(db);
  return Database(std::move(state));
}

Database::Batch::Batch(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Batch::Batch(Batch&&) noexcept = default;
Database::Batch::~Batch() = default;

Outcome<void> Database::Batch::Add(const LabelList& labels, int64_t timestamp_ms, double value) {
  base::Result<model::Labels> sorted = ToLabels(labels);
  if (!sorted) return Translate(std::move(sorted.error()));
  base::Result<storage::SeriesRef> series = state_->appender->Resolve(*sorted);
  if (!series) return Translate(std::move(series.error()));
  switch (state_->appender->Append(*series, timestamp_ms, value)) {
    case storage::Appended::kYes:
    case storage::Appended::kSameAgain:
      return {};
    case storage::Appended::kDuplicate:
      return Refuse("there already, with another value", timestamp_ms);
    case storage::Appended::kOutOfOrder:
      return Refuse("older than the newest of its series", timestamp_ms);
    case storage::Appended::kTooOld:
      return Refuse("older than what is kept in memory", timestamp_ms);
    case storage::Appended::kUnknownSeries:
    case storage::Appended::kInvalid:
    case storage::Appended::kNotKept:
      break;
  }
  return Refuse("of a series that was dropped meanwhile", timestamp_ms);
}

Outcome<void> Database::Batch::Commit() {
  if (base::Status status = state_->appender->Commit(); !status) {
    return Translate(std::move(status.error()));
  }
  return {};
}

Database::Batch Database::NewBatch() {
  auto state = std::make_unique<Batch::State>();
  state->appender = state_->db->OpenAppender();
  return Batch(std::move(state));
}

Outcome<void> Database::Append(const LabelList& labels, int64_t timestamp_ms, double value) {
  Batch batch = NewBatch();
  if (Outcome<void> added = batch.Add(labels, timestamp_ms, value); !added) return added;
  return batch.Commit();
}

Outcome<Answer> Database::Query(std::string_view promql, int64_t at_ms) const {
  base::Result<promql::QueryResult> result = state_->engine.Instant(*state_->db, promql, at_ms, {});
  if (!result) return Translate(std::move(result.error()));
  return ToAnswer(*std::move(result));
}

Outcome<Answer> Database::Query(std::string_view promql, int64_t begin_ms, int64_t end_ms,
                                int64_t step_ms) const {
  if (step_ms <= 0 || begin_ms > end_ms) {
    return std::unexpected(DatabaseError{ErrorCode::kInvalid,
                                         "a range needs a step above 0 and begins at its end "
                                         "or before"});
  }
  base::Result<promql::QueryResult> result = state_->engine.OverRange(
      *state_->db, promql, {.start = begin_ms, .end = end_ms, .step_ms = step_ms}, {});
  if (!result) return Translate(std::move(result.error()));
  return ToAnswer(*std::move(result));
}

Outcome<std::string> Database::Snapshot() {
  base::Result<std::string> name = state_->db->Snapshot(/*skip_head=*/false);
  if (!name) return Translate(std::move(name.error()));
  return *std::move(name);
}

std::string Answer::ToString() const {
  if (type == Type::kString) return text + "\n";
  std::string lines;
  for (const DatabaseSeries& one : series) {
    std::vector<model::LabelView> labels;
    for (const auto& [name, value] : one.labels) labels.push_back({name, value});
    lines += labels.empty() ? "{}" : model::Labels::FromSorted(labels).ToString();
    for (const DatabaseSample& sample : one.samples) {
      fmt::format_to(std::back_inserter(lines), " {} @{}", model::FormatFloat(sample.value),
                     model::FormatFloat(static_cast<double>(sample.timestamp_ms) / 1000));
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace narthex

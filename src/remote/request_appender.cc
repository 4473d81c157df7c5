#include "remote/request_appender.h"

#include <optional>
#include <utility>

namespace narthex::remote {

using base::Code;
using base::Fail;
using model::Labels;
using storage::Appended;
using storage::SeriesRef;

namespace {

constexpr size_t kTold = 10;  // Refusals of a request that its sender reads about.

// What a sender is told about a sample that cannot be stored. Texts as upstream's.
std::optional<std::string_view> Refusal(Appended verdict) {
  switch (verdict) {
    case Appended::kYes:
    case Appended::kSameAgain:
      return std::nullopt;
    case Appended::kDuplicate:
      return "duplicate sample for timestamp";
    case Appended::kOutOfOrder:
      return "out of order sample";
    case Appended::kTooOld:
      return "out of bounds";
    case Appended::kUnknownSeries:
      return "unknown series";
    case Appended::kInvalid:
      return "invalid histogram";
    case Appended::kNotKept:
      return "not kept here";
  }
  return "refused";
}

}  // namespace

base::Result<RequestAppender::Taken> RequestAppender::Run() {
  for (size_t at = 0; at < request_.series.size(); ++at) RETURN_IF_ERROR(TakeSeries(at));
  if (refused_ > kTold) taken_.refusals += fmt::format("\nand {} more", refused_ - kTold);
  return std::move(taken_);
}

void RequestAppender::Refuse(std::string_view message) {
  if (++refused_ > kTold) return;
  if (!taken_.refusals.empty()) taken_.refusals += '\n';
  taken_.refusals += message;
}

base::Result<bool> RequestAppender::Resolve(size_t at) {
  base::Result<Labels> labels = request_.LabelsOf(at);
  base::Error error;
  if (labels) {
    base::Result<SeriesRef> ref = appender_.Resolve(*labels);
    if (ref) {
      request_.identities[at].ref = *ref;
      identities_.Put(request_.identities[at].key, *ref);
      return true;
    }
    // Only labels can be at fault here that are not the storage's.
    if (!options_.in_part || ref.error().code != Code::kInvalidArgument) {
      return std::unexpected(std::move(ref).error());
    }
    error = std::move(ref).error();
  } else {
    error = std::move(labels).error();
  }
  ++taken_.invalid_series;
  if (options_.in_part) Refuse(error.message);
  return false;
}

// Appends with `append`, and once more where the storage has let go of a series that had nothing
// new for long: it begins again.
template <class Append>
base::Result<Appended> RequestAppender::Persist(size_t at, const Append& append) {
  const Appended verdict = append(request_.identities[at].ref);
  if (verdict != Appended::kUnknownSeries) return verdict;
  ASSIGN_OR_RETURN(const bool found, Resolve(at));
  if (!found) return Fail(Code::kInternal, "a series has lost its labels");
  return append(request_.identities[at].ref);
}

template <class Append>
base::Result<bool> RequestAppender::TakeSample(size_t at, model::Timestamp t,
                                               const Append& append) {
  Appended verdict = Appended::kTooOld;
  if (t <= options_.newest) {
    ASSIGN_OR_RETURN(verdict, Persist(at, append));
  }
  const auto refusal = Refusal(verdict);
  if (!refusal) return true;
  const base::Result<Labels> labels = request_.LabelsOf(at);
  std::string message =
      fmt::format("{}: series {}, timestamp {}", *refusal, labels ? labels->ToString() : "", t);
  if (!options_.in_part) return Fail(Code::kInvalidArgument, "{}", message);
  Refuse(message);
  return false;
}

base::Status RequestAppender::TakeExemplar(size_t at,
                                           const std::optional<model::Exemplar>& exemplar) {
  Appended verdict = Appended::kInvalid;
  if (exemplar && exemplar->timestamp <= options_.newest) {
    ASSIGN_OR_RETURN(verdict, Persist(at, [&](SeriesRef ref) {
                       return appender_.AppendExemplar(ref, *exemplar);
                     }));
  }
  if (verdict == Appended::kYes || verdict == Appended::kSameAgain) {
    // One that was there already was not stored a second time; the sender need not know.
    if (verdict == Appended::kYes || options_.in_part) ++taken_.exemplars;
    return {};
  }
  ++taken_.refused_exemplars;
  // A sample is worth more than its exemplar: no exemplar keeps the rest of a request from being
  // taken.
  if (options_.in_part && (!exemplar || verdict == Appended::kOutOfOrder)) {
    const base::Result<Labels> labels = request_.LabelsOf(at);
    Refuse(fmt::format("{} for series {}",
                       exemplar ? "out of order exemplar" : "an exemplar with invalid labels",
                       labels ? labels->ToString() : ""));
  }
  return {};
}

base::Status RequestAppender::TakeSeries(size_t at) {
  const WriteRequest::Series& series = request_.series[at];
  if (request_.identities[at].ref == 0) {
    ASSIGN_OR_RETURN(const bool found, Resolve(at));
    if (!found) {
      taken_.invalid_samples +=
          series.samples_end - sample_at_ + series.histograms_end - histogram_at_;
      sample_at_ = series.samples_end;
      histogram_at_ = series.histograms_end;
      exemplar_at_ = series.exemplars_end;
      return {};
    }
  }
  const uint64_t before = taken_.samples + taken_.histograms;
  for (; sample_at_ < series.samples_end; ++sample_at_) {
    const model::Sample& sample = request_.samples[sample_at_];
    ASSIGN_OR_RETURN(const bool is_taken, TakeSample(at, sample.t, [&](SeriesRef ref) {
                       return appender_.Append(ref, sample.t, sample.v);
                     }));
    taken_.samples += is_taken;
  }
  for (; histogram_at_ < series.histograms_end; ++histogram_at_) {
    const WrittenHistogram& sample = request_.histograms[histogram_at_];
    ASSIGN_OR_RETURN(const bool is_taken, TakeSample(at, sample.t, [&](SeriesRef ref) {
                       return std::visit(
                           [&](const auto& histogram) {
                             return appender_.AppendHistogram(ref, sample.t, histogram);
                           },
                           sample.histogram);
                     }));
    taken_.histograms += is_taken;
  }
  for (; exemplar_at_ < series.exemplars_end; ++exemplar_at_) {
    RETURN_IF_ERROR(TakeExemplar(at, request_.exemplars[exemplar_at_]));
  }
  if (!request_.HasMetadata(at)) {
    taken_.without_metadata += taken_.samples + taken_.histograms - before;
  } else if (appender_.keeps_metadata()) {
    appender_.SetMetadata(request_.identities[at].ref, request_.MetadataOf(at));
  }
  return {};
}

}  // namespace narthex::remote

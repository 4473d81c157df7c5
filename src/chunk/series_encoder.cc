#include "chunk/series_encoder.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::chunk {

using model::BucketSpan;
using model::FloatHistogram;
using model::IntegerHistogram;
using model::ResetHint;
using model::Timestamp;

namespace {

// Histogram chunks below it grow over their size limit. Source: Prometheus, tsdb/chunkenc.
constexpr uint16_t kHistogramSamplesMin = 10;

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// One side of a histogram as absolute counts at ascending indexes, empty buckets included.
template <class Count>
struct Bucket {
  int64_t index;
  Count count;
};
template <class Count>
using Buckets = std::vector<Bucket<Count>>;

Buckets<uint64_t> Spread(const std::vector<BucketSpan>& spans, const std::vector<int64_t>& deltas) {
  Buckets<uint64_t> buckets;
  int64_t index = 0;
  size_t next = 0;
  uint64_t count = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < deltas.size(); ++i) {
      count += static_cast<uint64_t>(deltas[next++]);
      buckets.push_back({index++, count});
    }
  }
  return buckets;
}

Buckets<double> Spread(const std::vector<BucketSpan>& spans, const std::vector<double>& counts) {
  Buckets<double> buckets;
  int64_t index = 0;
  size_t next = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i) {
      buckets.push_back({index++, counts[next++]});
    }
  }
  return buckets;
}

auto Positive(const IntegerHistogram& h) { return Spread(h.positive_spans, h.positive_deltas); }
auto Positive(const FloatHistogram& h) { return Spread(h.positive_spans, h.positive); }
auto Negative(const IntegerHistogram& h) { return Spread(h.negative_spans, h.negative_deltas); }
auto Negative(const FloatHistogram& h) { return Spread(h.negative_spans, h.negative); }

std::vector<int64_t>& PositiveOf(IntegerHistogram& h) { return h.positive_deltas; }
std::vector<double>& PositiveOf(FloatHistogram& h) { return h.positive; }
std::vector<int64_t>& NegativeOf(IntegerHistogram& h) { return h.negative_deltas; }
std::vector<double>& NegativeOf(FloatHistogram& h) { return h.negative; }

std::vector<BucketSpan> SpansOf(const std::vector<int64_t>& indexes) {
  std::vector<BucketSpan> spans;
  int64_t next = 0;
  for (const int64_t index : indexes) {
    if (spans.empty() || index != next) {
      spans.push_back({static_cast<int32_t>(index - next), 0});
    }
    ++spans.back().length;
    next = index + 1;
  }
  return spans;
}

template <class Count>
std::vector<int64_t> IndexesOf(const Buckets<Count>& buckets) {
  std::vector<int64_t> indexes;
  for (const auto& bucket : buckets) indexes.push_back(bucket.index);
  return indexes;
}

// Counts of one side at exactly these indexes, which include all that it has.
template <class Count>
std::vector<Count> Laid(const Buckets<Count>& buckets, const std::vector<int64_t>& indexes) {
  std::vector<Count> counts;
  size_t next = 0;
  for (const int64_t index : indexes) {
    const bool there = next < buckets.size() && buckets[next].index == index;
    counts.push_back(there ? buckets[next++].count : Count{});
  }
  return counts;
}

void Put(std::vector<double> counts, std::vector<double>& out) { out = std::move(counts); }
void Put(const std::vector<uint64_t>& counts, std::vector<int64_t>& out) {
  out.clear();
  uint64_t before = 0;
  for (const uint64_t count : counts) {
    out.push_back(static_cast<int64_t>(count - std::exchange(before, count)));
  }
}

// What all samples of a chunk share of one side.
struct SideLayout {
  std::vector<BucketSpan> spans;
  std::vector<int64_t> indexes;
};
struct Layout {
  SideLayout positive;
  SideLayout negative;
};

template <class Histogram>
void Relay(Histogram& h, const Layout& layout) {
  Put(Laid(Positive(h), layout.positive.indexes), PositiveOf(h));
  h.positive_spans = layout.positive.spans;
  Put(Laid(Negative(h), layout.negative.indexes), NegativeOf(h));
  h.negative_spans = layout.negative.spans;
}

// Both sides together; `spans` of the chunk stay where they have room for all.
template <class Count>
SideLayout Widened(const Buckets<Count>& in_chunk, const std::vector<BucketSpan>& spans,
                   const Buckets<Count>& now, bool& wider) {
  const std::vector<int64_t> old = IndexesOf(in_chunk);
  SideLayout side;
  std::ranges::set_union(old, IndexesOf(now), std::back_inserter(side.indexes));
  if (side.indexes == old) {
    side.spans = spans;
  } else {
    side.spans = SpansOf(side.indexes);
    wider = true;
  }
  return side;
}

// A bucket holds less than before.
template <class Count>
bool AnyFalls(const Buckets<Count>& before, const Buckets<Count>& now) {
  size_t next = 0;
  for (const auto& bucket : before) {
    while (next < now.size() && now[next].index < bucket.index) ++next;
    const bool there = next < now.size() && now[next].index == bucket.index;
    if ((there ? now[next].count : Count{}) < bucket.count) return true;
  }
  return false;
}

enum class Fit {
  kHere,   // Into the chunk, once the layouts are the same.
  kReset,  // A new chunk, because the counter was reset.
  kNew,    // A new chunk.
};

template <class Chunk, class Histogram>
Fit Judge(const Chunk& chunk, const Histogram& h) {
  const Histogram& last = chunk.last();
  const bool gauge = h.hint == ResetHint::kGauge;
  if (gauge != (chunk.header() == ResetHeader::kGauge)) return Fit::kNew;
  if (!gauge && h.hint == ResetHint::kReset) return Fit::kReset;
  if (model::IsStaleNan(h.sum)) return Fit::kHere;
  if (model::IsStaleNan(last.sum)) return Fit::kNew;
  if (!gauge && h.count < last.count) return Fit::kReset;
  if (h.schema != last.schema || h.zero_threshold != last.zero_threshold ||
      h.custom_bounds != last.custom_bounds) {
    return Fit::kNew;
  }
  if (gauge) return Fit::kHere;
  const bool falls = h.zero_count < last.zero_count || AnyFalls(Positive(last), Positive(h)) ||
                     AnyFalls(Negative(last), Negative(h));
  return falls ? Fit::kReset : Fit::kHere;
}

template <class Histogram>
bool SameBits(const Histogram& a, const Histogram& b) {
  const auto same = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  };
  if (!same(a.sum, b.sum)) return false;
  if (model::IsStaleNan(a.sum)) return true;
  const auto filled = [](auto buckets) {
    std::erase_if(buckets, [](const auto& bucket) { return bucket.count == 0; });
    return buckets;
  };
  const auto equal = [&filled](const auto& x, const auto& y) {
    return std::ranges::equal(filled(x), filled(y), [](const auto& p, const auto& q) {
      return p.index == q.index && p.count == q.count;
    });
  };
  return a.schema == b.schema && a.zero_threshold == b.zero_threshold &&
         a.zero_count == b.zero_count && a.count == b.count && a.custom_bounds == b.custom_bounds &&
         equal(Positive(a), Positive(b)) && equal(Negative(a), Negative(b));
}

template <class Histogram>
base::Status DecodeValues(std::string_view bytes, model::TimeRange range, StartTimes starts,
                          std::vector<TimedValue>& out) {
  std::vector<HistogramSample<Histogram>> samples;
  base::Status decoded = DecodeExactly(bytes, range, samples, starts);
  for (auto& sample : samples) {
    if (model::IsStaleNan(sample.histogram.sum)) continue;
    base::Status valid;
    if constexpr (std::is_same_v<Histogram, IntegerHistogram>) {
      valid = sample.histogram.ToFloat().Validate();
    } else {
      valid = sample.histogram.Validate();
    }
    if (!valid) {
      return base::Fail(base::Code::kDataLoss, "histogram chunk: {}", valid.error().message);
    }
  }
  for (auto& sample : samples) {
    out.push_back({sample.t, std::move(sample.histogram), sample.start});
  }
  return decoded;
}

auto Unread(Encoding encoding) {
  return base::Fail(base::Code::kUnimplemented, "chunks of encoding {} are not read",
                    static_cast<int>(encoding));
}

}  // namespace

base::Status Decode(Encoding encoding, std::string_view bytes, model::TimeRange range,
                    model::SampleColumns& out) {
  switch (encoding) {
    case Encoding::kXor:
      return DecodeXor(bytes, range, out);
    case Encoding::kHistogram:
      return DecodeHistograms(bytes, range, out);
    case Encoding::kFloatHistogram:
      return DecodeFloatHistograms(bytes, range, out);
    case Encoding::kXor2:
      return DecodeXor2(bytes, range, out);
    case Encoding::kHistogramStarts:
      return DecodeHistograms(bytes, range, out, StartTimes::kPresent);
    case Encoding::kFloatHistogramStarts:
      return DecodeFloatHistograms(bytes, range, out, StartTimes::kPresent);
    default:
      return Unread(encoding);
  }
}

base::Status Decode(Encoding encoding, std::string_view bytes, model::TimeRange range,
                    std::vector<TimedValue>& out) {
  switch (encoding) {
    case Encoding::kXor:
    case Encoding::kXor2: {
      model::SampleColumns samples;
      base::Status decoded = encoding == Encoding::kXor ? DecodeXor(bytes, range, samples)
                                                        : DecodeXor2(bytes, range, samples);
      for (size_t i = 0; i < samples.size(); ++i) {
        out.push_back({samples.t[i], samples.v[i], samples.Start(i)});
      }
      return decoded;
    }
    case Encoding::kHistogram:
      return DecodeValues<IntegerHistogram>(bytes, range, StartTimes::kNone, out);
    case Encoding::kFloatHistogram:
      return DecodeValues<FloatHistogram>(bytes, range, StartTimes::kNone, out);
    case Encoding::kHistogramStarts:
      return DecodeValues<IntegerHistogram>(bytes, range, StartTimes::kPresent, out);
    case Encoding::kFloatHistogramStarts:
      return DecodeValues<FloatHistogram>(bytes, range, StartTimes::kPresent, out);
    default:
      return Unread(encoding);
  }
}

uint16_t CountSamples(Encoding encoding, std::string_view bytes) {
  if (bytes.size() < 2) return 0;
  const auto count = base::LoadBigEndian<uint16_t>(bytes.data());
  const bool flagged = KeepsStarts(encoding) && IsHistogram(encoding);
  return static_cast<uint16_t>(flagged ? count & kCountMaxWithStarts : count);
}

bool SameValue(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (const double* const v = std::get_if<double>(&a)) {
    return std::bit_cast<uint64_t>(*v) == std::bit_cast<uint64_t>(std::get<double>(b));
  }
  if (const auto* const h = std::get_if<IntegerHistogram>(&a)) {
    return SameBits(*h, std::get<IntegerHistogram>(b));
  }
  return SameBits(std::get<FloatHistogram>(a), std::get<FloatHistogram>(b));
}

Encoding SeriesEncoder::encoding() const {
  if (const auto* const whole = std::get_if<HistogramChunk>(&open_)) {
    return whole->with_starts() ? Encoding::kHistogramStarts : Encoding::kHistogram;
  }
  if (const auto* const floats = std::get_if<FloatHistogramChunk>(&open_)) {
    return floats->with_starts() ? Encoding::kFloatHistogramStarts : Encoding::kFloatHistogram;
  }
  constexpr Encoding kOf[] = {Encoding::kNone, Encoding::kXor, Encoding::kXor2};
  return kOf[open_.index()];
}

uint16_t SeriesEncoder::count() const {
  return std::visit(
      [](const auto& open) -> uint16_t {
        if constexpr (std::is_same_v<std::decay_t<decltype(open)>, std::monostate>) {
          return 0;
        } else {
          return open.count();
        }
      },
      open_);
}

std::string_view SeriesEncoder::bytes() const {
  return std::visit(
      [](const auto& open) -> std::string_view {
        if constexpr (std::is_same_v<std::decay_t<decltype(open)>, std::monostate>) {
          return {};
        } else {
          return open.bytes();
        }
      },
      open_);
}

bool SeriesEncoder::EndsWith(const Value& value) const {
  const auto ends = [&value](const auto& open) {
    const double* const v = std::get_if<double>(&value);
    return v != nullptr &&
           std::bit_cast<uint64_t>(*v) == std::bit_cast<uint64_t>(open.last_value());
  };
  if (const auto* const open = std::get_if<XorChunk>(&open_)) return ends(*open);
  if (const auto* const open = std::get_if<Xor2Chunk>(&open_)) return ends(*open);
  if (const auto* const open = std::get_if<HistogramChunk>(&open_)) {
    const auto* const h = std::get_if<IntegerHistogram>(&value);
    return h != nullptr && SameBits(*h, open->last());
  }
  if (const auto* const open = std::get_if<FloatHistogramChunk>(&open_)) {
    const auto* const h = std::get_if<FloatHistogram>(&value);
    return h != nullptr && SameBits(*h, open->last());
  }
  return false;
}

void SeriesEncoder::Finish() {
  if (!has_open()) return;
  finished_.push_back({encoding(), open_min_, last_time_, count(), std::string(bytes())});
  open_ = std::monostate();
}

std::vector<FinishedChunk> SeriesEncoder::TakeFinished() { return std::exchange(finished_, {}); }

base::Result<bool> SeriesEncoder::Resume(const FinishedChunk& open) {
  std::vector<TimedValue> samples;
  RETURN_IF_ERROR(Decode(open.encoding, open.bytes, model::TimeRange(), samples));
  const auto later = [](const TimedValue& a, const TimedValue& b) { return a.t >= b.t; };
  if (samples.empty() || samples.front().t != open.min || samples.back().t != open.max ||
      std::ranges::adjacent_find(samples, later) != samples.end()) {
    return base::Fail(base::Code::kDataLoss, "an open chunk with other times than it should have");
  }
  resuming_ = true;
  for (const TimedValue& sample : samples) Append(sample.t, sample.value, sample.start);
  resuming_ = false;
  if (finished_.empty()) return true;
  finished_.clear();
  open_ = std::monostate();
  return false;
}

bool SeriesEncoder::Full(Timestamp t) const {
  if (resuming_) return false;
  if (limits_.range_ms > 0 &&
      FloorDivide(t, limits_.range_ms) != FloorDivide(open_min_, limits_.range_ms)) {
    return true;
  }
  if (!IsHistogram(encoding())) return count() >= limits_.samples;
  const uint16_t count_max = KeepsStarts(encoding()) ? kCountMaxWithStarts : XorChunk::kSamplesMax;
  return count() == count_max ||
         (bytes().size() >= limits_.histogram_bytes && count() >= kHistogramSamplesMin);
}

bool SeriesEncoder::Takes(Timestamp start) const { return start == 0 || KeepsStarts(encoding()); }

void SeriesEncoder::AppendNumber(Timestamp t, double v, Timestamp start) {
  const bool numbers = encoding() == Encoding::kXor || encoding() == Encoding::kXor2;
  if (!numbers || !Takes(start) || Full(t)) {
    Finish();
    if (start == 0) {
      open_ = XorChunk();
    } else {
      open_ = Xor2Chunk();
    }
    open_min_ = t;
  }
  if (auto* const plain = std::get_if<XorChunk>(&open_)) {
    plain->Append(t, v);
  } else {
    std::get<Xor2Chunk>(open_).Append(t, v, start);
  }
  last_time_ = t;
}

template <class Chunk, class Histogram>
void SeriesEncoder::AppendHistogram(Timestamp t, const Histogram& sample, Timestamp start) {
  Histogram h = sample;
  if (model::IsStaleNan(h.sum)) {
    h = Histogram();
    h.sum = model::StaleNan();
    const auto* const open = std::get_if<Chunk>(&open_);
    const bool in_gauge = open != nullptr && open->header() == ResetHeader::kGauge;
    h.hint = in_gauge ? ResetHint::kGauge : ResetHint::kUnknown;
  }
  const bool gauge = h.hint == ResetHint::kGauge;
  ResetHeader header = gauge                         ? ResetHeader::kGauge
                       : h.hint == ResetHint::kReset ? ResetHeader::kReset
                                                     : ResetHeader::kUnknown;
  if (auto* const open = std::get_if<Chunk>(&open_)) {
    const Fit fit = Judge(*open, h);
    const bool full = Full(t) || !Takes(start);
    if (fit == Fit::kHere && !full) {
      if (!model::IsStaleNan(h.sum)) {
        bool wider = false;
        const Histogram& last = open->last();
        const Layout layout{Widened(Positive(last), last.positive_spans, Positive(h), wider),
                            Widened(Negative(last), last.negative_spans, Negative(h), wider)};
        Relay(h, layout);
        if (wider) {
          std::vector<HistogramSample<Histogram>> samples;
          const bool with_starts = open->with_starts();
          CHECK(DecodeExactly(open->bytes(), {}, samples,
                              with_starts ? StartTimes::kPresent : StartTimes::kNone)
                    .has_value());
          Chunk anew(open->header(), with_starts);
          for (auto& before : samples) {
            Relay(before.histogram, layout);
            CHECK(anew.Append(before.t, before.histogram, before.start));
          }
          *open = std::move(anew);
        }
      }
      CHECK(open->Append(t, h, start));
      last_time_ = t;
      return;
    }
    if (fit == Fit::kReset) {
      header = ResetHeader::kReset;
    } else if (fit == Fit::kHere && !gauge) {
      header = ResetHeader::kNotReset;  // Full only.
    }
  }
  Finish();
  Chunk& chunk = open_.template emplace<Chunk>(header, start != 0);
  CHECK(chunk.Append(t, h, start));
  open_min_ = t;
  last_time_ = t;
}

void SeriesEncoder::Append(Timestamp t, const Value& value, Timestamp start) {
  if (const double* const v = std::get_if<double>(&value)) {
    if (model::IsStaleNan(*v) && std::holds_alternative<HistogramChunk>(open_)) {
      IntegerHistogram stale;
      stale.sum = *v;
      return AppendHistogram<HistogramChunk>(t, stale, start);
    }
    if (model::IsStaleNan(*v) && std::holds_alternative<FloatHistogramChunk>(open_)) {
      FloatHistogram stale;
      stale.sum = *v;
      return AppendHistogram<FloatHistogramChunk>(t, stale, start);
    }
    return AppendNumber(t, *v, start);
  }
  if (const auto* const h = std::get_if<IntegerHistogram>(&value)) {
    return AppendHistogram<HistogramChunk>(t, *h, start);
  }
  AppendHistogram<FloatHistogramChunk>(t, std::get<FloatHistogram>(value), start);
}

std::vector<FinishedChunk> Encode(const std::vector<TimedValue>& values, uint16_t samples) {
  SeriesEncoder encoder({.samples = samples});
  for (const auto& [t, value, start] : values) encoder.Append(t, value, start);
  encoder.Finish();
  return encoder.TakeFinished();
}

}  // namespace narthex::chunk

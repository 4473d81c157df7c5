#include "chunk/histogram_chunk.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "chunk/bit_stream.h"
#include "chunk/varbit.h"
#include "chunk/xor_code.h"

namespace narthex::chunk {
namespace {

void PutXor(BitString& out, XorState& state, double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  XorCode code;
  PutChanged(code, bits ^ std::exchange(state.bits, bits), state.leading, state.trailing);
  out.Put(code.prefix, code.prefix_bits);
  if (code.field_bits > 0) out.Put(code.field, code.field_bits);
}

// False when the code is impossible.
bool ReadXor(BitReader& reader, XorState& state) {
  if (!reader.ReadBit()) return true;
  if (reader.ReadBit()) {
    state.leading = static_cast<uint8_t>(reader.Read(5));
    const auto field = static_cast<unsigned>(reader.Read(6));
    const unsigned significant = field == 0 ? 64 : field;
    if (state.leading + significant > 64) return false;
    state.trailing = static_cast<uint8_t>(64 - state.leading - significant);
  } else if (state.leading == 0xff) {
    return false;
  }
  const unsigned significant = 64u - state.leading - state.trailing;
  uint64_t field = significant > 32 ? reader.Read(significant - 32) << 32 : 0;
  field |= reader.Read(std::min(significant, 32u));
  state.bits ^= field << state.trailing;
  return true;
}

constexpr double kBoundFactor = 1000;
constexpr double kBoundMax = 33554430;  // What fits into 25 bits, one more for the escape.

void PutBound(BitString& out, double bound) {
  const double scaled = bound * kBoundFactor;
  const bool fits =
      scaled >= 0 && scaled <= kBoundMax && std::round(scaled) / kBoundFactor == bound;
  if (fits) return PutVarbitUint(out, static_cast<uint64_t>(std::round(scaled)) + 1);
  out.Put(0, 1);
  out.Put(std::bit_cast<uint64_t>(bound), 64);
}

void PutZeroThreshold(BitString& out, double threshold) {
  if (threshold == 0) return out.Put(0, 8);
  int exponent = 0;
  const double fraction = std::frexp(threshold, &exponent);
  if (fraction == 0.5 && exponent >= -242 && exponent <= 11) {
    return out.Put(static_cast<uint64_t>(exponent + 243), 8);
  }
  out.Put(255, 8);
  out.Put(std::bit_cast<uint64_t>(threshold), 64);
}

void PutSpans(BitString& out, const std::vector<model::BucketSpan>& spans) {
  PutVarbitUint(out, spans.size());
  for (const model::BucketSpan& span : spans) {
    PutVarbitUint(out, span.length);
    PutVarbitInt(out, span.offset);
  }
}

// What all samples of a chunk share.
struct Layout {
  model::FloatHistogram shape;
  size_t positive = 0;
  size_t negative = 0;
};

// False for what cannot be: each span and each bucket takes a bit at least.
bool ReadSpans(BitReader& reader, size_t bits, std::vector<model::BucketSpan>& spans,
               size_t& buckets) {
  const uint64_t count = ReadVarbitUint(reader);
  if (count > bits) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t length = ReadVarbitUint(reader);
    const int64_t offset = ReadVarbitInt(reader);
    buckets += length;
    if (reader.overrun() || length > bits || buckets > bits) return false;
    spans.push_back({static_cast<int32_t>(offset), static_cast<uint32_t>(length)});
  }
  return true;
}

bool ReadLayout(BitReader& reader, size_t bits, Layout& layout) {
  model::FloatHistogram& h = layout.shape;
  const auto zero = static_cast<int>(reader.Read(8));
  if (zero == 255) {
    h.zero_threshold = std::bit_cast<double>(reader.Read64());
    if (!(h.zero_threshold >= 0) || std::isinf(h.zero_threshold)) return false;
  } else if (zero != 0) {
    h.zero_threshold = std::ldexp(0.5, zero - 243);
  }
  const int64_t schema = ReadVarbitInt(reader);
  const bool known =
      schema == model::kCustomBucketsSchema ||
      (schema >= model::kExponentialSchemaMin && schema <= model::kExponentialSchemaReadMax);
  if (!known) return false;
  h.schema = static_cast<int32_t>(schema);
  if (!ReadSpans(reader, bits, h.positive_spans, layout.positive)) return false;
  if (!ReadSpans(reader, bits, h.negative_spans, layout.negative)) return false;
  if (!h.custom()) return true;
  const uint64_t bounds = ReadVarbitUint(reader);
  if (bounds > bits) return false;
  for (uint64_t i = 0; i < bounds; ++i) {
    const uint64_t coded = ReadVarbitUint(reader);
    h.custom_bounds.push_back(coded == 0 ? std::bit_cast<double>(reader.Read64())
                                         : static_cast<double>(coded - 1) / kBoundFactor);
    if (reader.overrun()) return false;
  }
  return true;
}

// Counts of one sample in order: count, zero count, positive, negative buckets.
void Gather(const model::IntegerHistogram& h, std::vector<int64_t>& counts) {
  counts = {static_cast<int64_t>(h.count), static_cast<int64_t>(h.zero_count)};
  counts.insert(counts.end(), h.positive_deltas.begin(), h.positive_deltas.end());
  counts.insert(counts.end(), h.negative_deltas.begin(), h.negative_deltas.end());
}
void Gather(const model::FloatHistogram& h, std::vector<double>& counts) {
  counts = {h.count, h.zero_count};
  counts.insert(counts.end(), h.positive.begin(), h.positive.end());
  counts.insert(counts.end(), h.negative.begin(), h.negative.end());
}

int64_t Minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

// Reads the counts [begin, end) of sample `number`.
bool ReadCounts(BitReader& reader, unsigned number, size_t begin, size_t end,
                std::vector<int64_t>& counts, std::vector<int64_t>& deltas) {
  for (size_t i = begin; i < end; ++i) {
    if (number == 0) {
      counts[i] = i < 2 ? static_cast<int64_t>(ReadVarbitUint(reader)) : ReadVarbitInt(reader);
      continue;
    }
    const int64_t read = ReadVarbitInt(reader);
    deltas[i] = number == 1 ? read : Plus(deltas[i], read);
    counts[i] = Plus(counts[i], deltas[i]);
  }
  return true;
}
bool ReadCounts(BitReader& reader, unsigned number, size_t begin, size_t end,
                std::vector<double>& counts, std::vector<XorState>& states) {
  for (size_t i = begin; i < end; ++i) {
    if (number == 0) {
      states[i].bits = reader.Read64();
    } else if (!ReadXor(reader, states[i])) {
      return false;
    }
    counts[i] = std::bit_cast<double>(states[i].bits);
  }
  return true;
}

void Spread(const std::vector<int64_t>& counts, const Layout& layout, model::FloatHistogram& h) {
  h.count = static_cast<double>(static_cast<uint64_t>(counts[0]));
  h.zero_count = static_cast<double>(static_cast<uint64_t>(counts[1]));
  const auto side = [&](size_t begin, size_t size, std::vector<double>& buckets) {
    int64_t bucket = 0;
    for (size_t i = begin; i < begin + size; ++i) {
      bucket = Plus(bucket, counts[i]);
      buckets.push_back(static_cast<double>(bucket));
    }
  };
  side(2, layout.positive, h.positive);
  side(2 + layout.positive, layout.negative, h.negative);
}
void Spread(const std::vector<double>& counts, const Layout& layout, model::FloatHistogram& h) {
  h.count = counts[0];
  h.zero_count = counts[1];
  const auto middle = counts.begin() + 2 + static_cast<ptrdiff_t>(layout.positive);
  h.positive.assign(counts.begin() + 2, middle);
  h.negative.assign(middle, counts.end());
}

template <class Histogram>
void Reduce(Histogram& h) {
  if (h.schema > model::kExponentialSchemaMax) h.ReduceResolution(model::kExponentialSchemaMax);
}

// Calls `emit` with time, start time, number in the chunk, header, layout, counts (null of a stale
// marker) and sum of each sample in `range`.
template <class Count, class State, class Emit>
base::Status Walk(std::string_view bytes, StartTimes with_starts, model::TimeRange range,
                  const Emit& emit) {
  if (bytes.size() < 3) return base::Fail(base::Code::kDataLoss, "histogram chunk: no header");
  const bool has_starts = with_starts == StartTimes::kPresent;
  const auto counted = base::LoadBigEndian<uint16_t>(bytes.data());
  const auto count = static_cast<uint16_t>(has_starts ? counted & kCountMaxWithStarts : counted);
  const auto header =
      static_cast<ResetHeader>(static_cast<uint8_t>(bytes[has_starts ? 0 : 2]) >> 6);
  StartTimeReader starts(has_starts ? static_cast<uint8_t>(bytes[kStartHeaderOffset]) : uint8_t{0});
  if (count == 0) return {};
  const auto damaged = [count](unsigned number) {
    return base::Fail(base::Code::kDataLoss, "histogram chunk: damaged at sample {} of {}", number,
                      count);
  };
  BitReader reader(bytes);
  reader.Skip(24);
  Layout layout;
  if (!ReadLayout(reader, bytes.size() * 8, layout) || reader.overrun()) return damaged(0);
  const size_t width = 2 + layout.positive + layout.negative;
  std::vector<Count> counts(width);
  std::vector<State> states(width);
  XorState sum;
  int64_t t = 0;
  int64_t delta = 0;
  for (unsigned number = 0; number < count; ++number) {
    const int64_t before = t;
    if (number == 0) {
      t = ReadVarbitInt(reader);
    } else {
      delta = number == 1 ? static_cast<int64_t>(ReadVarbitUint(reader))
                          : Plus(delta, ReadVarbitInt(reader));
      t = Plus(t, delta);
    }
    bool fits = ReadCounts(reader, number, 0, 2, counts, states);
    if (number == 0) {
      sum.bits = reader.Read64();
    } else {
      fits = fits && ReadXor(reader, sum);
    }
    // A stale marker has no buckets.
    const bool stale = sum.bits == model::kStaleNanBits;
    if (!stale) fits = fits && ReadCounts(reader, number, 2, width, counts, states);
    starts.Read(reader, number, t, before);
    if (!fits || reader.overrun()) return damaged(number);
    if (t > range.max) break;
    if (t < range.min) continue;
    emit(t, starts.start(), number, header, layout, stale ? nullptr : &counts,
         std::bit_cast<double>(sum.bits));
  }
  return {};
}

template <class Count, class State>
base::Status Decode(std::string_view bytes, StartTimes starts, model::TimeRange range,
                    model::SampleColumns& out) {
  return Walk<Count, State>(
      bytes, starts, range,
      [&out](int64_t t, int64_t start, unsigned number, ResetHeader header, const Layout& layout,
             const std::vector<Count>* counts, double sum) {
        model::FloatHistogram h;
        if (counts != nullptr) {
          h = layout.shape;
          Spread(*counts, layout, h);
          Reduce(h);
        }
        h.sum = sum;
        if (header == ResetHeader::kGauge) {
          h.hint = model::ResetHint::kGauge;
        } else if (number > 0) {
          h.hint = model::ResetHint::kNotReset;
        }
        out.Add(t, std::make_shared<const model::FloatHistogram>(std::move(h)));
        out.SetLastStart(start);
      });
}

void SpreadExactly(const std::vector<double>& counts, const Layout& layout,
                   model::FloatHistogram& h) {
  h = layout.shape;
  Spread(counts, layout, h);
}
void SpreadExactly(const std::vector<int64_t>& counts, const Layout& layout,
                   model::IntegerHistogram& h) {
  h.schema = layout.shape.schema;
  h.zero_threshold = layout.shape.zero_threshold;
  h.positive_spans = layout.shape.positive_spans;
  h.negative_spans = layout.shape.negative_spans;
  h.custom_bounds = layout.shape.custom_bounds;
  h.count = static_cast<uint64_t>(counts[0]);
  h.zero_count = static_cast<uint64_t>(counts[1]);
  const auto middle = counts.begin() + 2 + static_cast<ptrdiff_t>(layout.positive);
  h.positive_deltas.assign(counts.begin() + 2, middle);
  h.negative_deltas.assign(middle, counts.end());
}

template <class Count, class State, class Histogram>
base::Status DecodeInto(std::string_view bytes, StartTimes starts, model::TimeRange range,
                        std::vector<HistogramSample<Histogram>>& out) {
  return Walk<Count, State>(
      bytes, starts, range,
      [&out](int64_t t, int64_t start, unsigned number, ResetHeader header, const Layout& layout,
             const std::vector<Count>* counts, double sum) {
        Histogram h;
        if (counts != nullptr) {
          SpreadExactly(*counts, layout, h);
          Reduce(h);
        }
        h.sum = sum;
        if (header == ResetHeader::kGauge) {
          h.hint = model::ResetHint::kGauge;
        } else if (number > 0) {
          h.hint = model::ResetHint::kNotReset;
        } else if (header == ResetHeader::kReset) {
          h.hint = model::ResetHint::kReset;
        }
        out.push_back({t, std::move(h), start});
      });
}

}  // namespace

template <class Histogram, class Bucket>
void BasicHistogramChunk<Histogram, Bucket>::PutLayout(const Histogram& h) {
  out_.Put(0, 16);
  out_.Put(with_starts_ ? 0 : static_cast<uint64_t>(header_) << 6, 8);
  PutZeroThreshold(out_, h.zero_threshold);
  PutVarbitInt(out_, h.schema);
  PutSpans(out_, h.positive_spans);
  PutSpans(out_, h.negative_spans);
  if (h.schema != model::kCustomBucketsSchema) return;
  PutVarbitUint(out_, h.custom_bounds.size());
  for (const double bound : h.custom_bounds) PutBound(out_, bound);
}

template <class Histogram, class Bucket>
bool BasicHistogramChunk<Histogram, Bucket>::Append(model::Timestamp t, const Histogram& h,
                                                    model::Timestamp start) {
  constexpr bool kFloat = std::is_same_v<Bucket, double>;
  const bool stale = model::IsStaleNan(h.sum);
  if (count_ == count_max()) return false;
  if (count_ > 0 && !stale) {
    const bool same =
        !model::IsStaleNan(last_.sum) && h.schema == last_.schema &&
        h.zero_threshold == last_.zero_threshold && h.positive_spans == last_.positive_spans &&
        h.negative_spans == last_.negative_spans && h.custom_bounds == last_.custom_bounds;
    if (!same) return false;
  }
  if (count_ == 0) PutLayout(stale ? Histogram{} : h);
  std::vector<Bucket> before;
  std::vector<Bucket> now;
  Gather(last_, before);
  Gather(h, now);
  if (stale) {
    now.resize(2);
    if constexpr (kFloat) {
      now = {0, 0};
    } else {
      // Writes no change, whatever came before.
      now = {before[0], before[1]};
      for (size_t i = 0; i < 2 && count_ > 1; ++i) now[i] = Plus(now[i], deltas_[i]);
      if (count_ == 0) now = {0, 0};
    }
  }
  if (count_ == 0) {
    deltas_.resize(now.size());
    xors_.resize(now.size());
    PutVarbitInt(out_, t);
  } else {
    const int64_t delta = Minus(t, last_time_);
    if (count_ == 1) {
      PutVarbitUint(out_, static_cast<uint64_t>(delta));
    } else {
      PutVarbitInt(out_, Minus(delta, time_delta_));
    }
    time_delta_ = delta;
  }
  for (size_t i = 0; i < now.size(); ++i) {
    if constexpr (kFloat) {
      if (count_ == 0) {
        xors_[i].bits = std::bit_cast<uint64_t>(now[i]);
        out_.Put(xors_[i].bits, 64);
      } else {
        PutXor(out_, xors_[i], now[i]);
      }
    } else if (count_ == 0) {
      if (i < 2) {
        PutVarbitUint(out_, static_cast<uint64_t>(now[i]));
      } else {
        PutVarbitInt(out_, now[i]);
      }
    } else {
      const int64_t delta = Minus(now[i], before[i]);
      PutVarbitInt(out_, count_ == 1 ? delta : Minus(delta, deltas_[i]));
      deltas_[i] = delta;
    }
    if (i != 1) continue;
    if (count_ == 0) {
      sum_.bits = std::bit_cast<uint64_t>(h.sum);
      out_.Put(sum_.bits, 64);
    } else {
      PutXor(out_, sum_, h.sum);
    }
  }
  if (with_starts_) starts_.Put(out_, count_, t, last_time_, start);
  last_ = h;
  last_time_ = t;
  ++count_;
  const auto began = static_cast<uint16_t>(with_starts_ ? static_cast<unsigned>(header_) << 14 : 0);
  base::StoreBigEndian(out_.bytes().data(), static_cast<uint16_t>(began | count_));
  return true;
}

template class BasicHistogramChunk<model::IntegerHistogram, int64_t>;
template class BasicHistogramChunk<model::FloatHistogram, double>;

base::Status DecodeHistograms(std::string_view bytes, model::TimeRange range,
                              model::SampleColumns& out, StartTimes starts) {
  return Decode<int64_t, int64_t>(bytes, starts, range, out);
}

base::Status DecodeFloatHistograms(std::string_view bytes, model::TimeRange range,
                                   model::SampleColumns& out, StartTimes starts) {
  return Decode<double, XorState>(bytes, starts, range, out);
}

base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::IntegerHistogram>>& out,
                           StartTimes starts) {
  return DecodeInto<int64_t, int64_t>(bytes, starts, range, out);
}

base::Status DecodeExactly(std::string_view bytes, model::TimeRange range,
                           std::vector<HistogramSample<model::FloatHistogram>>& out,
                           StartTimes starts) {
  return DecodeInto<double, XorState>(bytes, starts, range, out);
}

}  // namespace narthex::chunk

#include "promql/exec/selector.h"

#include <algorithm>

#include "promql/exec/parts.h"
#include "promql/exec/watch.h"
#include "promql/functions/histogram_window.h"
#include "promql/functions/wide.h"

namespace narthex::promql {
namespace {

using model::SampleColumns;

// What a storage keeps of a series for a query, by and large: the head copies labels and open
// chunk.
constexpr size_t kBytesPerSelectedSeries = 384;

HeldBytes HoldSelection(QueryContext& context, const storage::SeriesSet& series) {
  HeldBytes held(context.budget.memory());
  held.Set(series.size() * kBytesPerSelectedSeries);
  return held;
}

// Asked before series `i` is read: a disk can take its time for each of them.
bool HasEnded(Budget& budget, size_t i) {
  constexpr size_t kSeriesPerLook = 16;
  return i % kSeriesPerLook == 0 ? budget.Ended() : budget.KnownToHaveEnded();
}

// True when every series that matches has the same name.
bool PinsName(const VectorSelector& selector) {
  return std::ranges::any_of(selector.matchers, [](const model::Matcher& matcher) {
    return matcher.name() == model::kMetricName && matcher.type() == model::Matcher::Type::kEqual;
  });
}

// Time only moves forward, so that one pass over the samples serves all steps.
void SelectNewest(const SampleColumns& samples, const Windows& windows, InstantValue what,
                  Watch& watch, Row& row) {
  const size_t count = samples.size();
  size_t next = 0;
  for (size_t step = 0; step < windows.steps; ++step) {
    if (watch.Spend(1)) return;
    const model::Timestamp end = windows.End(step);
    while (next < count && samples.t[next] <= end) ++next;
    if (next == 0) continue;
    const model::Timestamp t = samples.t[next - 1];
    const double value = samples.v[next - 1];
    if (t <= end - windows.range || model::IsStaleNan(value)) continue;
    if (what == InstantValue::kTimestamp) {
      row.Set(step, static_cast<double>(t) / 1000);
    } else if (what == InstantValue::kStart) {
      row.Set(step, static_cast<double>(samples.Start(next - 1)) / 1000);
    } else if (samples.IsHistogram(next - 1)) {
      row.SetHistogram(step, samples.histograms[next - 1], windows.steps);
    } else {
      row.Set(step, value);
    }
  }
}

// The value at each step on the line between the samples around it; the newest one where none
// follows within the look-back.
void SelectSmoothed(const SampleColumns& samples, const Windows& windows, Annotations& annotations,
                    Position at, Watch& watch, Row& row) {
  const size_t count = samples.size();
  size_t next = 0;
  for (size_t step = 0; step < windows.steps; ++step) {
    if (watch.Spend(1)) return;
    const model::Timestamp end = windows.End(step);
    while (next < count && samples.t[next] <= end) ++next;
    if (next == 0) continue;
    const model::Timestamp t = samples.t[next - 1];
    const double value = samples.v[next - 1];
    if (t <= end - windows.range || model::IsStaleNan(value)) continue;
    const bool between = t < end && next < count && samples.t[next] <= end + windows.range &&
                         !model::IsStaleNan(samples.v[next]);
    if (!between) {
      if (samples.IsHistogram(next - 1)) {
        row.SetHistogram(step, samples.histograms[next - 1], windows.steps);
      } else {
        row.Set(step, value);
      }
      continue;
    }
    const auto share = static_cast<double>(end - t) / static_cast<double>(samples.t[next] - t);
    if (samples.IsHistogram(next - 1) || samples.IsHistogram(next)) {
      const std::string_view name = row.labels.Get(model::kMetricName);
      if (samples.IsHistogram(next - 1) != samples.IsHistogram(next)) {
        WarnOfMixedTypes(annotations, at, name);
        continue;
      }
      const model::FloatHistogram& before = *samples.histograms[next - 1];
      const model::FloatHistogram& after = *samples.histograms[next];
      if (before.custom() != after.custom()) {
        WarnOfMixedSchemas(annotations, at, name);
        continue;
      }
      const bool counter = after.hint != model::ResetHint::kGauge;
      row.SetHistogram(
          step,
          std::make_shared<const model::FloatHistogram>(Interpolate(before, after, share, counter)),
          windows.steps);
      continue;
    }
    row.Set(step, value + (samples.v[next] - value) * share);
  }
}

// Gives samples without a hint the one that a comparison with the sample before yields.
void DetectResets(SampleColumns& samples) {
  const model::FloatHistogram* before = nullptr;
  for (model::HistogramPtr& histogram : samples.histograms) {
    if (histogram == nullptr) continue;
    if (before != nullptr && histogram->hint == model::ResetHint::kUnknown) {
      model::FloatHistogram hinted = *histogram;
      hinted.hint =
          hinted.DetectReset(*before) ? model::ResetHint::kReset : model::ResetHint::kNotReset;
      histogram = std::make_shared<const model::FloatHistogram>(std::move(hinted));
    }
    before = histogram.get();
  }
}

class InstantSelector final : public VectorOperator, private PartSource {
 public:
  InstantSelector(QueryContext& context, std::unique_ptr<storage::SeriesSet> series,
                  Windows windows, InstantValue value, const VectorSelector& selector)
      : context_(context),
        series_(std::move(series)),
        held_(HoldSelection(context, *series_)),
        windows_(windows),
        value_(value),
        smoothed_(selector.smoothed),
        detect_resets_(selector.detect_resets),
        at_(selector.position),
        reader_(context, *this, windows.steps),
        part_(reader_.MakeOutput()) {
    span_ = windows.Span();
    if (smoothed_) span_.max += windows.range;
  }

  base::Result<bool> Next(Tile& tile) override {
    ASSIGN_OR_RETURN(const bool more, reader_.Next(part_));
    std::swap(tile, part_.tile);
    return more;
  }

 private:
  size_t series() const override { return series_->size(); }

  base::Status Fill(size_t begin, size_t end, PartOutput& out) const override {
    SampleColumns samples;
    Watch watch(context_.budget);
    size_t read = 0;
    for (size_t i = begin; i < end; ++i) {
      if (HasEnded(context_.budget, i)) return context_.budget.Check();
      RETURN_IF_ERROR(series_->Read(i, span_, samples));
      read += samples.size();
      if (samples.size() == 0 || watch.Spend(samples.size())) continue;
      if (detect_resets_) DetectResets(samples);
      Row& row = out.tile.Add(false);
      series_->ReadLabels(i, row.labels);
      if (smoothed_) {
        SelectSmoothed(samples, windows_, out.annotations, at_, watch, row);
      } else {
        SelectNewest(samples, windows_, value_, watch, row);
      }
      if (IsEmpty(row, out.tile.steps())) out.tile.RemoveLast();
    }
    context_.budget.Read(read);
    return {};
  }

  QueryContext& context_;
  const std::unique_ptr<storage::SeriesSet> series_;
  const HeldBytes held_;
  const Windows windows_;
  const InstantValue value_;
  const bool smoothed_;
  const bool detect_resets_;
  const Position at_;
  model::TimeRange span_;
  PartReader reader_;
  PartOutput part_;
};

// Most series have no stale marker, and looking for one at each sample takes longer than at all.
NARTHEX_WIDE bool AnyStale(const double* values, size_t count) {
  int64_t any = 0;  // As wide as what is compared.
  for (size_t i = 0; i < count; ++i) any |= model::IsStaleNan(values[i]) ? 1 : 0;
  return any != 0;
}

void DropStaleMarkers(SampleColumns& samples, Watch& watch) {
  bool any = false;
  watch.InStretches(0, samples.size(), [&](size_t from, size_t to) {
    any |= AnyStale(samples.v.data() + from, to - from);
  });
  if (!any) return;
  size_t kept = 0;
  for (size_t i = kept; i < samples.size(); ++i) {
    if (model::IsStaleNan(samples.v[i])) continue;
    samples.t[kept] = samples.t[i];
    samples.v[kept] = samples.v[i];
    if (samples.HasHistograms()) samples.histograms[kept] = std::move(samples.histograms[i]);
    if (samples.HasStarts()) samples.starts[kept] = samples.starts[i];
    ++kept;
  }
  samples.t.resize(kept);
  samples.v.resize(kept);
  if (samples.HasHistograms()) samples.histograms.resize(kept);
  if (samples.HasStarts()) samples.starts.resize(kept);
}

class RangeSelector final : public MatrixOperator {
 public:
  // `span`: what to read, which can be more than the windows.
  RangeSelector(QueryContext& context, std::unique_ptr<storage::SeriesSet> series,
                Windows selector_windows, model::TimeRange span, bool detect_resets)
      : context_(context),
        series_(std::move(series)),
        held_(HoldSelection(context, *series_)),
        span_(span),
        detect_resets_(detect_resets) {
    windows = selector_windows;
  }

  size_t readable() const override { return series_->size(); }

  base::Result<bool> Read(size_t i, RangeSeries& series) const override {
    if (HasEnded(context_.budget, i)) RETURN_IF_ERROR(context_.budget.Check());
    RETURN_IF_ERROR(series_->Read(i, span_, series.samples));
    Watch watch(context_.budget);
    DropStaleMarkers(series.samples, watch);
    if (!context_.use_start_timestamps) series.samples.starts.clear();
    if (detect_resets_) DetectResets(series.samples);
    const size_t count = series.samples.size();
    if (count == 0) return false;
    RETURN_IF_ERROR(context_.budget.ChargeBriefly(count, count * kBytesPerSample));
    series_->ReadLabels(i, series.labels);
    series.drop_name = false;
    return true;
  }

  base::Result<bool> Next(RangeSeries& series) override {
    while (next_ < series_->size()) {
      ASSIGN_OR_RETURN(const bool any, Read(next_++, series));
      if (!any) continue;
      context_.budget.Read(series.samples.size());
      return true;
    }
    return false;
  }

 private:
  QueryContext& context_;
  const std::unique_ptr<storage::SeriesSet> series_;
  const HeldBytes held_;
  const model::TimeRange span_;
  const bool detect_resets_;
  size_t next_ = 0;
};

}  // namespace

Windows WindowsOf(const Grid& grid, const std::optional<Duration>& offset, const AtModifier& at,
                  int64_t range_ms) {
  const int64_t offset_ms = offset ? offset->ms : 0;
  if (at) return {at.time - offset_ms, 0, grid.steps, range_ms};
  return {grid.start - offset_ms, grid.interval, grid.steps, range_ms};
}

base::Result<VectorOperatorPtr> MakeInstantSelector(QueryContext& context,
                                                    const VectorSelector& selector,
                                                    const Grid& grid, InstantValue value) {
  const Windows windows = WindowsOf(grid, selector.offset, selector.at, context.lookback_ms);
  const bool newest = windows.steps == 1 && !selector.smoothed && !selector.detect_resets;
  ASSIGN_OR_RETURN(auto series,
                   newest ? context.querier.SelectNewest(selector.matchers, windows.Span())
                          : context.querier.Select(selector.matchers));
  auto made =
      std::make_unique<InstantSelector>(context, std::move(series), windows, value, selector);
  made->one_name = PinsName(selector);
  return made;
}

base::Result<MatrixOperatorPtr> MakeRangeSelector(QueryContext& context,
                                                  const MatrixSelector& selector,
                                                  const Grid& grid) {
  ASSIGN_OR_RETURN(auto series, context.querier.Select(selector.vector->matchers));
  const Windows windows =
      WindowsOf(grid, selector.vector->offset, selector.vector->at, selector.range.ms);
  model::TimeRange span = windows.Span();
  if (selector.vector->anchored || selector.vector->smoothed) span.min -= context.lookback_ms;
  if (selector.vector->smoothed) span.max += context.lookback_ms;
  auto made = std::make_unique<RangeSelector>(context, std::move(series), windows, span,
                                              selector.vector->detect_resets);
  made->one_name = PinsName(*selector.vector);
  return made;
}

}  // namespace narthex::promql

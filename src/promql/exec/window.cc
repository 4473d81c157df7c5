#include "promql/exec/window.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "promql/exec/group_key.h"
#include "promql/exec/parts.h"
#include "promql/functions/histogram_window.h"

namespace narthex::promql {
namespace {

bool MayBeCounter(std::string_view name) {
  constexpr std::string_view kSuffixes[] = {"_total", "_sum", "_count", "_bucket"};
  return name.empty() || std::ranges::any_of(kSuffixes, [&](std::string_view suffix) {
           return name.ends_with(suffix);
         });
}

// Where a counter function is asked of what does not look like a counter.
void RemarkOnCounter(Annotations& annotations, Position at, const model::Labels& labels) {
  const std::string_view type = labels.Get("__type__");
  const std::string_view name = labels.Get(model::kMetricName);
  if (type == "counter" || type == "histogram") return;
  if (!type.empty()) {
    annotations.Inform(at,
                       "metric might not be a counter, __type__ label is not set to "
                       "\"counter\" or \"histogram\", got \"{}\": \"{}\"",
                       type, name);
  } else if (!MayBeCounter(name)) {
    annotations.Inform(at,
                       "metric might not be a counter, name does not end in "
                       "_total/_sum/_count/_bucket: \"{}\"",
                       name);
  }
}

// Where the series of its input can be read each for itself it works in parts.
class WindowOperator final : public VectorOperator, private PartSource {
 public:
  WindowOperator(QueryContext& context, MatrixOperatorPtr input, WindowFn fn, WindowCall call,
                 bool keep_name)
      : context_(context),
        input_(std::move(input)),
        fn_(fn),
        call_(std::move(call)),
        bounds_(call_.windows, Watch(context.budget)),
        drop_at_once_(!keep_name && !context.delayed_name_removal),
        drop_later_(!keep_name && context.delayed_name_removal) {
    one_name = input_->one_name;
    call_.bounds = &bounds_;
    if (input_->readable() == 0) return;
    reader_.emplace(context, static_cast<const PartSource&>(*this), call_.windows.steps);
    part_.emplace(reader_->MakeOutput());
  }

  void LeaveNames() override {
    if (one_name) drop_at_once_ = false;
  }

  base::Result<bool> Next(Tile& tile) override {
    tile.Clear();
    while (tile.empty()) {
      if (reader_) {
        ASSIGN_OR_RETURN(const bool more, reader_->Next(*part_));
        if (!more) return false;
        if (part_->first_series) NoteFirst(*part_->first_series);
        std::swap(tile, part_->tile);
      } else {
        ASSIGN_OR_RETURN(const bool more, FillFromNext(tile));
        if (!more && tile.empty()) return false;
      }
      RETURN_IF_ERROR(RefuseEqualLabels(tile));
    }
    return true;
  }

 private:
  size_t series() const override { return input_->readable(); }

  base::Status Fill(size_t begin, size_t end, PartOutput& out) const override {
    WindowCall call = call_;
    WindowBounds bounds(call.windows, Watch(context_.budget));
    call.bounds = &bounds;
    call.annotations = &out.annotations;
    RangeSeries series;
    size_t read = 0;
    for (size_t i = begin; i < end; ++i) {
      ASSIGN_OR_RETURN(const bool any, input_->Read(i, series));
      if (!any) continue;
      read += series.samples.size();
      if (bounds.watch().Spend(series.samples.size())) continue;
      if (call.check_counter && !out.first_series) out.first_series = series.labels;
      AddRow(call, series, out.tile);
    }
    context_.budget.Read(read);
    return {};
  }

  // Up to a full tile; false behind the last series.
  base::Result<bool> FillFromNext(Tile& tile) {
    while (!tile.full()) {
      ASSIGN_OR_RETURN(const bool more, input_->Next(series_));
      if (!more) return false;
      NoteFirst(series_.labels);
      AddRow(call_, series_, tile);
    }
    return true;
  }

  void AddRow(const WindowCall& call, RangeSeries& series, Tile& tile) const {
    if (series.samples.size() == 0) return;
    Row& row = tile.Add(drop_later_ || series.drop_name);
    // The series takes the memory of labels that are gone.
    std::swap(row.labels, series.labels);
    if (series.samples.HasHistograms()) [[unlikely]] {
      ApplyToMixed(call, fn_, series.samples, row);
    } else {
      fn_(call, series.samples, row);
    }
    if (IsEmpty(row, tile.steps())) {
      tile.RemoveLast();
    } else if (drop_at_once_) {
      row.labels = DropName(row.labels);
    }
  }

  void NoteFirst(const model::Labels& labels) {
    if (!call_.check_counter || first_noted_) return;
    first_noted_ = true;
    RemarkOnCounter(context_.annotations, call_.at, labels);
  }

  base::Status RefuseEqualLabels(const Tile& tile) {
    if (!drop_at_once_ || one_name) return {};
    for (const Row& row : tile) {
      if (seen_.insert(row.labels).second) continue;
      return base::Fail(base::Code::kFailedPrecondition,
                        "vector cannot contain metrics with the same labelset");
    }
    return {};
  }

  QueryContext& context_;
  const MatrixOperatorPtr input_;
  const WindowFn fn_;
  WindowCall call_;
  WindowBounds bounds_;  // For what is not read in parts.
  bool drop_at_once_;
  const bool drop_later_;
  bool first_noted_ = false;
  RangeSeries series_;
  std::unordered_set<model::Labels> seen_;
  std::optional<PartReader> reader_;  // Goes before what its parts are made of.
  std::optional<PartOutput> part_;
};

// A hint speaks of the sample before, which the steps of a subquery may have passed over.
model::HistogramPtr WithoutHint(const model::HistogramPtr& histogram) {
  if (histogram->hint == model::ResetHint::kGauge) return histogram;
  if (histogram->hint == model::ResetHint::kUnknown) return histogram;
  model::FloatHistogram plain = *histogram;
  plain.hint = model::ResetHint::kUnknown;
  return std::make_shared<const model::FloatHistogram>(std::move(plain));
}

class SubqueryOperator final : public MatrixOperator {
 public:
  SubqueryOperator(QueryContext& query_context, VectorOperatorPtr inner, Grid inner_grid,
                   Windows subquery_windows)
      : context_(query_context),
        inner_(std::move(inner)),
        grid_(inner_grid),
        tile_(inner_grid.steps, query_context.budget.memory()),
        held_(query_context.budget.memory()) {
    windows = subquery_windows;
    one_name = inner_->one_name;
  }

  base::Result<bool> Next(RangeSeries& series) override {
    RETURN_IF_ERROR(context_.budget.Check());
    context_.budget.Release(charged_);
    charged_ = 0;
    if (next_ == tile_.size()) {
      next_ = 0;
      ASSIGN_OR_RETURN(const bool more, inner_->Next(tile_));
      if (!more) return false;
    }
    Row& row = tile_[next_++];
    series.labels = std::move(row.labels);
    series.drop_name = row.drop_name;
    series.samples.clear();
    const size_t count = CountPresent(row, grid_.steps);
    series.samples.t.reserve(count);
    series.samples.v.reserve(count);
    Watch watch(context_.budget);
    ForEachPresent(row.present, grid_.steps, [&](size_t step) {
      if (watch.Spend(1)) return;
      if (row.IsHistogram(step)) {
        series.samples.Add(grid_.At(step), WithoutHint(row.histograms[step]));
      } else {
        series.samples.Add(grid_.At(step), row.values[step]);
      }
    });
    charged_ = series.samples.size();
    held_.Set(charged_ * kBytesPerSample);
    RETURN_IF_ERROR(context_.budget.Charge(charged_));
    return true;
  }

 private:
  QueryContext& context_;
  const VectorOperatorPtr inner_;
  const Grid grid_;
  Tile tile_;
  HeldBytes held_;
  size_t next_ = 0;
  size_t charged_ = 0;
};

}  // namespace

VectorOperatorPtr MakeWindowOperator(QueryContext& context, MatrixOperatorPtr input, WindowFn fn,
                                     WindowCall call, bool keep_name) {
  return std::make_unique<WindowOperator>(context, std::move(input), fn, std::move(call),
                                          keep_name);
}

MatrixOperatorPtr MakeSubquery(QueryContext& context, VectorOperatorPtr inner, Grid inner_grid,
                               Windows windows) {
  return std::make_unique<SubqueryOperator>(context, std::move(inner), inner_grid, windows);
}

}  // namespace narthex::promql

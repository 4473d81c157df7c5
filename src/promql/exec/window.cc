#include "promql/exec/window.h"

#include <unordered_set>

#include "promql/exec/group_key.h"
#include "promql/functions/histogram_window.h"

namespace narthex::promql {
namespace {

class WindowOperator final : public VectorOperator {
 public:
  WindowOperator(QueryContext& context, MatrixOperatorPtr input, WindowFn fn, WindowCall call,
                 bool keep_name)
      : input_(std::move(input)),
        fn_(fn),
        call_(std::move(call)),
        drop_at_once_(!keep_name && !context.delayed_name_removal),
        drop_later_(!keep_name && context.delayed_name_removal) {
    one_name = input_->one_name;
  }

  void LeaveNames() override {
    if (one_name) drop_at_once_ = false;
  }

  base::Result<bool> Next(Tile& tile) override {
    tile.Clear();
    while (!tile.full()) {
      ASSIGN_OR_RETURN(const bool more, input_->Next(series_));
      if (!more) break;
      Row& row = tile.Add(std::move(series_.labels), drop_later_ || series_.drop_name);
      if (series_.samples.HasHistograms()) [[unlikely]] {
        ApplyToMixed(call_, fn_, series_.samples, row);
      } else {
        fn_(call_, series_.samples, row);
      }
      if (IsEmpty(row, tile.steps())) {
        tile.RemoveLast();
        continue;
      }
      if (drop_at_once_) row.labels = DropName(row.labels);
      if (drop_at_once_ && !one_name && !seen_.insert(row.labels).second) {
        return base::Fail(base::Code::kFailedPrecondition,
                          "vector cannot contain metrics with the same labelset");
      }
    }
    return !tile.empty();
  }

 private:
  const MatrixOperatorPtr input_;
  const WindowFn fn_;
  const WindowCall call_;
  bool drop_at_once_;
  const bool drop_later_;
  RangeSeries series_;
  std::unordered_set<model::Labels> seen_;
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
    ForEachPresent(row.present, grid_.steps, [&](size_t step) {
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

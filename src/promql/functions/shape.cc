#include <cmath>
#include <limits>
#include <set>

#include "promql/exec/planner.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

// What the missing series would have for labels: those that equality matchers say, once each.
model::Labels LabelsOfAbsent(const Expr& arg) {
  const Expr& inner = Unwrap(arg);
  const VectorSelector* selector = nullptr;
  if (inner.kind == Expr::Kind::kVectorSelector) selector = &As<VectorSelector>(inner);
  if (inner.kind == Expr::Kind::kMatrixSelector) selector = As<MatrixSelector>(inner).vector.get();
  if (selector == nullptr) return {};
  model::LabelsBuilder builder;
  std::set<std::string_view> seen;
  for (const model::Matcher& matcher : selector->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    if (matcher.type() == model::Matcher::Type::kEqual && seen.insert(matcher.name()).second) {
      builder.Set(matcher.name(), matcher.value());
    } else {
      builder.Delete(matcher.name());
    }
  }
  return builder.Build();
}

VectorOperatorPtr OnesWhereAbsent(Planner& planner, const Expr& arg,
                                  const std::vector<bool>& present) {
  RowBuilder output(present.size(), planner.context().budget.memory());
  Row& row = output.Add(LabelsOfAbsent(arg), false);
  Watch watch(planner.context().budget);
  watch.InStretches(0, present.size(), [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) {
      if (!present[step]) row.Set(step, 1);
    }
  });
  auto made = MakeRowsOperator(output.Take(), planner.context().budget);
  made->one_name = true;
  return made;
}

}  // namespace

base::Result<VectorOperatorPtr> Absent(Planner& planner, const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, planner.Vector(*call.args[0], grid));
  std::vector<bool> present(grid.steps);
  Watch watch(planner.context().budget);
  Tile tile(grid.steps, planner.context().budget.memory());
  while (true) {
    ASSIGN_OR_RETURN(const bool more, input->Next(tile));
    if (!more) break;
    for (const Row& row : tile) {
      ForEachPresent(row.present, grid.steps, watch, [&](size_t step) { present[step] = true; });
    }
  }
  return OnesWhereAbsent(planner, *call.args[0], present);
}

base::Result<VectorOperatorPtr> AbsentOverTime(Planner& planner, const Call& call,
                                               const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, planner.Matrix(*call.args[0], grid));
  std::vector<bool> present(grid.steps);
  Watch watch(planner.context().budget);
  RangeSeries series;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, input->Next(series));
    if (!more) break;
    ForEachWindow(input->windows, series.samples.t, watch,
                  [&](size_t step, size_t, size_t) { present[step] = true; });
  }
  return OnesWhereAbsent(planner, *call.args[0], present);
}

base::Result<std::vector<double>> ScalarOf(Planner& planner, const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(auto input, planner.Vector(*call.args[0], grid));
  std::vector<double> values(grid.steps, std::numeric_limits<double>::quiet_NaN());
  std::vector<uint8_t> count(grid.steps);
  Watch watch(planner.context().budget);
  Tile tile(grid.steps, planner.context().budget.memory());
  while (true) {
    ASSIGN_OR_RETURN(const bool more, input->Next(tile));
    if (!more) break;
    for (const Row& row : tile) {
      ForEachPresent(row.present, grid.steps, watch, [&](size_t step) {
        if (row.IsHistogram(step)) return;
        if (count[step] < 2) ++count[step];
        values[step] =
            count[step] == 1 ? row.values[step] : std::numeric_limits<double>::quiet_NaN();
      });
    }
  }
  return values;
}

base::Result<VectorOperatorPtr> VectorOf(Planner& planner, const Call& call, const Grid& grid) {
  ASSIGN_OR_RETURN(const std::vector<double> values, planner.Scalar(*call.args[0], grid));
  RowBuilder output(grid.steps, planner.context().budget.memory());
  Row& row = output.Add({}, false);
  Watch watch(planner.context().budget);
  watch.InStretches(0, grid.steps, [&](size_t from, size_t to) {
    for (size_t step = from; step < to; ++step) row.Set(step, values[step]);
  });
  auto made = MakeRowsOperator(output.Take(), planner.context().budget);
  made->one_name = true;
  return made;
}

}  // namespace narthex::promql

#include "promql/functions/start_time.h"

#include "promql/exec/planner.h"
#include "promql/exec/selector.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {

using model::SampleColumns;
using model::Timestamp;

bool IsStartReset(const SampleColumns& samples, size_t i) {
  if (samples.starts.empty()) return false;
  const Timestamp start = samples.starts[i];
  const Timestamp before = samples.t[i - 1];
  if (start == 0 || start >= samples.t[i] || start < before) return false;
  if (start > before) return true;
  // A delta that goes on from the sample before, or a counter whose start is not known: then the
  // sample before has no sensible start either.
  const Timestamp start_before = samples.starts[i - 1];
  return start_before != 0 && start_before < before;
}

Timestamp StartInside(const SampleColumns& samples, size_t first, Timestamp range_start) {
  const Timestamp start = samples.Start(first);
  return start > range_start && start < samples.t[first] ? start : 0;
}

void WarnOfStartOverlaps(const SampleColumns& samples, size_t begin, size_t end,
                         Annotations& annotations, Position at, std::string_view name) {
  if (samples.starts.empty()) return;
  for (size_t i = begin + 1; i < end; ++i) {
    const Timestamp start = samples.starts[i];
    if (start == 0 || start >= samples.t[i - 1] || start == samples.starts[i - 1]) continue;
    annotations.Warn(at,
                     "sample has start time that overlaps with previous sample timestamp for "
                     "metric \"{}\"",
                     name);
    return;
  }
}

base::Result<VectorOperatorPtr> StartTimestampOf(Planner& planner, const Call& call,
                                                 const Grid& grid) {
  const Expr& arg = Unwrap(*call.args[0]);
  const bool known = planner.context().use_start_timestamps;
  if (!known || arg.kind != Expr::Kind::kVectorSelector) {
    // Values that were computed have no start. They are evaluated all the same, for their errors.
    RETURN_IF_ERROR(planner.ReadVector(arg, grid));
    return MakeRowsOperator({}, planner.context().budget);
  }
  ASSIGN_OR_RETURN(auto selector, MakeInstantSelector(planner.context(), As<VectorSelector>(arg),
                                                      grid, InstantValue::kStart));
  return planner.Elementwise(
      std::move(selector), [](const ScalarArgs&, StepRange, Row&) {}, {}, grid);
}

}  // namespace narthex::promql

#pragma once

#include <span>
#include <vector>

#include "promql/exec/operator.h"
#include "promql/exec/window_bounds.h"

namespace narthex::promql {

struct WindowCall;

// Writes the function's value of each window into a row; a step stays without value where the
// function has none. There is one sample at least; they lie in time order and cover all
// windows; all are taken for numbers. The row has the labels of the series already, its name
// included.
using WindowFn = void (*)(const WindowCall& call, const model::SampleColumns& samples, Row& row);

// What a function over ranges knows besides the samples of one series.
struct WindowCall {
  enum class Extension { kNone, kAnchored, kSmoothed };

  // Of the windows of a series with these times. One thread at a time.
  WindowBounds& BoundsOf(std::span<const model::Timestamp> times) const {
    bounds->MoveTo(times);
    return *bounds;
  }

  Windows windows;
  WindowBounds* bounds = nullptr;            // Of `windows`; each thread has its own.
  Grid grid;                                 // Evaluation times, one per window.
  std::vector<std::vector<double>> scalars;  // Scalar arguments in order, per step.
  int64_t lookback_ms = 0;                   // How far anchored and smoothed windows look.
  WindowFn base = nullptr;                   // As the function table has it.
  Extension extension = Extension::kNone;    // Which variant of it runs.
  Annotations* annotations = nullptr;
  Position at;                 // Of the range vector, for remarks about it.
  bool check_counter = false;  // Remarks on a series that does not look like a counter.
};

// Applies a function to each series of a range vector.
VectorOperatorPtr MakeWindowOperator(QueryContext& context, MatrixOperatorPtr input, WindowFn fn,
                                     WindowCall call, bool keep_name);

// The steps of `inner`, evaluated over `inner_grid`, as a range vector.
MatrixOperatorPtr MakeSubquery(QueryContext& context, VectorOperatorPtr inner, Grid inner_grid,
                               Windows windows);

}  // namespace narthex::promql

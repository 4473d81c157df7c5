#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "promql/exec/grid.h"
#include "promql/exec/operator.h"
#include "promql/exec/window.h"
#include "promql/functions/compensated.h"

namespace narthex::promql {

// The evaluators that rows of the function table name, declared by family and file.

class Planner;
struct Call;

using ScalarArgs = std::vector<std::vector<double>>;  // Per argument, per step.

// Changes the values of some steps of a row in place; may clear steps.
using ElementFn = void (*)(const ScalarArgs& args, StepRange steps, Row& row);
// Plans a call that needs more than one sample or one series at a time.
using VectorFn = base::Result<VectorOperatorPtr> (*)(Planner&, const Call&, const Grid&);
// One value per step.
using ScalarFn = base::Result<std::vector<double>> (*)(Planner&, const Call&, const Grid&);

// Sorts as upstream does, NaN first, and interpolates. NaN for no values or a NaN quantile,
// infinite for quantiles outside 0…1.
double Quantile(double q, std::vector<double>& values);

// rate.cc
void Rate(const WindowCall&, const model::SampleColumns&, Row&);
void Increase(const WindowCall&, const model::SampleColumns&, Row&);
void Delta(const WindowCall&, const model::SampleColumns&, Row&);
void Irate(const WindowCall&, const model::SampleColumns&, Row&);
void Idelta(const WindowCall&, const model::SampleColumns&, Row&);
void Changes(const WindowCall&, const model::SampleColumns&, Row&);
void Resets(const WindowCall&, const model::SampleColumns&, Row&);

// regression.cc
void Deriv(const WindowCall&, const model::SampleColumns&, Row&);
void PredictLinear(const WindowCall&, const model::SampleColumns&, Row&);
void DoubleExponentialSmoothing(const WindowCall&, const model::SampleColumns&, Row&);

// over_time.cc
void AvgOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void SumOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void MinOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void MaxOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void CountOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void PresentOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void FirstOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void LastOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void StddevOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void StdvarOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void QuantileOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void MadOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void TsOfFirstOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void TsOfLastOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void TsOfMinOverTime(const WindowCall&, const model::SampleColumns&, Row&);
void TsOfMaxOverTime(const WindowCall&, const model::SampleColumns&, Row&);

// math.cc
void Abs(const ScalarArgs&, StepRange, Row&);
void Acos(const ScalarArgs&, StepRange, Row&);
void Acosh(const ScalarArgs&, StepRange, Row&);
void Asin(const ScalarArgs&, StepRange, Row&);
void Asinh(const ScalarArgs&, StepRange, Row&);
void Atan(const ScalarArgs&, StepRange, Row&);
void Atanh(const ScalarArgs&, StepRange, Row&);
void Ceil(const ScalarArgs&, StepRange, Row&);
void Clamp(const ScalarArgs&, StepRange, Row&);
void ClampMax(const ScalarArgs&, StepRange, Row&);
void ClampMin(const ScalarArgs&, StepRange, Row&);
void Cos(const ScalarArgs&, StepRange, Row&);
void Cosh(const ScalarArgs&, StepRange, Row&);
void Deg(const ScalarArgs&, StepRange, Row&);
void Exp(const ScalarArgs&, StepRange, Row&);
void Floor(const ScalarArgs&, StepRange, Row&);
void Ln(const ScalarArgs&, StepRange, Row&);
void Log10(const ScalarArgs&, StepRange, Row&);
void Log2(const ScalarArgs&, StepRange, Row&);
void Rad(const ScalarArgs&, StepRange, Row&);
void Round(const ScalarArgs&, StepRange, Row&);
void Sgn(const ScalarArgs&, StepRange, Row&);
void Sin(const ScalarArgs&, StepRange, Row&);
void Sinh(const ScalarArgs&, StepRange, Row&);
void Sqrt(const ScalarArgs&, StepRange, Row&);
void Tan(const ScalarArgs&, StepRange, Row&);
void Tanh(const ScalarArgs&, StepRange, Row&);
base::Result<std::vector<double>> Pi(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> MaxOf(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> MinOf(Planner&, const Call&, const Grid&);

// date.cc
void DayOfMonth(const ScalarArgs&, StepRange, Row&);
void DayOfWeek(const ScalarArgs&, StepRange, Row&);
void DayOfYear(const ScalarArgs&, StepRange, Row&);
void DaysInMonth(const ScalarArgs&, StepRange, Row&);
void Hour(const ScalarArgs&, StepRange, Row&);
void Minute(const ScalarArgs&, StepRange, Row&);
void Month(const ScalarArgs&, StepRange, Row&);
void Year(const ScalarArgs&, StepRange, Row&);
base::Result<std::vector<double>> Time(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> QueryStart(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> QueryEnd(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> QueryRange(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> QueryStep(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> TimestampOf(Planner&, const Call&, const Grid&);

// start_time.cc
base::Result<VectorOperatorPtr> StartTimestampOf(Planner&, const Call&, const Grid&);

// labels.cc
base::Result<VectorOperatorPtr> LabelJoin(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> LabelReplace(Planner&, const Call&, const Grid&);

// shape.cc
base::Result<VectorOperatorPtr> Absent(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> AbsentOverTime(Planner&, const Call&, const Grid&);
base::Result<std::vector<double>> ScalarOf(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> VectorOf(Planner&, const Call&, const Grid&);

// sort.cc
base::Result<VectorOperatorPtr> Sort(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> SortDesc(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> SortByLabel(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> SortByLabelDesc(Planner&, const Call&, const Grid&);

// histogram.cc
base::Result<VectorOperatorPtr> HistogramFraction(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramQuantile(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramQuantiles(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramAvg(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramCount(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramStddev(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramStdvar(Planner&, const Call&, const Grid&);
base::Result<VectorOperatorPtr> HistogramSumOf(Planner&, const Call&, const Grid&);

// info.cc
base::Result<VectorOperatorPtr> InfoOf(Planner&, const Call&, const Grid&);

}  // namespace narthex::promql

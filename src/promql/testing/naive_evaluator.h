#pragma once

#include <map>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/parser/ast.h"

namespace narthex::promql {

// The slow, obvious twin of the engine: one step at a time, every node evaluated anew, nothing
// shared with exec/ and functions/. For numbers: no native histograms, no anchored or smoothed
// windows, no duration expressions, no info(). Results are equal to the last bit.

// Samples of every series in time order.
using NaiveWorld = std::map<model::Labels, std::vector<model::Sample>>;

struct NaiveElement {
  model::Labels labels;
  double value = 0;
};
using NaiveVector = std::vector<NaiveElement>;
using NaiveMatrix = std::vector<std::pair<model::Labels, std::vector<model::Sample>>>;

// The times of the whole query, for `@ start()` and its like.
struct NaiveTimes {
  model::Timestamp start = 0;
  model::Timestamp end = 0;
  int64_t step_ms = 0;
};

// Evaluates one query at one time after another. One thread at a time.
class NaiveEvaluator {
 public:
  struct Options {
    int64_t lookback_ms = 5 * 60 * 1000;
    int64_t subquery_step_ms = 60 * 1000;
  };
  NaiveEvaluator(const NaiveWorld& world, NaiveTimes times, Options options)
      : world_(world), times_(times), options_(options) {}

  // REQUIRES: an expression of that type. Errors: kFailedPrecondition where the data does not allow
  // it.
  base::Result<double> Scalar(const Expr& expr, model::Timestamp t) const;
  base::Result<NaiveVector> Vector(const Expr& expr, model::Timestamp t) const;
  base::Result<NaiveMatrix> Matrix(const Expr& expr, model::Timestamp t) const;

 private:
  model::Timestamp Moved(model::Timestamp t, const std::optional<Duration>& offset,
                         const AtModifier& at) const;
  NaiveVector Select(const VectorSelector& selector, model::Timestamp t, bool times) const;
  base::Result<NaiveVector> CallVector(const Call& call, model::Timestamp t) const;
  base::Result<NaiveVector> OverRange(const Call& call, model::Timestamp t) const;
  base::Result<NaiveVector> Elementwise(const Call& call, model::Timestamp t) const;
  base::Result<NaiveVector> Relabel(const Call& call, model::Timestamp t) const;
  base::Result<NaiveVector> AggregateVector(const Aggregate& node, model::Timestamp t) const;
  base::Result<NaiveVector> BinaryVector(const Binary& node, model::Timestamp t) const;

  const NaiveWorld& world_;
  const NaiveTimes times_;
  const Options options_;
};

// naive_functions.cc: what a function says of the samples of one window at time `t`; nullopt for
// nothing. `window` is (t - range, t] before offsets.
struct NaiveWindow {
  std::vector<model::Sample> samples;
  model::Timestamp start = 0;  // Open.
  model::Timestamp end = 0;
  model::Timestamp t = 0;  // Evaluation time.
  std::vector<double> scalars;
};
std::optional<double> NaiveOverRange(std::string_view function, const NaiveWindow& window);
// The value of a function of one number; `scalars` are its other arguments.
std::optional<double> NaiveOfNumber(std::string_view function, double value,
                                    const std::vector<double>& scalars);
NaiveVector NaiveHistogramQuantile(double q, const NaiveVector& buckets);
double NaiveQuantile(double q, std::vector<double> values);

// naive_binary.cc
double NaiveApply(BinaryOp op, double left, double right);
base::Result<NaiveVector> NaiveJoin(const Binary& node, const NaiveVector& left,
                                    const NaiveVector& right);
NaiveVector NaiveSetOp(const Binary& node, const NaiveVector& left, const NaiveVector& right);

// naive_aggregate.cc
NaiveVector NaiveAggregate(const Aggregate& node, double parameter, const std::string& label,
                           const NaiveVector& input);

// Labels without the name and what goes with it.
model::Labels NaiveDropName(const model::Labels& labels);
// Only those labels, or all but those.
model::Labels NaivePick(const model::Labels& labels, const std::vector<std::string>& names,
                        bool keep);
base::Status NaiveRefuseDuplicates(const NaiveVector& vector);

// Compensated addition, as every sum of the language has it.
struct NaiveSum {
  double sum = 0;
  double lost = 0;
  void Add(double x);
  double Total() const;
};
// Means of any length without overflow.
double NaiveMean(const std::vector<double>& values);

}  // namespace narthex::promql

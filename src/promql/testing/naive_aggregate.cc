#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "model/number.h"
#include "promql/testing/naive_evaluator.h"

namespace narthex::promql {
namespace {

double Variance(const std::vector<double>& values) {
  double mean = values[0];
  double squares = std::isfinite(mean) ? 0 : std::nan("");
  for (size_t i = 1; i < values.size(); ++i) {
    const double delta = values[i] - mean;
    mean += delta / static_cast<double>(i + 1);
    squares += delta * (values[i] - mean);
  }
  return squares / static_cast<double>(values.size());
}

double Extreme(const std::vector<double>& values, bool largest) {
  double found = values[0];
  for (const double value : values) {
    if (std::isnan(found) || (largest ? value > found : value < found)) found = value;
  }
  return found;
}

double Sum(const std::vector<double>& values) {
  NaiveSum sum{values[0], 0};
  for (size_t i = 1; i < values.size(); ++i) sum.Add(values[i]);
  return sum.Total();
}

double Reduce(const Aggregate& node, double parameter, const std::vector<double>& values) {
  switch (node.op) {
    case AggregateOp::kSum:
      return Sum(values);
    case AggregateOp::kAvg:
      return NaiveMean(values);
    case AggregateOp::kMin:
      return Extreme(values, false);
    case AggregateOp::kMax:
      return Extreme(values, true);
    case AggregateOp::kCount:
      return static_cast<double>(values.size());
    case AggregateOp::kGroup:
      return 1;
    case AggregateOp::kStddev:
      return std::sqrt(Variance(values));
    case AggregateOp::kStdvar:
      return Variance(values);
    default:
      return NaiveQuantile(parameter, values);
  }
}

// The k best. Which of equal ones stay is what upstream's heap makes of it: the worst lies at the
// front, and moves as Go's container/heap moves it.
NaiveVector Best(const NaiveVector& group, double k, bool largest) {
  NaiveVector heap;
  const auto worse = [&](size_t a, size_t b) {
    if (std::isnan(heap[a].value)) return true;
    return largest ? heap[a].value < heap[b].value : heap[a].value > heap[b].value;
  };
  const auto better = [&](double value) {
    const double front = heap[0].value;
    if (std::isnan(front)) return !std::isnan(value);
    return largest ? value > front : value < front;
  };
  for (const NaiveElement& element : group) {
    if (static_cast<double>(heap.size()) + 1 <= k) {
      heap.push_back(element);
      size_t at = heap.size() - 1;
      while (at > 0 && worse(at, (at - 1) / 2)) {
        std::swap(heap[at], heap[(at - 1) / 2]);
        at = (at - 1) / 2;
      }
    } else if (!heap.empty() && better(element.value)) {
      heap[0] = element;
      for (size_t at = 0; 2 * at + 1 < heap.size();) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap.size() && worse(child + 1, child)) ++child;
        if (!worse(child, at)) break;
        std::swap(heap[at], heap[child]);
        at = child;
      }
    }
  }
  return heap;
}

bool KeepsElements(AggregateOp op) {
  return op == AggregateOp::kTopk || op == AggregateOp::kBottomk || op == AggregateOp::kLimitk;
}

NaiveVector Keep(AggregateOp op, double k, const NaiveVector& group) {
  if (op != AggregateOp::kLimitk) return Best(group, k, op == AggregateOp::kTopk);
  NaiveVector first;
  for (const NaiveElement& element : group) {
    if (static_cast<double>(first.size()) + 1 <= k) first.push_back(element);
  }
  return first;
}

}  // namespace

NaiveVector NaiveAggregate(const Aggregate& node, double parameter, const std::string& label,
                           const NaiveVector& input) {
  std::map<model::Labels, NaiveVector> groups;
  for (const NaiveElement& element : input) {
    const model::Labels& labels = node.without ? NaiveDropName(element.labels) : element.labels;
    groups[NaivePick(labels, node.grouping, !node.without)].push_back(element);
  }
  NaiveVector results;
  if (KeepsElements(node.op)) {
    // In the order of the input.
    std::set<model::Labels> kept;
    for (const auto& [labels, group] : groups) {
      for (const NaiveElement& element : Keep(node.op, parameter, group)) {
        kept.insert(element.labels);
      }
    }
    std::ranges::copy_if(input, std::back_inserter(results), [&](const NaiveElement& element) {
      return kept.contains(element.labels);
    });
    return results;
  }
  for (const auto& [labels, group] : groups) {
    std::map<std::string, double> counts;
    std::vector<double> values;
    for (const NaiveElement& element : group) {
      values.push_back(element.value);
      std::string text;
      model::AppendFixedFloat(text, element.value);
      ++counts[text];
    }
    if (node.op != AggregateOp::kCountValues) {
      results.push_back({labels, Reduce(node, parameter, values)});
      continue;
    }
    for (const auto& [text, count] : counts) {
      model::LabelsBuilder builder(labels);
      builder.Set(label, text);
      results.push_back({builder.Build(), count});
    }
  }
  return results;
}

}  // namespace narthex::promql

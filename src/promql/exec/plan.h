#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "promql/exec/operator.h"

namespace narthex::promql {

// One operator of a query: what it is, what it is fed by and, once the query has run, what it did.
// Times and reads include what lies below.
struct PlanNode {
  std::string text;           // "sum by (job)", "rate", "m{job=\"a\"}[5m]"
  std::string notes;          // How it runs, where that is not obvious.
  uint64_t series = 0;        // Given on.
  uint64_t values = 0;        // Given on: one per series and step.
  uint64_t bytes = 0;         // Of those, and of their labels.
  uint64_t samples_read = 0;  // From storage.
  double seconds = 0;
  std::vector<std::unique_ptr<PlanNode>> inputs;
};

// The tree as indented lines, with what each operator did where `analyzed`.
std::string FormatPlan(const PlanNode& root, bool analyzed);

// Adds the time and the samples read while it lives to a node. One thread at a time.
class ScopedMeasure {
 public:
  ScopedMeasure(QueryContext& context, PlanNode& node);
  ~ScopedMeasure();
  ScopedMeasure(const ScopedMeasure&) = delete;
  ScopedMeasure& operator=(const ScopedMeasure&) = delete;

 private:
  QueryContext& context_;
  PlanNode& node_;
  const int64_t began_ns_;
  const uint64_t read_before_;
};

// Says of the operator that is being planned how it runs, where somebody asks.
void Note(QueryContext& context, std::string_view note);

// Measures what passes through `input`. `node` must outlive it.
VectorOperatorPtr MakeProbe(QueryContext& context, VectorOperatorPtr input, PlanNode& node);

}  // namespace narthex::promql

#include "promql/exec/plan.h"

#include <fmt/core.h>

namespace narthex::promql {
namespace {

class Probe final : public VectorOperator {
 public:
  Probe(QueryContext& context, VectorOperatorPtr input, PlanNode& node)
      : context_(context), input_(std::move(input)), node_(node) {
    one_name = input_->one_name;
  }

  void LeaveNames() override { input_->LeaveNames(); }

  base::Result<bool> Next(Tile& tile) override {
    const ScopedMeasure measure(context_, node_);
    ASSIGN_OR_RETURN(const bool more, input_->Next(tile));
    node_.series += tile.size();
    for (const Row& row : tile) {
      const size_t values = CountPresent(row, tile.steps());
      node_.values += values;
      node_.bytes += values * sizeof(double) + row.labels.bytes().size();
    }
    return more;
  }

 private:
  QueryContext& context_;
  const VectorOperatorPtr input_;
  PlanNode& node_;
};

void Append(std::string& out, const PlanNode& node, size_t level, bool analyzed) {
  std::string line = std::string(2 * level, ' ') + node.text;
  if (!node.notes.empty()) line += fmt::format(" [{}]", node.notes);
  if (analyzed) {
    line = fmt::format("{:<60} {:>8} {:>10} {:>10} {:>12} {:>10.3f}", line, node.series,
                       node.values, node.samples_read, node.bytes, node.seconds * 1000);
  }
  out += line + "\n";
  for (const auto& input : node.inputs) Append(out, *input, level + 1, analyzed);
}

}  // namespace

ScopedMeasure::ScopedMeasure(QueryContext& context, PlanNode& node)
    : context_(context),
      node_(node),
      began_ns_(context.clock->MonotonicNs()),
      read_before_(context.budget.samples_read()) {}

ScopedMeasure::~ScopedMeasure() {
  node_.seconds += static_cast<double>(context_.clock->MonotonicNs() - began_ns_) / 1e9;
  node_.samples_read += context_.budget.samples_read() - read_before_;
}

std::string FormatPlan(const PlanNode& root, bool analyzed) {
  std::string out;
  if (analyzed) {
    out = fmt::format("{:<60} {:>8} {:>10} {:>10} {:>12} {:>10}\n", "operator", "series", "values",
                      "read", "bytes", "ms");
  }
  Append(out, root, 0, analyzed);
  return out;
}

void Note(QueryContext& context, std::string_view note) {
  if (context.plan != nullptr) context.plan->notes = note;
}

VectorOperatorPtr MakeProbe(QueryContext& context, VectorOperatorPtr input, PlanNode& node) {
  return std::make_unique<Probe>(context, std::move(input), node);
}

}  // namespace narthex::promql

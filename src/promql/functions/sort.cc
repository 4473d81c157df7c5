#include <algorithm>
#include <charconv>
#include <cmath>

#include "promql/exec/planner.h"
#include "promql/functions/kernels.h"

namespace narthex::promql {
namespace {

enum class By { kValue, kLabels };

// Only an instant query has an order of its own; ranges come sorted by labels.
template <class Before>
base::Result<VectorOperatorPtr> SortRows(Planner& planner, const Call& call, const Grid& grid,
                                         By by, Before&& before) {
  if (!planner.context().instant) {
    planner.context().annotations.Warn(
        call.position,
        "sort is ineffective for range queries since results are always ordered by labels");
    return planner.Vector(*call.args[0], grid);
  }
  ASSIGN_OR_RETURN(auto input, planner.Vector(*call.args[0], grid));
  const bool one_name = input->one_name;
  ASSIGN_OR_RETURN(Rows rows, ReadAll(*input, grid.steps, planner.context().budget));
  if (by == By::kValue) {
    for (Row* row : rows.rows) row->DropHistograms();  // They have no order.
  }
  std::erase_if(rows.rows, [&](const Row* row) { return IsEmpty(*row, grid.steps); });
  std::ranges::stable_sort(rows.rows, [&](const Row* a, const Row* b) { return before(*a, *b); });
  auto made = MakeRowsOperator(std::move(rows), planner.context().budget);
  made->one_name = one_name;
  return made;
}

// NaN goes last either way.
bool Ascending(const Row& a, const Row& b) {
  return std::isnan(b.values[0]) ? !std::isnan(a.values[0]) : a.values[0] < b.values[0];
}
bool Descending(const Row& a, const Row& b) {
  return std::isnan(b.values[0]) ? !std::isnan(a.values[0]) : a.values[0] > b.values[0];
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The leading run of digits, or of anything else.
std::string_view TakeChunk(std::string_view& text) {
  size_t length = 1;
  while (length < text.size() && IsDigit(text[length]) == IsDigit(text[0])) ++length;
  const std::string_view chunk = text.substr(0, length);
  text.remove_prefix(length);
  return chunk;
}

// "web2" before "web10": runs of digits compare as numbers.
bool NaturallyLess(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view chunk_a = TakeChunk(a);
    const std::string_view chunk_b = TakeChunk(b);
    int64_t number_a = 0;
    int64_t number_b = 0;
    const auto parse = [](std::string_view chunk, int64_t& number) {
      return std::from_chars(chunk.data(), chunk.data() + chunk.size(), number).ec == std::errc();
    };
    if (parse(chunk_a, number_a) && parse(chunk_b, number_b)) {
      if (number_a != number_b) return number_a < number_b;
    } else if (chunk_a != chunk_b) {
      return chunk_a < chunk_b;
    }
  }
  return a.empty() && !b.empty();
}

base::Result<VectorOperatorPtr> SortByLabels(Planner& planner, const Call& call, const Grid& grid,
                                             bool descending) {
  std::vector<std::string_view> names;
  for (size_t i = 1; i < call.args.size(); ++i) names.push_back(Planner::Text(*call.args[i]));
  return SortRows(planner, call, grid, By::kLabels, [&](const Row& first, const Row& second) {
    const model::Labels& a = descending ? second.labels : first.labels;
    const model::Labels& b = descending ? first.labels : second.labels;
    for (const std::string_view name : names) {
      if (a.Get(name) != b.Get(name)) return NaturallyLess(a.Get(name), b.Get(name));
    }
    return a < b;
  });
}

}  // namespace

base::Result<VectorOperatorPtr> Sort(Planner& planner, const Call& call, const Grid& grid) {
  return SortRows(planner, call, grid, By::kValue, Ascending);
}

base::Result<VectorOperatorPtr> SortDesc(Planner& planner, const Call& call, const Grid& grid) {
  return SortRows(planner, call, grid, By::kValue, Descending);
}

base::Result<VectorOperatorPtr> SortByLabel(Planner& planner, const Call& call, const Grid& grid) {
  return SortByLabels(planner, call, grid, false);
}

base::Result<VectorOperatorPtr> SortByLabelDesc(Planner& planner, const Call& call,
                                                const Grid& grid) {
  return SortByLabels(planner, call, grid, true);
}

}  // namespace narthex::promql

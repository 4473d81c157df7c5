#include <algorithm>

#include "promql/exec/binary.h"
#include "promql/exec/group_key.h"

namespace narthex::promql {
namespace {

// Which steps have any row, per match group.
class Occupied {
 public:
  Occupied(GroupIds& groups, size_t steps) : groups_(groups), words_(PresenceWords(steps)) {}

  void Add(const Row& row) {
    std::vector<uint64_t>& bits = BitsOf(groups_.Of(row.labels));
    for (size_t word = 0; word < words_; ++word) bits[word] |= row.present[word];
  }
  // nullptr when the group has no row.
  const std::vector<uint64_t>* Find(const model::Labels& labels) {
    const size_t group = groups_.Find(labels);
    return group < bits_.size() ? &bits_[group] : nullptr;
  }

 private:
  std::vector<uint64_t>& BitsOf(size_t group) {
    if (group >= bits_.size()) bits_.resize(group + 1, std::vector<uint64_t>(words_));
    return bits_[group];
  }

  GroupIds& groups_;
  const size_t words_;
  std::vector<std::vector<uint64_t>> bits_;
};

// Keeps of each row the steps that other sides have (`keep_common`) or lack.
void Mask(std::vector<Row*>& rows, Occupied& other, size_t steps, bool keep_common) {
  const size_t words = PresenceWords(steps);
  for (Row* row : rows) {
    const std::vector<uint64_t>* bits = other.Find(row->labels);
    for (size_t word = 0; word < words; ++word) {
      const uint64_t common = bits == nullptr ? 0 : (*bits)[word];
      row->present[word] &= keep_common ? common : ~common;
    }
  }
  std::erase_if(rows, [&](const Row* row) { return IsEmpty(*row, steps); });
}

}  // namespace

base::Result<VectorOperatorPtr> MakeSetOp(Planner& planner, const Binary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(Rows left, planner.ReadVector(*node.left, grid));
  ASSIGN_OR_RETURN(Rows right, planner.ReadVector(*node.right, grid));
  GroupIds groups(MatchGroupOf(node.matching));
  const bool is_or = node.op == BinaryOp::kOr;
  Occupied occupied(groups, grid.steps);
  for (const Row* row : is_or ? left.rows : right.rows) occupied.Add(*row);
  if (!is_or) {
    Mask(left.rows, occupied, grid.steps, node.op == BinaryOp::kAnd);
    return MakeRowsOperator(std::move(left), planner.context().budget);
  }
  Mask(right.rows, occupied, grid.steps, false);
  left.rows.insert(left.rows.end(), right.rows.begin(), right.rows.end());
  std::ranges::move(right.tiles, std::back_inserter(left.tiles));
  ASSIGN_OR_RETURN(left, MergeEqualRows(std::move(left), grid.steps, planner.context().budget));
  return MakeRowsOperator(std::move(left), planner.context().budget);
}

}  // namespace narthex::promql

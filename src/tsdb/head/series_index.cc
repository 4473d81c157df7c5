#include "tsdb/head/series_index.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <set>

#include "base/bytes.h"
#include "base/check.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::LabelView;
using model::Matcher;

// Our own bytes: known to be well formed.
uint64_t TakeUvarint(const char*& at) {
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

// `a` reduced to what is also in `b`, both ascending. Gallops through the longer list.
void IntersectWith(std::vector<Slot>& a, std::span<const Slot> b) {
  auto out = a.begin();
  auto from = b.begin();
  for (const Slot slot : a) {
    for (ptrdiff_t step = 1; from != b.end() && *from < slot; step *= 2) {
      const auto probe = b.end() - from > step ? from + step : b.end();
      if (probe == b.end() || *probe >= slot) {
        from = std::lower_bound(from, probe, slot);
        break;
      }
      from = probe;
    }
    if (from == b.end()) break;
    if (*from == slot) *out++ = slot;
  }
  a.erase(out, a.end());
}

std::vector<Slot> Union(const std::vector<std::span<const Slot>>& lists) {
  if (lists.size() == 1) return {lists[0].begin(), lists[0].end()};
  std::vector<Slot> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::ranges::sort(all);
  // A series has one value per name, so that nothing repeats.
  return all;
}

}  // namespace

struct SeriesIndex::Postings {
  static uint64_t Key(SymbolId name, SymbolId value) { return uint64_t{name} << 32 | value; }

  boost::unordered_flat_map<uint64_t, std::vector<Slot>> series;
  boost::unordered_flat_map<SymbolId, std::vector<SymbolId>> values;

  std::span<const Slot> Of(SymbolId name, SymbolId value) const {
    const auto found = series.find(Key(name, value));
    return found == series.end() ? std::span<const Slot>() : std::span<const Slot>(found->second);
  }
};

struct SeriesIndex::Identity {
  struct Probe {
    const Labels& labels;
    uint64_t hash;
  };
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    const SeriesIndex* index;
    size_t operator()(Slot slot) const { return index->rows_[slot].hash; }
    size_t operator()(const Probe& probe) const { return probe.hash; }
  };
  struct Equal {
    using is_transparent = void;
    const SeriesIndex* index;
    bool operator()(Slot a, Slot b) const { return a == b; }
    bool operator()(const Probe& probe, Slot slot) const {
      return index->rows_[slot].hash == probe.hash && index->Equals(slot, probe.labels);
    }
    bool operator()(Slot slot, const Probe& probe) const { return (*this)(probe, slot); }
  };

  explicit Identity(const SeriesIndex* index) : slots(0, Hash{index}, Equal{index}) {}
  boost::unordered_flat_set<Slot, Hash, Equal> slots;
};

SeriesIndex::SeriesIndex()
    : postings_(std::make_unique<Postings>()), identity_(std::make_unique<Identity>(this)) {}
SeriesIndex::~SeriesIndex() = default;

template <class Visit>
void SeriesIndex::VisitLabels(Slot slot, Visit visit) const {
  const char* at = records_.data() + rows_[slot].record;
  for (const SymbolId name : schemas_[TakeUvarint(at)]) {
    if (!visit(name, static_cast<SymbolId>(TakeUvarint(at)))) return;
  }
}

std::optional<SymbolTable::Id> SeriesIndex::ValueOf(Slot slot, SymbolId name) const {
  std::optional<SymbolId> found;
  VisitLabels(slot, [&](SymbolId n, SymbolId value) {
    if (n == name) found = value;
    return n != name;
  });
  return found;
}

bool SeriesIndex::Equals(Slot slot, const Labels& labels) const {
  Labels::Iterator at = labels.begin();
  bool equal = true;
  VisitLabels(slot, [&](SymbolId name, SymbolId value) {
    equal = at != labels.end() && (*at).name == symbols_.Text(name) &&
            (*at).value == symbols_.Text(value);
    ++at;
    return equal;
  });
  return equal && at == labels.end();
}

std::optional<Slot> SeriesIndex::Find(const Labels& labels) const {
  const auto found = identity_->slots.find(Identity::Probe{labels, labels.hash()});
  if (found == identity_->slots.end()) return std::nullopt;
  return *found;
}

uint32_t SeriesIndex::SchemaOf(const std::vector<SymbolId>& names) {
  const auto [at, inserted] =
      schema_ids_.try_emplace(names, static_cast<uint32_t>(schemas_.size()));
  if (inserted) schemas_.push_back(names);
  return at->second;
}

Slot SeriesIndex::Add(const Labels& labels) {
  const Slot slot = rows_.Grow();
  std::vector<SymbolId> names;
  std::vector<SymbolId> values;
  for (const LabelView label : labels) {
    names.push_back(symbols_.Intern(label.name));
    values.push_back(symbols_.Intern(label.value));
  }
  rows_[slot] = {records_.size(), labels.hash()};
  ++size_;
  base::PutUvarint(records_, SchemaOf(names));
  for (const SymbolId value : values) base::PutUvarint(records_, value);
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<Slot>& list = postings_->series[Postings::Key(names[i], values[i])];
    if (list.empty()) postings_->values[names[i]].push_back(values[i]);
    list.push_back(slot);
  }
  identity_->slots.insert(slot);
  return slot;
}

size_t SeriesIndex::RecordBytes(Slot slot) const {
  const char* const begin = records_.data() + rows_[slot].record;
  const char* at = begin;
  for (size_t left = schemas_[TakeUvarint(at)].size(); left > 0; --left) TakeUvarint(at);
  return static_cast<size_t>(at - begin);
}

void SeriesIndex::Remove(std::span<const Slot> slots) {
  // Which lists lose something: each is rewritten once, however many of its series go.
  boost::unordered_flat_set<uint64_t> touched;
  for (const Slot slot : slots) {
    identity_->slots.erase(slot);
    VisitLabels(slot, [&](SymbolId name, SymbolId value) {
      touched.insert(Postings::Key(name, value));
      return true;
    });
    removed_record_bytes_ += RecordBytes(slot);
    rows_[slot].record = kRemoved;
    --size_;
  }
  for (const uint64_t key : touched) {
    const auto list = postings_->series.find(key);
    std::erase_if(list->second, [this](Slot slot) { return rows_[slot].record == kRemoved; });
    if (!list->second.empty()) continue;
    postings_->series.erase(list);
    const auto values = postings_->values.find(static_cast<SymbolId>(key >> 32));
    std::erase(values->second, static_cast<SymbolId>(key));
    if (values->second.empty()) postings_->values.erase(values);
  }
  if (removed_record_bytes_ > records_.size() / 2) CompactRecords();
  constexpr uint32_t kBlock = decltype(rows_)::kPerBlock;
  while (first_row_ + kBlock <= rows_.size()) {
    for (Slot slot = first_row_; slot < first_row_ + kBlock; ++slot) {
      if (rows_[slot].record != kRemoved) return;
    }
    rows_.TakeBlock(first_row_);
    first_row_ += kBlock;
  }
}

void SeriesIndex::CompactRecords() {
  std::string compact;
  compact.reserve(records_.size() - removed_record_bytes_);
  for (Slot slot = first_row_; slot < rows_.size(); ++slot) {
    if (rows_[slot].record == kRemoved) continue;
    const uint64_t offset = compact.size();
    compact.append(records_, rows_[slot].record, RecordBytes(slot));
    rows_[slot].record = offset;
  }
  records_ = std::move(compact);
  removed_record_bytes_ = 0;
}

Labels SeriesIndex::LabelsOf(Slot slot) const {
  std::vector<LabelView> labels;
  VisitLabels(slot, [&](SymbolId name, SymbolId value) {
    labels.push_back({symbols_.Text(name), symbols_.Text(value)});
    return true;
  });
  return Labels::FromSorted(labels);
}

std::vector<Slot> SeriesIndex::Select(std::span<const Matcher> matchers) const {
  // What each matcher accepts: the postings of its values, for those that an absent label fails.
  struct Condition {
    const Matcher* matcher;
    std::optional<SymbolId> name;
    std::vector<std::span<const Slot>> lists;
    size_t series = 0;
  };
  std::vector<Condition> narrowing;  // Can name their series.
  std::vector<Condition> filtering;  // Can only judge a series.
  for (const Matcher& matcher : matchers) {
    Condition condition{&matcher, symbols_.Find(matcher.name()), {}, 0};
    if (matcher.MatchesEmpty()) {
      if (condition.name) filtering.push_back(std::move(condition));  // Else it accepts everything.
      continue;
    }
    if (!condition.name) return {};
    const auto add = [&](SymbolId value) {
      if (const auto list = postings_->Of(*condition.name, value); !list.empty()) {
        condition.lists.push_back(list);
        condition.series += list.size();
      }
    };
    const bool literal =
        matcher.type() == Matcher::Type::kRegex && !matcher.regex()->literals().empty();
    if (matcher.type() == Matcher::Type::kEqual) {
      if (const auto value = symbols_.Find(matcher.value())) add(*value);
    } else if (literal) {
      for (const std::string& text : matcher.regex()->literals()) {
        if (const auto value = symbols_.Find(text)) add(*value);
      }
    } else if (const auto found = postings_->values.find(*condition.name);
               found != postings_->values.end()) {
      for (const SymbolId value : found->second) {
        if (matcher.Matches(symbols_.Text(value))) add(value);
      }
    }
    if (condition.lists.empty()) return {};
    narrowing.push_back(std::move(condition));
  }
  std::ranges::sort(narrowing, {}, &Condition::series);

  std::vector<Slot> slots;
  if (narrowing.empty()) {
    slots.reserve(size());
    for (Slot slot = first_row_; slot < rows_.size(); ++slot) {
      if (rows_[slot].record != kRemoved) slots.push_back(slot);
    }
  } else {
    slots = Union(narrowing[0].lists);
    for (size_t i = 1; i < narrowing.size() && !slots.empty(); ++i) {
      // Judging few series one by one beats merging the postings of many values.
      if (narrowing[i].lists.size() == 1) {
        IntersectWith(slots, narrowing[i].lists[0]);
      } else if (narrowing[i].series / 8 > slots.size()) {
        filtering.push_back(std::move(narrowing[i]));
      } else {
        IntersectWith(slots, Union(narrowing[i].lists));
      }
    }
  }
  for (const Condition& condition : filtering) {
    boost::unordered_flat_map<SymbolId, bool> verdicts;
    std::erase_if(slots, [&](Slot slot) {
      const std::optional<SymbolId> value = ValueOf(slot, *condition.name);
      if (!value) return !condition.matcher->MatchesEmpty();
      const auto [at, is_new] = verdicts.try_emplace(*value, false);
      if (is_new) at->second = condition.matcher->Matches(symbols_.Text(*value));
      return !at->second;
    });
  }
  return slots;
}

void SeriesIndex::SortByLabels(std::vector<Slot>& slots) const {
  // Numbers decoded once, in rows of (name, value): equal numbers are equal texts, and only the
  // first difference has to look at them.
  std::vector<SymbolId> numbers;
  struct Decoded {
    Slot slot;
    uint32_t labels;
    size_t begin;
  };
  std::vector<Decoded> decoded;
  decoded.reserve(slots.size());
  for (const Slot slot : slots) {
    const size_t begin = numbers.size();
    VisitLabels(slot, [&](SymbolId name, SymbolId value) {
      numbers.push_back(name);
      numbers.push_back(value);
      return true;
    });
    decoded.push_back({slot, static_cast<uint32_t>((numbers.size() - begin) / 2), begin});
  }
  std::ranges::sort(decoded, [&](const Decoded& a, const Decoded& b) {
    const uint32_t words = 2 * std::min(a.labels, b.labels);
    for (uint32_t i = 0; i < words; ++i) {
      const SymbolId x = numbers[a.begin + i];
      const SymbolId y = numbers[b.begin + i];
      if (x != y) return symbols_.Text(x) < symbols_.Text(y);
    }
    return a.labels < b.labels;
  });
  for (size_t i = 0; i < decoded.size(); ++i) slots[i] = decoded[i].slot;
}

std::vector<std::string> SeriesIndex::LabelNames(const std::vector<Slot>* slots) const {
  std::set<SymbolId> ids;
  if (slots == nullptr) {
    for (const auto& [name, values] : postings_->values) ids.insert(name);
  } else {
    for (const Slot slot : *slots) {
      VisitLabels(slot, [&](SymbolId name, SymbolId) {
        ids.insert(name);
        return true;
      });
    }
  }
  std::vector<std::string> names;
  for (const SymbolId id : ids) names.emplace_back(symbols_.Text(id));
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> SeriesIndex::LabelValues(std::string_view name,
                                                  const std::vector<Slot>* slots) const {
  const std::optional<SymbolId> name_id = symbols_.Find(name);
  if (!name_id) return {};
  std::set<SymbolId> ids;
  if (slots == nullptr) {
    if (const auto found = postings_->values.find(*name_id); found != postings_->values.end()) {
      ids.insert(found->second.begin(), found->second.end());
    }
  } else {
    for (const Slot slot : *slots) {
      if (const auto value = ValueOf(slot, *name_id)) ids.insert(*value);
    }
  }
  std::vector<std::string> values;
  for (const SymbolId id : ids) values.emplace_back(symbols_.Text(id));
  std::ranges::sort(values);
  return values;
}

std::vector<std::string_view> SeriesIndex::SymbolsOf(std::span<const Slot> slots) const {
  std::vector<bool> used(symbols_.size());
  for (const Slot slot : slots) {
    VisitLabels(slot, [&](SymbolId name, SymbolId value) {
      used[name] = true;
      used[value] = true;
      return true;
    });
  }
  std::vector<std::string_view> texts;
  for (SymbolId id = 0; id < used.size(); ++id) {
    if (used[id]) texts.push_back(symbols_.Text(id));
  }
  std::ranges::sort(texts);
  return texts;
}

SeriesIndex::Memory SeriesIndex::memory() const {
  Memory result;
  result.records = records_.capacity() + uint64_t{rows_.size() - first_row_} * sizeof(Row);
  result.identity = identity_->slots.bucket_count() * (sizeof(Slot) + 1);
  result.postings = postings_->series.bucket_count() * 33;
  for (const auto& [key, list] : postings_->series) {
    result.postings += list.capacity() * sizeof(Slot);
  }
  result.symbols = symbols_.bytes() + symbols_.size() * 56;
  return result;
}

SeriesIndex::Statistics SeriesIndex::Analyze(size_t limit) const {
  Statistics result;
  const auto keep_largest = [limit](std::vector<Count>& counts) {
    std::ranges::sort(counts, [](const Count& a, const Count& b) {
      return a.value != b.value ? a.value > b.value : a.name < b.name;
    });
    if (counts.size() > limit) counts.resize(limit);
  };
  const std::optional<SymbolId> metric = symbols_.Find(model::kMetricName);
  for (const auto& [name, values] : postings_->values) {
    const std::string name_text(symbols_.Text(name));
    uint64_t bytes = 0;
    for (const SymbolId value : values) bytes += symbols_.Text(value).size();
    result.values_by_label.push_back({name_text, values.size()});
    result.bytes_by_label.push_back({name_text, bytes});
    result.label_pairs += values.size();
    for (const SymbolId value : values) {
      const uint64_t series = postings_->Of(name, value).size();
      const std::string value_text(symbols_.Text(value));
      if (name == metric) result.series_by_metric.push_back({value_text, series});
      result.series_by_pair.push_back({name_text + "=" + value_text, series});
    }
    keep_largest(result.series_by_pair);
  }
  keep_largest(result.series_by_metric);
  keep_largest(result.values_by_label);
  keep_largest(result.bytes_by_label);
  return result;
}

}  // namespace narthex::tsdb

#include "tsdb/head/series_index.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <iterator>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "tsdb/head/series_postings.h"

namespace narthex::tsdb {
namespace {

using model::Labels;
using model::LabelView;
using model::Matcher;

}  // namespace

SeriesIndex::SeriesIndex() : postings_(std::make_unique<Postings>()) {}
SeriesIndex::~SeriesIndex() = default;

template <class Visit>
void SeriesIndex::VisitLabels(Slot slot, Visit visit) const {
  const char* at = records_.Get(slot);
  for (const SymbolId name : schemas_[base::TakeUvarint(at)].names) {
    if (!visit(name, static_cast<SymbolId>(base::TakeUvarint(at)))) return;
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
  return identity_.Find(labels.hash(), [&](Slot slot) { return Equals(slot, labels); });
}

uint32_t SeriesIndex::SchemaOf(const std::vector<SymbolId>& names) {
  const auto [at, inserted] = schema_ids_.try_emplace(names, 0);
  if (!inserted) return at->second;
  if (free_schemas_.empty()) {
    at->second = static_cast<uint32_t>(schemas_.size());
    schemas_.emplace_back();
  } else {
    at->second = free_schemas_.back();
    free_schemas_.pop_back();
  }
  schemas_[at->second].names = names;
  for (const SymbolId name : names) symbols_.Retain(name);
  return at->second;
}

void SeriesIndex::ReleaseSchema(uint32_t id) {
  Schema& schema = schemas_[id];
  if (--schema.series > 0) return;
  schema_ids_.erase(schema.names);
  for (const SymbolId name : schema.names) symbols_.Release(name);
  schema.names = {};
  free_schemas_.push_back(id);
}

Slot SeriesIndex::Add(const Labels& labels) {
  names_.clear();
  values_.clear();
  record_.clear();
  for (const LabelView label : labels) {
    names_.push_back(symbols_.Intern(label.name));
    values_.push_back(symbols_.Intern(label.value));
  }
  const uint32_t schema = SchemaOf(names_);
  ++schemas_[schema].series;
  base::PutUvarint(record_, schema);
  for (const SymbolId value : values_) base::PutUvarint(record_, value);
  const Slot slot = records_.Add(record_);
  ++size_;
  for (size_t i = 0; i < names_.size(); ++i) {
    PostingList& list = postings_->series[Postings::Key(names_[i], values_[i])];
    if (list.empty()) {
      postings_->values[names_[i]].push_back(values_[i]);
      symbols_.Retain(values_[i]);
    }
    list.Append(slot);
  }
  identity_.Insert(labels.hash(), slot);
  return slot;
}

void SeriesIndex::Remove(std::span<const Slot> slots) {
  // Which lists lose something: each is rewritten once, however many of its series go.
  boost::unordered_flat_set<uint64_t> touched;
  std::vector<uint32_t> schemas;
  for (const Slot slot : slots) {
    identity_.Remove(LabelsOf(slot).hash(), slot);
    const char* at = records_.Get(slot);
    schemas.push_back(static_cast<uint32_t>(base::TakeUvarint(at)));
    for (const SymbolId name : schemas_[schemas.back()].names) {
      touched.insert(Postings::Key(name, static_cast<SymbolId>(base::TakeUvarint(at))));
    }
    records_.Remove(slot);
    --size_;
  }
  boost::unordered_flat_set<SymbolId> names;  // That lose a value.
  std::vector<SymbolId> values;
  for (const uint64_t key : touched) {
    const auto list = postings_->series.find(key);
    list->second.RemoveIf([this](Slot slot) { return !records_.Contains(slot); });
    if (!list->second.empty()) continue;
    postings_->series.erase(list);
    names.insert(static_cast<SymbolId>(key >> 32));
    values.push_back(static_cast<SymbolId>(key));
  }
  for (const SymbolId name : names) {
    const auto of_name = postings_->values.find(name);
    std::erase_if(of_name->second, [&](SymbolId value) {
      return !postings_->series.contains(Postings::Key(name, value));
    });
    if (of_name->second.empty()) {
      postings_->values.erase(of_name);
    } else if (of_name->second.size() < of_name->second.capacity() / 4) {
      of_name->second.shrink_to_fit();
    }
  }
  for (const SymbolId value : values) symbols_.Release(value);
  for (const uint32_t schema : schemas) ReleaseSchema(schema);
  // What churn has emptied.
  if (postings_->series.size() < postings_->series.bucket_count() / 4) {
    postings_->series.rehash(0);
  }
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
    std::vector<const PostingList*> lists;
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
      if (const PostingList* const list = postings_->Find(*condition.name, value)) {
        condition.lists.push_back(list);
        condition.series += list->size();
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
    records_.VisitSlots([&](Slot slot) { slots.push_back(slot); });
  } else {
    slots = Union(narrowing[0].lists);
    for (size_t i = 1; i < narrowing.size() && !slots.empty(); ++i) {
      // Judging few series one by one beats walking long postings.
      if (narrowing[i].series / 8 > slots.size()) {
        filtering.push_back(std::move(narrowing[i]));
      } else if (narrowing[i].lists.size() == 1) {
        IntersectWith(slots, *narrowing[i].lists[0]);
      } else {
        const std::vector<Slot> accepted = Union(narrowing[i].lists);
        std::vector<Slot> both;
        std::ranges::set_intersection(slots, accepted, std::back_inserter(both));
        slots = std::move(both);
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
  std::vector<bool> used(symbols_.id_end());
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
  result.records = records_.bytes();
  result.identity = identity_.bytes();
  result.postings =
      postings_->series.bucket_count() * (sizeof(std::pair<const uint64_t, PostingList>) + 1);
  for (const auto& [key, list] : postings_->series) result.postings += list.heap_bytes();
  for (const auto& [name, values] : postings_->values) {
    result.postings += values.capacity() * sizeof(SymbolId);
  }
  result.symbols = symbols_.bytes();
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
      const uint64_t series = postings_->Find(name, value)->size();
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

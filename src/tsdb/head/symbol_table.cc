#include "tsdb/head/symbol_table.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

namespace narthex::tsdb {
namespace {

constexpr size_t kBlockBytes = 16 << 10;

}  // namespace

struct SymbolTable::Set {
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    const std::vector<Entry>* entries;
    size_t operator()(std::string_view text) const { return XXH3_64bits(text.data(), text.size()); }
    size_t operator()(Id id) const { return (*this)((*entries)[id].text()); }
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<Entry>* entries;
    bool operator()(Id a, Id b) const { return a == b; }
    bool operator()(std::string_view text, Id id) const { return (*entries)[id].text() == text; }
    bool operator()(Id id, std::string_view text) const { return (*this)(text, id); }
  };
  explicit Set(const std::vector<Entry>* entries) : ids(0, Hash{entries}, Equal{entries}) {}
  boost::unordered_flat_set<Id, Hash, Equal> ids;
};

SymbolTable::SymbolTable() : ids_(std::make_unique<Set>(&entries_)) {}
SymbolTable::~SymbolTable() = default;

SymbolTable::Id SymbolTable::Intern(std::string_view text) {
  if (const auto found = ids_->ids.find(text); found != ids_->ids.end()) return *found;
  const Entry entry{Copy(text), static_cast<uint32_t>(text.size()), 0};
  live_bytes_ += text.size();
  auto id = static_cast<Id>(entries_.size());
  if (free_.empty()) {
    entries_.push_back(entry);
  } else {
    id = free_.back();
    free_.pop_back();
    entries_[id] = entry;
  }
  ids_->ids.insert(id);
  return id;
}

void SymbolTable::Load(const std::vector<std::string_view>& texts) {
  CHECK(entries_.empty());
  entries_.reserve(texts.size());
  ids_->ids.reserve(texts.size());
  for (const std::string_view text : texts) {
    const auto id = static_cast<Id>(entries_.size());
    if (text.empty()) {
      entries_.push_back({nullptr, 0, 0});
      free_.push_back(id);
      continue;
    }
    entries_.push_back({Copy(text), static_cast<uint32_t>(text.size()), 0});
    live_bytes_ += text.size();
    ids_->ids.insert(id);
  }
}

void SymbolTable::Release(Id id) {
  Entry& entry = entries_[id];
  CHECK(entry.uses > 0);
  if (--entry.uses > 0) return;
  ids_->ids.erase(id);
  live_bytes_ -= entry.size;
  entry = {nullptr, 0, 0};
  free_.push_back(id);
  if (block_bytes_ > 2 * live_bytes_ + 4 * kBlockBytes) Compact();
}

void SymbolTable::Compact() {
  const auto old = std::move(blocks_);
  blocks_.clear();
  block_left_ = 0;
  block_bytes_ = 0;
  for (Entry& entry : entries_) {
    if (entry.begin != nullptr) entry.begin = Copy(entry.text());
  }
  ids_->ids.rehash(0);
}

std::optional<SymbolTable::Id> SymbolTable::Find(std::string_view text) const {
  const auto found = ids_->ids.find(text);
  if (found == ids_->ids.end()) return std::nullopt;
  return *found;
}

const char* SymbolTable::Copy(std::string_view text) {
  if (text.size() > block_left_ || blocks_.empty()) {
    block_left_ = std::max(text.size(), kBlockBytes);
    block_bytes_ += block_left_;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_left_));
    block_at_ = blocks_.back().get();
  }
  char* const copy = block_at_;
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  block_at_ += text.size();
  block_left_ -= text.size();
  return copy;
}

size_t SymbolTable::bytes() const {
  return block_bytes_ + entries_.capacity() * sizeof(Entry) + free_.capacity() * sizeof(Id) +
         ids_->ids.bucket_count() * (sizeof(Id) + 1);
}

}  // namespace narthex::tsdb

#include "tsdb/head/symbol_table.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace narthex::tsdb {
namespace {

constexpr size_t kBlockBytes = 16 << 10;

struct TextHash {
  using is_avalanching = void;
  size_t operator()(std::string_view text) const { return XXH3_64bits(text.data(), text.size()); }
};

}  // namespace

struct SymbolTable::Map {
  boost::unordered_flat_map<std::string_view, Id, TextHash> ids;
};

SymbolTable::SymbolTable() : ids_(std::make_unique<Map>()) {}
SymbolTable::~SymbolTable() = default;

SymbolTable::Id SymbolTable::Intern(std::string_view text) {
  if (const auto found = ids_->ids.find(text); found != ids_->ids.end()) return found->second;
  const auto id = static_cast<Id>(texts_.size());
  const std::string_view copy = Copy(text);
  texts_.push_back(copy);
  ids_->ids.emplace(copy, id);
  return id;
}

std::optional<SymbolTable::Id> SymbolTable::Find(std::string_view text) const {
  const auto found = ids_->ids.find(text);
  if (found == ids_->ids.end()) return std::nullopt;
  return found->second;
}

std::string_view SymbolTable::Copy(std::string_view text) {
  if (text.size() > block_left_) {
    block_left_ = std::max(text.size(), kBlockBytes);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_left_));
    block_at_ = blocks_.back().get();
  }
  if (!text.empty()) std::memcpy(block_at_, text.data(), text.size());
  const std::string_view copy(block_at_, text.size());
  block_at_ += text.size();
  block_left_ -= text.size();
  bytes_ += text.size();
  return copy;
}

}  // namespace narthex::tsdb

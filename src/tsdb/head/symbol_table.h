#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace narthex::tsdb {

// Every distinct label name and value once, numbered. Uses are counted; a text that nobody uses any
// more goes and its number is given out again. Guarded by its owner.
class SymbolTable {
 public:
  using Id = uint32_t;

  SymbolTable();
  ~SymbolTable();

  // The number of a text, new with no use. REQUIRES: a new one is retained before the next call of
  // Release.
  Id Intern(std::string_view text);
  void Retain(Id id) { ++entries_[id].uses; }
  void Release(Id id);

  // Numbers texts in their order, from 0. An empty one leaves a number free; of equal ones the
  // first is found. REQUIRES: an empty table.
  void Load(const std::vector<std::string_view>& texts);

  std::optional<Id> Find(std::string_view text) const;
  // Valid until the next Release; empty for a number that is not in use.
  std::string_view Text(Id id) const { return entries_[id].text(); }
  // Above every number in use.
  size_t id_end() const { return entries_.size(); }
  size_t bytes() const;  // In memory.

 private:
  struct Set;
  struct Entry {
    const char* begin;
    uint32_t size;
    uint32_t uses;
    std::string_view text() const { return {begin, size}; }
  };

  const char* Copy(std::string_view text);
  void Compact();

  std::vector<Entry> entries_;
  std::vector<Id> free_;
  std::unique_ptr<Set> ids_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t block_left_ = 0;
  char* block_at_ = nullptr;
  size_t block_bytes_ = 0;  // Of all blocks.
  size_t live_bytes_ = 0;   // Of texts in use.
};

}  // namespace narthex::tsdb

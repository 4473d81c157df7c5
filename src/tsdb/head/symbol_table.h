#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace narthex::tsdb {

// Every distinct label name and value once, numbered in order of arrival. Texts never move. Guarded
// by its owner.
class SymbolTable {
 public:
  using Id = uint32_t;

  SymbolTable();
  ~SymbolTable();

  Id Intern(std::string_view text);
  std::optional<Id> Find(std::string_view text) const;
  // REQUIRES: id < size().
  std::string_view Text(Id id) const { return texts_[id]; }
  size_t size() const { return texts_.size(); }
  size_t bytes() const { return bytes_; }  // Of the texts alone.

 private:
  struct Map;

  std::string_view Copy(std::string_view text);

  std::vector<std::string_view> texts_;
  std::unique_ptr<Map> ids_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t block_left_ = 0;
  char* block_at_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace narthex::tsdb

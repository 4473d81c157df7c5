#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace narthex::pipeline {

// Header fields of a request that is being made up, each name once; names compare without case. A
// value.
class HeaderList {
 public:
  HeaderList() = default;
  explicit HeaderList(const std::vector<std::pair<std::string, std::string>>& fields) {
    for (const auto& [name, value] : fields) Set(name, value);
  }

  void Set(std::string_view name, std::string_view value) {
    if (std::string* present = Find(name)) {
      present->assign(value);
    } else {
      fields_.emplace_back(name, value);
    }
  }
  // nullptr when absent.
  std::string* Find(std::string_view name) {
    for (auto& [key, value] : fields_) {
      if (Equal(key, name)) return &value;
    }
    return nullptr;
  }
  void Erase(std::string_view name) {
    std::erase_if(fields_, [&](const auto& field) { return Equal(field.first, name); });
  }
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  static bool Equal(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::ranges::equal(a, b, {}, lower, lower);
  }

  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace narthex::pipeline

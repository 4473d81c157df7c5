#include "config/schema.h"

#include <algorithm>
#include <utility>

namespace narthex::config {
namespace {

std::string Below(const std::string& base, const std::string& path) {
  if (base.empty() || !path.starts_with(base)) return path;
  return path.size() > base.size() && path[base.size()] == '.' ? path.substr(base.size() + 1)
                                                               : path.substr(base.size());
}

}  // namespace

const Node& Schema::Begin() {
  keys_.clear();
  open_.clear();
  paths_.clear();
  nodes_.clear();
  return *SampleAt("");
}

std::vector<Schema::Key> Schema::TakeKeys() { return std::exchange(keys_, {}); }

const std::string* Schema::PathOf(const Node& node) const {
  const auto found = paths_.find(&node);
  return found == paths_.end() ? nullptr : &found->second;
}

const Node* Schema::SampleAt(const std::string& path) {
  Node& node = nodes_.emplace_back(Node{.kind = Node::Kind::kSample});
  node.items.push_back(Node{.kind = Node::Kind::kSample});
  paths_[&node] = path;
  paths_[&node.items[0]] = path + "[]";
  return &node;
}

void Schema::Add(Key key) {
  const auto put = [](std::vector<Key>& keys, Key added) {
    if (std::ranges::find(keys, added) == keys.end()) keys.push_back(std::move(added));
  };
  if (open_.empty()) return put(keys_, std::move(key));
  const auto& [base, index] = open_.back();
  std::vector<Key>& common = groups_[index].keys;
  Key inner = key;
  inner.path = Below(base, key.path);
  const auto known = std::ranges::find(common, inner.path, &Key::path);
  if (known == common.end()) {
    common.push_back(std::move(inner));
  } else if (*known != inner) {
    put(keys_, std::move(key));
  }
}

void Schema::BeginGroup(std::string path, std::string name) {
  // A reference stands where the group is used; in a group within a group, in the outer one.
  Add({.path = path, .type = {}, .fallback = {}, .meaning = name, .use = Key::Use::kGroup});
  auto found = std::ranges::find(groups_, name, &Group::name);
  if (found == groups_.end()) {
    groups_.push_back({name, {}});
    found = groups_.end() - 1;
  }
  open_.push_back({std::move(path), static_cast<size_t>(found - groups_.begin())});
}

void Schema::EndGroup() { open_.pop_back(); }

}  // namespace narthex::config

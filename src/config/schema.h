#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/yaml.h"

namespace narthex::config {

// The keys that a configuration may have, found out by having it read: in a sample, which has
// whatever is asked for, readers come by every key, and MapReader records what they ask for and the
// value that holds without it. So the documentation of keys comes from the code that reads them.
// One thread at a time.
class Schema {
 public:
  struct Key {
    enum class Use { kRead, kWithoutEffect, kRefused, kGroup };
    std::string path;      // "queue.size"; in the items of a list "actions[].key".
    std::string type;      // "text", "duration", …; empty unless it is read.
    std::string fallback;  // What holds without the key; empty for nothing.
    std::string meaning;   // Of kGroup: the group's name.
    Use use = Use::kRead;
    bool operator==(const Key&) const = default;
  };
  // Keys that several components have in common, in the order of reading. What differs at one of
  // them is recorded there again.
  struct Group {
    std::string name;
    std::vector<Key> keys;
  };

  // A sample for one component, whose keys TakeKeys() has afterwards.
  const Node& Begin();
  std::vector<Key> TakeKeys();
  const std::vector<Group>& groups() const { return groups_; }

  // For MapReader: where a node of the sample stands; nullptr for any other node.
  const std::string* PathOf(const Node& node) const;
  const Node* SampleAt(const std::string& path);
  void Add(Key key);
  // What is added below `path` from here on, and at it for one with the same `path`, is of the
  // group.
  void BeginGroup(std::string path, std::string name);
  void EndGroup();

 private:
  struct Open {
    std::string path;
    size_t group;
  };

  std::vector<Key> keys_;
  std::vector<Group> groups_;
  std::vector<Open> open_;
  std::deque<Node> nodes_;
  std::map<const Node*, std::string> paths_;
};

}  // namespace narthex::config

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::config {

// Where something stands in a file, counted from 1.
struct Position {
  int line = 0;
  int column = 0;
};

// A YAML value with its place. A plain value: copy, edit and merge it freely.
struct Node {
  // kSample: of a Schema; has whatever it is asked for.
  enum class Kind { kNull, kScalar, kList, kMap, kSample };
  struct Member;

  Kind kind = Kind::kNull;
  Position at;
  std::string scalar;           // Of kScalar.
  bool quoted = false;          // The scalar was quoted or a block: text, whatever it looks like.
  std::vector<Node> items;      // Of kList.
  std::vector<Member> members;  // Of kMap: scalar keys, in order, unique.

  bool is_null() const { return kind == Kind::kNull; }
  bool is_map() const { return kind == Kind::kMap || kind == Kind::kSample; }
  bool is_list() const { return kind == Kind::kList || kind == Kind::kSample; }
  bool is_scalar() const { return kind == Kind::kScalar || kind == Kind::kSample; }
  // A member by key; nullptr when absent.
  const Node* Find(std::string_view key) const;
  Node* Find(std::string_view key);
};

struct Node::Member {
  Node key;
  Node value;
};

// Parses one YAML 1.1 document. Aliases are expanded up to a total of 100,000 nodes, nesting up to
// 100 levels. Errors: kInvalidArgument "<file>:<line>:<column>: …" for bad syntax, repeated keys
// and keys that are not scalars.
base::Result<Node> ParseYaml(std::string_view text, std::string_view file);

// The nearest of `candidates` to a mistyped word, empty when none is near.
std::string Nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace narthex::config

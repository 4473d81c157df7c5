#include "config/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

namespace narthex::config {
namespace {

constexpr size_t kDepthMax = 100;
constexpr size_t kNodesMax = 100'000;

// Thrown through yaml-cpp, which knows no other way to stop, and caught in ParseYaml.
struct Refused {
  Position at;
  std::string message;
};

Position At(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

bool IsNullText(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

size_t CountNodes(const Node& node) {
  size_t count = 1;
  for (const Node& item : node.items) count += CountNodes(item);
  for (const auto& [key, value] : node.members) count += 1 + CountNodes(value);
  return count;
}

// Builds the tree from yaml-cpp's events: a stack of open containers.
class Builder final : public YAML::EventHandler {
 public:
  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add({.kind = Node::Kind::kNull, .at = At(mark)}, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{At(mark), "alias inside its own anchor"};
    count_ += CountNodes(found->second);
    Node copy = found->second;
    copy.at = At(mark);
    Add(std::move(copy), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node{.kind = Node::Kind::kScalar, .at = At(mark), .scalar = value};
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!node.quoted && IsNullText(value)) node.kind = Node::Kind::kNull;
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open({.kind = Node::Kind::kList, .at = At(mark)}, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open({.kind = Node::Kind::kMap, .at = At(mark)}, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;
    Node key;
  };

  void Open(Node node, YAML::anchor_t anchor) {
    if (open_.size() == kDepthMax) throw Refused{node.at, "nesting is too deep"};
    open_.push_back({std::move(node), anchor, false, {}});
  }

  void Close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    Add(std::move(frame.node), frame.anchor);
  }

  void Add(Node node, YAML::anchor_t anchor) {
    if (++count_ > kNodesMax) throw Refused{node.at, "the document has too many values"};
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (!parent.has_key) {
      if (node.kind == Node::Kind::kNull) node = Node{Node::Kind::kScalar, node.at, "null"};
      if (!node.is_scalar()) throw Refused{node.at, "a key has to be plain text"};
      if (parent.node.Find(node.scalar) != nullptr) {
        throw Refused{node.at, "mapping key \"" + node.scalar + "\" already defined"};
      }
      parent.key = std::move(node);
      parent.has_key = true;
      return;
    }
    parent.node.members.emplace_back(std::move(parent.key), std::move(node));
    parent.has_key = false;
  }

  std::vector<Frame> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t count_ = 0;
  Node root_;
};

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

const Node* Node::Find(std::string_view key) const {
  const auto found = std::ranges::find_if(
      members, [key](const Member& member) { return member.key.scalar == key; });
  return found == members.end() ? nullptr : &found->value;
}

Node* Node::Find(std::string_view key) {
  return const_cast<Node*>(static_cast<const Node*>(this)->Find(key));
}

base::Result<Node> ParseYaml(std::string_view text, std::string_view file) {
  const auto refuse = [file](Position at, std::string_view message) {
    return base::Fail(base::Code::kInvalidArgument, "{}:{}:{}: {}", file, at.line, at.column,
                      message);
  };
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    parser.HandleNextDocument(builder);
    return builder.TakeRoot();
  } catch (const Refused& refused) {
    return refuse(refused.at, refused.message);
  } catch (const YAML::ParserException& error) {
    return refuse(At(error.mark), error.msg);
  } catch (const YAML::Exception& error) {
    return refuse({1, 1}, error.what());
  }
}

std::string Nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  size_t best = std::max<size_t>(2, word.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string_view candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return std::string(nearest);
}

}  // namespace narthex::config

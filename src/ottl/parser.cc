#include "ottl/internal/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace narthex::ottl::internal {
namespace {

constexpr std::pair<std::string_view, int64_t> kEnums[] = {
    {"METRIC_DATA_TYPE_NONE", 0},
    {"METRIC_DATA_TYPE_GAUGE", 1},
    {"METRIC_DATA_TYPE_SUM", 2},
    {"METRIC_DATA_TYPE_HISTOGRAM", 3},
    {"METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4},
    {"METRIC_DATA_TYPE_SUMMARY", 5},
    {"AGGREGATION_TEMPORALITY_UNSPECIFIED", 0},
    {"AGGREGATION_TEMPORALITY_DELTA", 1},
    {"AGGREGATION_TEMPORALITY_CUMULATIVE", 2},
};

struct FieldName {
  std::string_view name;
  Level level;
  Field field;
};
constexpr FieldName kFields[] = {
    {"name", Level::kMetric, Field::kName},
    {"description", Level::kMetric, Field::kDescription},
    {"unit", Level::kMetric, Field::kUnit},
    {"type", Level::kMetric, Field::kType},
    {"is_monotonic", Level::kMetric, Field::kIsMonotonic},
    {"aggregation_temporality", Level::kMetric, Field::kTemporality},
    {"name", Level::kScope, Field::kName},
    {"version", Level::kScope, Field::kVersion},
    {"attributes", Level::kResource, Field::kAttribute},
    {"attributes", Level::kScope, Field::kAttribute},
    {"attributes", Level::kDatapoint, Field::kAttribute},
};

std::optional<Level> LevelFromName(std::string_view name) {
  if (name == "resource") return Level::kResource;
  if (name == "scope" || name == "instrumentation_scope") return Level::kScope;
  if (name == "metric") return Level::kMetric;
  if (name == "datapoint") return Level::kDatapoint;
  return std::nullopt;
}

bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Recursive descent, one function per rule. After the first error everything fails.
class Parser {
 public:
  Parser(std::string_view text, Level level) : text_(text), default_level_(level) {}

  base::Result<Parsed> Run() {
    Node root = Or();
    SkipBlanks();
    if (at_ < text_.size()) SetError("unexpected text");
    if (!error_.empty()) {
      return base::Fail(base::Code::kInvalidArgument, "column {}: {}", error_at_ + 1, error_);
    }
    return Parsed{std::move(root), level_};
  }

 private:
  void SetError(std::string message) { SetErrorAt(at_, std::move(message)); }
  void SetErrorAt(size_t at, std::string message) {
    if (!error_.empty()) return;
    error_at_ = at;
    error_ = std::move(message);
  }

  void SkipBlanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool TakeSymbol(std::string_view symbol) {
    SkipBlanks();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  std::string_view PeekWord() {
    SkipBlanks();
    size_t end = at_;
    if (end < text_.size() && IsWordStart(text_[end])) {
      while (end < text_.size() && (IsWordStart(text_[end]) || IsDigit(text_[end]))) ++end;
    }
    return text_.substr(at_, end - at_);
  }
  bool TakeWord(std::string_view word) {
    if (PeekWord() != word) return false;
    at_ += word.size();
    return true;
  }
  void Expect(std::string_view symbol) {
    if (!TakeSymbol(symbol)) SetError(fmt::format("expected {}", symbol));
  }

  Node Or() { return Chain("or", Op::kOr, &Parser::And); }
  Node And() { return Chain("and", Op::kAnd, &Parser::Not); }

  Node Chain(std::string_view word, Op op, Node (Parser::*operand)()) {
    Node first = (this->*operand)();
    if (!error_.empty() || PeekWord() != word) return first;
    Node chain{.op = op};
    chain.children.push_back(std::move(first));
    while (error_.empty() && TakeWord(word)) chain.children.push_back((this->*operand)());
    return chain;
  }

  Node Not() {
    if (++depth_ > kDepthMax) SetError("nesting is too deep");
    Node node;
    if (!error_.empty()) return node;
    if (TakeWord("not")) {
      node.op = Op::kNot;
      node.children.push_back(Not());
    } else if (TakeSymbol("(")) {
      node = Or();
      Expect(")");
    } else {
      node = Comparison();
    }
    --depth_;
    return node;
  }

  Node Comparison() {
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {"==", Op::kEqual},          {"!=", Op::kNotEqual}, {"<=", Op::kLessOrEqual},
        {">=", Op::kGreaterOrEqual}, {"<", Op::kLess},      {">", Op::kGreater},
    };
    SkipBlanks();
    const size_t began = at_;
    Node left = Operand();
    if (!error_.empty()) return left;
    for (const auto& [symbol, op] : kOps) {
      if (!TakeSymbol(symbol)) continue;
      Node node{.op = op};
      node.children.push_back(std::move(left));
      node.children.push_back(Operand());
      return node;
    }
    const bool is_condition = left.op != Op::kPath &&
                              (left.op != Op::kLiteral || left.literal.type == Value::Type::kBool);
    if (!is_condition) SetErrorAt(began, "a condition has to compare this with something");
    return left;
  }

  Node Operand() {
    SkipBlanks();
    if (at_ == text_.size()) {
      SetError("unexpected end");
      return {};
    }
    const char c = text_[at_];
    if (c == '"') return StringLiteral();
    if (IsDigit(c) || c == '-' || c == '+' || c == '.') return NumberLiteral();
    const std::string_view word = PeekWord();
    if (word.empty()) {
      SetError(fmt::format("unexpected '{}'", c >= 0x20 && c < 0x7f ? c : '?'));
      return {};
    }
    if (TakeWord("nil")) return {};
    if (word == "true" || word == "false") {
      at_ += word.size();
      return {.literal = {.type = Value::Type::kBool, .boolean = word == "true"}};
    }
    const auto* constant =
        std::ranges::find(kEnums, word, &std::pair<std::string_view, int64_t>::first);
    if (constant != std::end(kEnums)) {
      at_ += word.size();
      return {.literal = {.type = Value::Type::kInt, .whole = constant->second}};
    }
    return word[0] >= 'A' && word[0] <= 'Z' ? Call() : Path();
  }

  std::string String() {
    SkipBlanks();
    std::string out;
    if (at_ == text_.size() || text_[at_] != '"') {
      SetError("expected text in double quotes");
      return out;
    }
    const size_t began = at_++;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
        if (c == 'r') c = '\r';
        // Of a regular expression: `\d` stays as it is.
        if (std::string_view("\n\t\r\"\\").find(c) == std::string_view::npos) out += '\\';
      }
      out += c;
    }
    if (at_ == text_.size()) {
      SetErrorAt(began, "text without an end");
      return out;
    }
    ++at_;
    return out;
  }

  Node StringLiteral() {
    Node node{.literal = {.type = Value::Type::kString}};
    node.text = String();
    return node;
  }

  Node NumberLiteral() {
    const size_t began = at_;
    if (text_[at_] == '+') ++at_;
    size_t end = at_;
    while (end < text_.size() && (IsDigit(text_[end]) || IsWordStart(text_[end]) ||
                                  std::string_view(".+-").find(text_[end]) != text_.npos)) {
      ++end;
    }
    const char *first = text_.data() + at_, *last = text_.data() + end;
    Node node;
    const auto whole = std::from_chars(first, last, node.literal.whole);
    if (whole.ec == std::errc() && whole.ptr == last) {
      node.literal.type = Value::Type::kInt;
    } else {
      node.literal.type = Value::Type::kDouble;
      const auto real = std::from_chars(first, last, node.literal.real);
      if (real.ec != std::errc() || real.ptr != last) SetErrorAt(began, "not a number");
    }
    at_ = end;
    return node;
  }

  void Need(Level level) { level_ = std::max(level_, level); }

  Node Path() {
    const size_t began = at_;
    Node node{.op = Op::kPath, .level = default_level_};
    std::string_view word = PeekWord();
    at_ += word.size();
    if (const auto level = LevelFromName(word); level.has_value() && TakeSymbol(".")) {
      node.level = *level;
      word = PeekWord();
      at_ += word.size();
    }
    const auto* field = std::ranges::find_if(
        kFields, [&](const FieldName& f) { return f.name == word && f.level == node.level; });
    if (field == std::end(kFields)) {
      SetErrorAt(began, fmt::format("unknown path \"{}\"", text_.substr(began, at_ - began)));
      return node;
    }
    node.field = field->field;
    Need(node.level);
    if (node.field == Field::kAttribute) {
      Expect("[");
      node.text = String();
      Expect("]");
    }
    return node;
  }

  Node Call() {
    const size_t began = at_;
    const std::string_view name = PeekWord();
    at_ += name.size();
    Node node;
    if (++depth_ > kDepthMax) SetError("nesting is too deep");
    if (!error_.empty()) return node;
    Expect("(");
    if (name == "IsMatch") {
      node.op = Op::kIsMatch;
      node.children.push_back(Operand());
      Expect(",");
      SkipBlanks();
      const size_t pattern_at = at_;
      node.pattern = std::make_shared<const re2::RE2>(String(), re2::RE2::Quiet);
      if (!node.pattern->ok()) SetErrorAt(pattern_at, node.pattern->error());
    } else if (name == "HasAttrKeyOnDatapoint" || name == "HasAttrOnDatapoint") {
      node.op = name == "HasAttrOnDatapoint" ? Op::kHasPointAttr : Op::kHasPointKey;
      Need(Level::kMetric);
      node.text = String();
      if (node.op == Op::kHasPointAttr) {
        Expect(",");
        node.children.push_back(StringLiteral());
      }
    } else {
      SetErrorAt(began, fmt::format("unknown function \"{}\"", name));
    }
    Expect(")");
    --depth_;
    return node;
  }

  const std::string_view text_;
  const Level default_level_;
  size_t at_ = 0;
  int depth_ = 0;
  Level level_ = Level::kResource;
  size_t error_at_ = 0;
  std::string error_;
};

}  // namespace

base::Result<Parsed> ParseCondition(std::string_view text, Level level) {
  return Parser(text, level).Run();
}

}  // namespace narthex::ottl::internal

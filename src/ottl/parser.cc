#include "ottl/internal/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "ottl/internal/function.h"

namespace narthex::ottl::internal {
namespace {

using otlp::Any;

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
    {"FLAG_NONE", 0},
    {"FLAG_NO_RECORDED_VALUE", 1},
};

bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsComparison(Op op) { return op >= Op::kEqual && op <= Op::kGreaterOrEqual; }

struct Parameter {
  std::string_view name;
  bool is_optional = false;
  bool is_pattern = false;
  bool is_target = false;
};

std::vector<Parameter> ParametersOf(const Function& function) {
  std::vector<Parameter> parameters;
  std::string_view rest = function.parameters;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    Parameter parameter{.name = rest.substr(0, end)};
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (parameter.name.starts_with('&')) {
      parameter.is_target = true;
      parameter.name.remove_prefix(1);
    }
    for (; parameter.name.ends_with('?') || parameter.name.ends_with('~');
         parameter.name.remove_suffix(1)) {
      (parameter.name.ends_with('?') ? parameter.is_optional : parameter.is_pattern) = true;
    }
    parameters.push_back(parameter);
  }
  return parameters;
}

// Recursive descent, one function per rule. After the first error everything fails.
class Parser {
 public:
  Parser(std::string_view text, Level level) : text_(text), default_level_(level) {}

  base::Result<Parsed> Condition() {
    Node root = Whole();
    RETURN_IF_ERROR(Finish());
    return Parsed{std::move(root), level_};
  }

  base::Result<ParsedStatement> Statement() {
    ParsedStatement statement;
    SkipBlanks();
    const size_t began = at_;
    const std::string_view name = PeekWord();
    statement.editor = name.empty() ? Node() : Call();
    if (name.empty() || (error_.empty() && !statement.editor.function->is_editor())) {
      SetErrorAt(began, "a statement begins with a function that changes something");
    }
    if (error_.empty() && TakeWord("where")) statement.where = Whole();
    // Points do not outlive what is done to their metric as a whole.
    if (error_.empty() && statement.editor.function->level == Level::kMetric &&
        level_ > Level::kMetric) {
      SetErrorAt(began,
                 fmt::format("{} changes whole metrics and cannot look at their points", name));
    }
    RETURN_IF_ERROR(Finish());
    statement.level = level_;
    return statement;
  }

 private:
  static constexpr int kDepthMax = 100;
  static constexpr int kOperatorsMax = 1000;

  base::Status Finish() {
    SkipBlanks();
    if (at_ < text_.size()) SetError("unexpected text");
    if (error_.empty()) return {};
    return base::Fail(base::Code::kInvalidArgument, "column {}: {}", error_at_ + 1, error_);
  }
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
  bool Deeper() {
    if (++depth_ > kDepthMax) SetError("nesting is too deep");
    return error_.empty();
  }

  Node Whole() {
    SkipBlanks();
    const size_t began = at_;
    Node root = Or();
    NeedCondition(root, began);
    return root;
  }

  Node Or() { return Chain("or", Op::kOr, &Parser::And); }
  Node And() { return Chain("and", Op::kAnd, &Parser::Not); }

  Node Chain(std::string_view word, Op op, Node (Parser::*operand)()) {
    SkipBlanks();
    size_t began = at_;
    Node first = (this->*operand)();
    if (!error_.empty() || PeekWord() != word) return first;
    Node chain{.op = op};
    NeedCondition(first, began);
    chain.children.push_back(std::move(first));
    while (error_.empty() && TakeWord(word)) {
      SkipBlanks();
      began = at_;
      chain.children.push_back((this->*operand)());
      NeedCondition(chain.children.back(), began);
    }
    return chain;
  }

  // Whether it can be true or false; a call's result is looked at when it is there.
  void NeedCondition(const Node& node, size_t began) {
    const bool is_one = node.op == Op::kAnd || node.op == Op::kOr || node.op == Op::kNot ||
                        node.op == Op::kCall || IsComparison(node.op) ||
                        (node.op == Op::kLiteral && node.literal.As<bool>() != nullptr);
    if (!is_one) SetErrorAt(began, "a condition has to compare this with something");
  }

  Node Not() {
    Node node;
    if (!Deeper()) return node;
    if (TakeWord("not")) {
      SkipBlanks();
      const size_t began = at_;
      node.op = Op::kNot;
      node.children.push_back(Not());
      NeedCondition(node.children[0], began);
    } else {
      node = Comparison();
    }
    --depth_;
    return node;
  }

  Node Binary(Op op, Node left, Node right) {
    Node node{.op = op};
    node.children.push_back(std::move(left));
    node.children.push_back(std::move(right));
    return node;
  }

  Node Comparison() {
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {"==", Op::kEqual},          {"!=", Op::kNotEqual}, {"<=", Op::kLessOrEqual},
        {">=", Op::kGreaterOrEqual}, {"<", Op::kLess},      {">", Op::kGreater},
    };
    Node left = Sum();
    if (!error_.empty()) return left;
    for (const auto& [symbol, op] : kOps) {
      if (TakeSymbol(symbol)) return Binary(op, std::move(left), Sum());
    }
    return left;
  }

  Node Sum() {
    Node left = Product();
    while (error_.empty()) {
      const Op op = TakeSymbol("+") ? Op::kAdd : TakeSymbol("-") ? Op::kSubtract : Op::kAbsent;
      if (op == Op::kAbsent || !OneMoreOperator()) break;
      left = Binary(op, std::move(left), Product());
    }
    return left;
  }
  Node Product() {
    Node left = Operand();
    while (error_.empty()) {
      const Op op = TakeSymbol("*") ? Op::kMultiply : TakeSymbol("/") ? Op::kDivide : Op::kAbsent;
      if (op == Op::kAbsent || !OneMoreOperator()) break;
      left = Binary(op, std::move(left), Operand());
    }
    return left;
  }
  // A chain of them makes a tree that is as deep as the chain is long.
  bool OneMoreOperator() {
    if (++operators_ > kOperatorsMax) SetError("too many operators");
    return error_.empty();
  }

  Node Operand() {
    SkipBlanks();
    Node node;
    if (at_ == text_.size()) {
      SetError("unexpected end");
      return node;
    }
    if (!Deeper()) return node;
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      node = Or();
      Expect(")");
    } else if (c == '"') {
      node.literal = Any(String());
    } else if (c == '[') {
      node = List();
    } else if (c == '{') {
      node = Map();
    } else if (IsDigit(c) || c == '-' || c == '+' || c == '.') {
      node = NumberLiteral();
    } else {
      node = Named();
    }
    --depth_;
    return node;
  }

  Node Named() {
    const std::string_view word = PeekWord();
    if (word.empty()) {
      const char c = text_[at_];
      SetError(fmt::format("unexpected '{}'", c >= 0x20 && c < 0x7f ? c : '?'));
      return {};
    }
    if (TakeWord("nil")) return {};
    if (word == "true" || word == "false") {
      at_ += word.size();
      return {.literal = Any(word == "true")};
    }
    const auto* constant =
        std::ranges::find(kEnums, word, &std::pair<std::string_view, int64_t>::first);
    if (constant != std::end(kEnums)) {
      at_ += word.size();
      return {.literal = Any(constant->second)};
    }
    if (word[0] < 'A' || word[0] > 'Z') return Path();
    Node node = Call();
    if (error_.empty()) Keys(node);
    return node;
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

  Node List() {
    Node node{.op = Op::kList};
    Expect("[");
    if (TakeSymbol("]")) return node;
    do {
      node.children.push_back(Sum());
    } while (error_.empty() && TakeSymbol(","));
    Expect("]");
    return node;
  }

  Node Map() {
    Node node{.op = Op::kMap};
    Expect("{");
    if (TakeSymbol("}")) return node;
    do {
      node.names.push_back(String());
      Expect(":");
      node.children.push_back(Sum());
    } while (error_.empty() && TakeSymbol(","));
    Expect("}");
    return node;
  }

  Node BytesLiteral(size_t began, std::string_view digits) {
    Any::Bytes bytes;
    if (digits.size() % 2 != 0) SetErrorAt(began, "bytes need an even number of digits");
    for (size_t i = 0; i + 1 < digits.size(); i += 2) {
      uint8_t byte = 0;
      const auto result = std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      if (result.ptr != digits.data() + i + 2) SetErrorAt(began, "not a number");
      bytes.data += static_cast<char>(byte);
    }
    return {.literal = Any(std::move(bytes))};
  }

  Node NumberLiteral() {
    const size_t began = at_;
    if (text_[at_] == '+') ++at_;
    size_t end = at_;
    const auto is_part = [&](size_t i) {
      if (IsDigit(text_[i]) || IsWordStart(text_[i]) || text_[i] == '.') return true;
      const bool is_sign = text_[i] == '-' || text_[i] == '+';
      return is_sign && (i == at_ || text_[i - 1] == 'e' || text_[i - 1] == 'E');
    };
    while (end < text_.size() && is_part(end)) ++end;
    const std::string_view digits = text_.substr(at_, end - at_);
    const char *first = digits.data(), *last = first + digits.size();
    at_ = end;
    if (digits.starts_with("0x")) return BytesLiteral(began, digits.substr(2));
    int64_t whole = 0;
    const auto as_whole = std::from_chars(first, last, whole);
    if (as_whole.ec == std::errc() && as_whole.ptr == last) return {.literal = Any(whole)};
    double real = 0;
    const auto as_real = std::from_chars(first, last, real);
    if (as_real.ec != std::errc() || as_real.ptr != last) SetErrorAt(began, "not a number");
    return {.literal = Any(real)};
  }

  void Need(Level level) { level_ = std::max(level_, level); }

  Node Path() {
    const size_t began = at_;
    Node node{.op = Op::kPath};
    std::string name;
    const auto take = [&] {
      const std::string_view word = PeekWord();
      at_ += word.size();
      name += word;
    };
    take();
    Level level = default_level_;
    if (const auto prefix = LevelFromName(name); prefix.has_value() && TakeSymbol(".")) {
      level = *prefix;
      name.clear();
      take();
    }
    while (text_.substr(at_).starts_with('.')) {
      ++at_;
      name += '.';
      take();
    }
    const auto place = FindPlace(level, name);
    if (!place.has_value()) {
      SetErrorAt(began, fmt::format("unknown path \"{}\"", text_.substr(began, at_ - began)));
      return node;
    }
    node.place = *place;
    if (place->field != Field::kCache) Need(level);
    Keys(node);
    return node;
  }

  void Keys(Node& node) {
    while (error_.empty() && TakeSymbol("[")) {
      node.keys.push_back(Sum());
      Expect("]");
    }
  }

  Node Call() {
    SkipBlanks();
    const size_t began = at_;
    const std::string_view name = PeekWord();
    at_ += name.size();
    Node node{.op = Op::kCall};
    node.function = FindFunction(name);
    if (node.function == nullptr) {
      SetErrorAt(began, fmt::format("unknown function \"{}\"", name));
    }
    if (!Deeper()) return node;
    Need(node.function->level);
    Expect("(");
    const std::vector<Parameter> parameters = ParametersOf(*node.function);
    node.children.resize(parameters.size(), Node{.op = Op::kAbsent});
    if (!TakeSymbol(")")) Arguments(node, parameters);
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (node.children[i].op != Op::kAbsent || parameters[i].is_optional) continue;
      SetErrorAt(began, fmt::format("{} needs \"{}\"", name, parameters[i].name));
    }
    --depth_;
    return node;
  }

  void Arguments(Node& call, const std::vector<Parameter>& parameters) {
    size_t next = 0;
    do {
      SkipBlanks();
      const size_t began = at_;
      size_t index = next++;
      if (const std::string_view word = PeekWord(); !word.empty()) {
        at_ += word.size();
        if (TakeSymbol("=") && !text_.substr(at_).starts_with('=')) {
          const auto found = std::ranges::find(parameters, word, &Parameter::name);
          index = static_cast<size_t>(found - parameters.begin());
          if (found == parameters.end()) {
            SetErrorAt(began, fmt::format("no parameter is called \"{}\"", word));
          }
        } else {
          at_ = began;
        }
      }
      if (index >= parameters.size()) SetErrorAt(began, "too many arguments");
      if (!error_.empty()) return;
      call.children[index] = Argument(parameters[index]);
    } while (error_.empty() && TakeSymbol(","));
    Expect(")");
  }

  Node Argument(const Parameter& parameter) {
    SkipBlanks();
    const size_t began = at_;
    Node node = Or();
    if (!error_.empty()) return node;
    if (parameter.is_target && (node.op != Op::kPath || !node.place.is_settable ||
                                (!node.keys.empty() && !node.place.is_map))) {
      SetErrorAt(began, "expected a path that can be set");
    }
    const auto* text = node.literal.As<std::string>();
    if (parameter.is_pattern && node.op == Op::kLiteral && text != nullptr) {
      node.pattern = std::make_shared<const re2::RE2>(*text, re2::RE2::Quiet);
      if (!node.pattern->ok()) SetErrorAt(began, node.pattern->error());
    }
    return node;
  }

  const std::string_view text_;
  const Level default_level_;
  size_t at_ = 0;
  int depth_ = 0;
  int operators_ = 0;
  Level level_ = Level::kResource;
  size_t error_at_ = 0;
  std::string error_;
};

}  // namespace

base::Result<Parsed> ParseCondition(std::string_view text, Level level) {
  return Parser(text, level).Condition();
}
base::Result<ParsedStatement> ParseStatement(std::string_view text, Level level) {
  return Parser(text, level).Statement();
}

}  // namespace narthex::ottl::internal

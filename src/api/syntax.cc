#include "api/handlers.h"
#include "json/writer.h"
#include "model/number.h"
#include "promql/functions/function.h"
#include "promql/parser/parser.h"
#include "promql/parser/printer.h"

namespace narthex::api {
namespace {

using promql::As;
using promql::Expr;

base::Result<promql::ExprPtr> ParseParam(const ApiV1::Options& options, const Request& request) {
  auto expr = promql::Parse(request.params.Get("query"), options.engine.options().parse);
  if (!expr) return std::unexpected(InvalidParam("query", std::move(expr).error()));
  return expr;
}

void WriteStrings(json::Writer& writer, const std::vector<std::string>& values) {
  writer.BeginArray();
  for (const std::string& value : values) writer.String(value);
  writer.EndArray();
}

void WriteModifiers(json::Writer& writer, const std::optional<promql::Duration>& offset,
                    const promql::AtModifier& at) {
  using Kind = promql::AtModifier::Kind;
  writer.Key("offset").Int(offset ? offset->ms : 0);
  writer.Key("timestamp");
  if (at.kind == Kind::kTime) {
    writer.Int(at.time);
  } else {
    writer.Null();
  }
  writer.Key("startOrEnd");
  if (at.kind == Kind::kStart || at.kind == Kind::kEnd) {
    writer.String(at.kind == Kind::kStart ? "start" : "end");
  } else {
    writer.Null();
  }
}

void WriteSelector(json::Writer& writer, const promql::VectorSelector& node) {
  writer.Key("name").String(node.name);
  writer.Key("matchers").BeginArray();
  for (const model::Matcher& matcher : node.matchers) {
    writer.BeginObject();
    writer.Key("name").String(matcher.name());
    writer.Key("value").String(matcher.value());
    writer.Key("type").String(model::MatcherOperator(matcher.type()));
    writer.EndObject();
  }
  writer.EndArray();
  WriteModifiers(writer, node.offset, node.at);
  if (node.anchored) writer.Key("anchored").Bool(true);
  if (node.smoothed) writer.Key("smoothed").Bool(true);
}

std::string_view CardinalityText(promql::Cardinality cardinality) {
  switch (cardinality) {
    case promql::Cardinality::kOneToOne:
      return "one-to-one";
    case promql::Cardinality::kManyToOne:
      return "many-to-one";
    case promql::Cardinality::kOneToMany:
      return "one-to-many";
    case promql::Cardinality::kManyToMany:
      return "many-to-many";
  }
  return "";
}

void WriteNode(json::Writer& writer, const Expr& expr);

[[gnu::noinline]] void WriteBinary(json::Writer& writer, const promql::Binary& node) {
  writer.Key("type").String("binaryExpr");
  writer.Key("op").String(promql::BinaryOpText(node.op));
  writer.Key("bool").Bool(node.return_bool);
  writer.Key("matching");
  if (!node.BothVectors()) {
    writer.Null();
    return;
  }
  const promql::VectorMatching& matching = node.matching;
  writer.BeginObject();
  writer.Key("card").String(CardinalityText(matching.cardinality));
  writer.Key("labels");
  WriteStrings(writer, matching.labels);
  writer.Key("on").Bool(matching.on);
  writer.Key("include");
  WriteStrings(writer, matching.include);
  writer.EndObject();
}

[[gnu::noinline]] void WriteFunction(json::Writer& writer, const promql::Function& function) {
  writer.Key("func").BeginObject();
  writer.Key("name").String(function.name);
  writer.Key("argTypes").BeginArray();
  for (size_t i = 0; i < function.args_max() - function.repeats; ++i) {
    writer.String(promql::ValueTypeName(function.arg(i)));
  }
  writer.EndArray();
  const size_t listed = function.args_max() - function.repeats;
  int64_t variadic = static_cast<int64_t>(listed - std::min(listed, function.required));
  if (function.repeats > 0) {
    variadic = function.repeats == promql::kAnyTimes ? -1 : static_cast<int64_t>(function.repeats);
  }
  writer.Key("variadic").Int(variadic);
  writer.Key("returnType").String(promql::ValueTypeName(function.result));
  writer.EndObject();
}

[[gnu::noinline]] void WriteNumber(json::Writer& writer, double value) {
  std::string text;
  model::AppendFixedFloat(text, value);
  writer.Key("val").String(text);
}

// The tree as upstream's web interface draws it. Depth is bounded by the parser.
void WriteNode(json::Writer& writer, const Expr& expr) {
  writer.BeginObject();
  switch (expr.kind) {
    case Expr::Kind::kNumber:
      writer.Key("type").String("numberLiteral");
      WriteNumber(writer, As<promql::Number>(expr).value);
      break;
    case Expr::Kind::kString:
      writer.Key("type").String("stringLiteral");
      writer.Key("val").String(As<promql::String>(expr).value);
      break;
    case Expr::Kind::kVectorSelector:
      writer.Key("type").String("vectorSelector");
      WriteSelector(writer, As<promql::VectorSelector>(expr));
      break;
    case Expr::Kind::kMatrixSelector:
      writer.Key("type").String("matrixSelector");
      writer.Key("range").Int(As<promql::MatrixSelector>(expr).range.ms);
      WriteSelector(writer, *As<promql::MatrixSelector>(expr).vector);
      break;
    case Expr::Kind::kSubquery: {
      const auto& node = As<promql::Subquery>(expr);
      writer.Key("type").String("subquery");
      writer.Key("expr");
      WriteNode(writer, *node.expr);
      writer.Key("range").Int(node.range.ms);
      writer.Key("step").Int(node.step ? node.step->ms : 0);
      WriteModifiers(writer, node.offset, node.at);
      break;
    }
    case Expr::Kind::kUnary:
      writer.Key("type").String("unaryExpr");
      writer.Key("op").String(As<promql::Unary>(expr).negate ? "-" : "+");
      writer.Key("expr");
      WriteNode(writer, *As<promql::Unary>(expr).expr);
      break;
    case Expr::Kind::kParen:
      writer.Key("type").String("parenExpr");
      writer.Key("expr");
      WriteNode(writer, *As<promql::Paren>(expr).expr);
      break;
    case Expr::Kind::kBinary:
      WriteBinary(writer, As<promql::Binary>(expr));
      writer.Key("lhs");
      WriteNode(writer, *As<promql::Binary>(expr).left);
      writer.Key("rhs");
      WriteNode(writer, *As<promql::Binary>(expr).right);
      break;
    case Expr::Kind::kCall:
      writer.Key("type").String("call");
      WriteFunction(writer, *As<promql::Call>(expr).function);
      writer.Key("args").BeginArray();
      for (const promql::ExprPtr& arg : As<promql::Call>(expr).args) WriteNode(writer, *arg);
      writer.EndArray();
      break;
    case Expr::Kind::kAggregate: {
      const auto& node = As<promql::Aggregate>(expr);
      writer.Key("type").String("aggregation");
      writer.Key("op").String(promql::AggregateOpText(node.op));
      writer.Key("expr");
      WriteNode(writer, *node.expr);
      writer.Key("param");
      if (node.parameter) {
        WriteNode(writer, *node.parameter);
      } else {
        writer.Null();
      }
      writer.Key("grouping");
      WriteStrings(writer, node.grouping);
      writer.Key("without").Bool(node.without);
      break;
    }
  }
  writer.EndObject();
}

}  // namespace

base::Result<Answer> FormatQuery(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const promql::ExprPtr expr, ParseParam(options, request));
  Answer answer;
  json::AppendString(answer.data, promql::Pretty(*expr));
  return answer;
}

base::Result<Answer> ParseQuery(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const promql::ExprPtr expr, ParseParam(options, request));
  json::Writer writer;
  WriteNode(writer, *expr);
  return Answer{.data = writer.Take()};
}

}  // namespace narthex::api

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "api/result_json.h"
#include "base/time_format.h"
#include "model/number.h"
#include "promql_tool.h"

namespace narthex::apps {
namespace {

using promql::QueryResult;
using promql::ResultRow;
using promql::ValueType;

std::string ValueText(const ResultRow& row, size_t i) {
  return row.samples.IsHistogram(i) ? row.samples.histograms[i]->ToString()
                                    : model::FormatFloat(row.samples.v[i]);
}

// "1700000000.5"
std::string SecondsText(model::Timestamp t) {
  std::string text;
  api::AppendTimestamp(text, t);
  return text;
}

// An instant vector has a line per series; where there are more samples they follow their series.
std::string Table(const QueryResult& result) {
  if (result.type == ValueType::kString) return result.text + "\n";
  std::string out;
  if (result.type == ValueType::kMatrix) {
    for (const ResultRow& row : result.rows) {
      out += row.labels.ToString() + "\n";
      for (size_t i = 0; i < row.samples.size(); ++i) {
        out += fmt::format("  {}  {}\n", base::FormatRfc3339(row.samples.t[i]), ValueText(row, i));
      }
    }
    return out;
  }
  size_t width = 0;
  std::vector<std::string> names;
  for (const ResultRow& row : result.rows) {
    names.push_back(row.labels.empty() ? "{}" : row.labels.ToString());
    width = std::max(width, names.back().size());
  }
  for (size_t i = 0; i < names.size(); ++i) {
    out += fmt::format("{:<{}}  {}\n", names[i], width, ValueText(result.rows[i], 0));
  }
  return out;
}

// Source: RFC 4180.
std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string Csv(const QueryResult& result) {
  if (result.type == ValueType::kString) {
    return fmt::format("timestamp,value\n{},{}\n", SecondsText(result.time), CsvField(result.text));
  }
  std::set<std::string> names;
  for (const ResultRow& row : result.rows) {
    for (const model::LabelView label : row.labels) names.emplace(label.name);
  }
  std::string out;
  for (const std::string& name : names) out += CsvField(name) + ",";
  out += "timestamp,value\n";
  for (const ResultRow& row : result.rows) {
    std::string labels;
    for (const std::string& name : names) labels += CsvField(row.labels.Get(name)) + ",";
    for (size_t i = 0; i < row.samples.size(); ++i) {
      out += fmt::format("{}{},{}\n", labels, SecondsText(row.samples.t[i]),
                         CsvField(ValueText(row, i)));
    }
  }
  return out;
}

std::string Promql(const QueryResult& result) {
  if (result.type == ValueType::kString) return result.text + "\n";
  std::string out;
  for (const ResultRow& row : result.rows) {
    if (result.type == ValueType::kScalar) {
      out += fmt::format("scalar: {} @[{}]\n", ValueText(row, 0), SecondsText(row.samples.t[0]));
    } else if (result.type == ValueType::kVector) {
      out += fmt::format("{} => {} @[{}]\n", row.labels.ToString(), ValueText(row, 0),
                         SecondsText(row.samples.t[0]));
    } else {
      out += row.labels.ToString() + " =>\n";
      for (size_t i = 0; i < row.samples.size(); ++i) {
        out += fmt::format("{} @[{}]\n", ValueText(row, i), SecondsText(row.samples.t[i]));
      }
    }
  }
  return out;
}

}  // namespace

base::Result<ResultFormat> ParseResultFormat(std::string_view name) {
  if (name == "table") return ResultFormat::kTable;
  if (name == "csv") return ResultFormat::kCsv;
  if (name == "json") return ResultFormat::kJson;
  if (name == "promql") return ResultFormat::kPromql;
  return base::Fail(base::Code::kInvalidArgument,
                    "--format: \"{}\" is none of table, csv, json, promql", name);
}

std::string FormatResult(const QueryResult& result, ResultFormat format) {
  switch (format) {
    case ResultFormat::kTable:
      return Table(result);
    case ResultFormat::kCsv:
      return Csv(result);
    case ResultFormat::kPromql:
      return Promql(result);
    case ResultFormat::kJson: {
      std::string out;
      (void)api::AppendQueryResult(out, result, 0, false, [](size_t) { return base::Status{}; });
      return out + "\n";
    }
  }
  return {};
}

std::string PointOut(std::string_view query, std::string_view message) {
  size_t line = 0;
  size_t column = 0;
  const char* const end = message.data() + message.size();
  const auto first = std::from_chars(message.data(), end, line);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::string(message);
  const auto second = std::from_chars(first.ptr + 1, end, column);
  if (second.ec != std::errc() || second.ptr == end || *second.ptr != ':') {
    return std::string(message);
  }
  for (; line > 1 && query.find('\n') != std::string_view::npos; --line) {
    query.remove_prefix(query.find('\n') + 1);
  }
  query = query.substr(0, query.find('\n'));
  return fmt::format("{}\n  {}\n  {:>{}}", message, query, "^", std::max<size_t>(column, 1));
}

}  // namespace narthex::apps

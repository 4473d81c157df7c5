#include "api/result_json.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "json/writer.h"
#include "model/number.h"

namespace narthex::api {
namespace {

// Seconds, with milliseconds where there are any; returns the end. At most 21 bytes.
char* WriteTimestamp(char* to, model::Timestamp t) {
  uint64_t magnitude = static_cast<uint64_t>(t);
  if (t < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  to = std::to_chars(to, to + 20, magnitude / 1000).ptr;
  const auto fraction = static_cast<unsigned>(magnitude % 1000);
  if (fraction != 0) {
    *to++ = '.';
    *to++ = static_cast<char>('0' + fraction / 100);
    *to++ = static_cast<char>('0' + fraction / 10 % 10);
    *to++ = static_cast<char>('0' + fraction % 10);
  }
  return to;
}

// Few and small pieces: each costs as much as the digits in it.
void AppendSample(std::string& out, model::Timestamp t, double value) {
  char buffer[32];
  buffer[0] = '[';
  char* to = WriteTimestamp(buffer + 1, t);
  *to++ = ',';
  *to++ = '"';
  out.append(buffer, static_cast<size_t>(to - buffer));
  model::AppendJsonFloat(out, value);
  out.append("\"]", 2);
}

void AppendQuotedFloat(std::string& out, double value) {
  out += '"';
  model::AppendJsonFloat(out, value);
  out += '"';
}

// Empty buckets are left out, and all of them where none has a count.
void AppendHistogram(std::string& out, model::Timestamp t, const model::FloatHistogram& h) {
  out += '[';
  AppendTimestamp(out, t);
  out += ",{\"count\":";
  AppendQuotedFloat(out, h.count);
  out += ",\"sum\":";
  AppendQuotedFloat(out, h.sum);
  bool any = false;
  for (const model::HistogramBucket& bucket : h.Buckets()) {
    if (bucket.count == 0) continue;
    out += any ? ",[" : ",\"buckets\":[[";
    any = true;
    // 0: open at the left, 1: at the right, 2: at both, 3: at none.
    constexpr char kRules[2][2] = {{'2', '0'}, {'1', '3'}};
    out += kRules[bucket.lower_inclusive ? 1 : 0][bucket.upper_inclusive ? 1 : 0];
    for (const double value : {bucket.lower, bucket.upper, bucket.count}) {
      out += ',';
      AppendQuotedFloat(out, value);
    }
    out += ']';
  }
  out += any ? "]}]" : "}]";
}

// The samples of one kind as a member of a row; nothing where there is none.
void AppendSeries(std::string& out, const model::SampleColumns& samples, bool histograms) {
  bool any = false;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples.IsHistogram(i) != histograms) continue;
    if (any) {
      out += ',';
    } else {
      out += histograms ? ",\"histograms\":[" : ",\"values\":[";
    }
    any = true;
    if (histograms) {
      AppendHistogram(out, samples.t[i], *samples.histograms[i]);
    } else {
      AppendSample(out, samples.t[i], samples.v[i]);
    }
  }
  if (any) out += ']';
}

void AppendRow(std::string& out, const promql::ResultRow& row, bool many) {
  out += "{\"metric\":";
  AppendLabels(out, row.labels);
  if (many) {
    AppendSeries(out, row.samples, false);
    if (row.samples.HasHistograms()) AppendSeries(out, row.samples, true);
  } else if (row.samples.IsHistogram(0)) {
    out += ",\"histogram\":";
    AppendHistogram(out, row.samples.t[0], *row.samples.histograms[0]);
  } else {
    out += ",\"value\":";
    AppendSample(out, row.samples.t[0], row.samples.v[0]);
  }
  out += '}';
}

// Of rows whose samples take about what those of the first one do, and of a little behind them.
size_t EstimatedBytes(std::span<const promql::ResultRow> rows, size_t first_bytes) {
  constexpr size_t kMargin = 16;
  size_t samples = 0;
  for (const promql::ResultRow& row : rows) samples += row.samples.size();
  const size_t per_sample = first_bytes / std::max<size_t>(rows[0].samples.size(), 1) + 1;
  return samples * per_sample + samples * per_sample / kMargin + 1024;
}

base::Status AppendRows(std::string& out, std::span<const promql::ResultRow> rows, bool many,
                        const std::function<base::Status(size_t bytes)>& admit) {
  out += '[';
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) out += ',';
    RETURN_IF_ERROR(admit(out.capacity()));
    const size_t begin = out.size();
    AppendRow(out, rows[i], many);
    // Growing step by step would copy everything about once more.
    if (i == 0) out.reserve(begin + EstimatedBytes(rows, out.size() - begin));
  }
  out += ']';
  return {};
}

void WritePlan(json::Writer& writer, const promql::PlanNode& node) {
  writer.BeginObject();
  writer.Key("operator").String(node.text);
  if (!node.notes.empty()) writer.Key("notes").String(node.notes);
  writer.Key("series").Uint(node.series);
  writer.Key("values").Uint(node.values);
  writer.Key("samplesRead").Uint(node.samples_read);
  writer.Key("bytes").Uint(node.bytes);
  writer.Key("seconds").Double(node.seconds);
  writer.Key("inputs").BeginArray();
  for (const auto& input : node.inputs) WritePlan(writer, *input);
  writer.EndArray().EndObject();
}

void WriteTimingsAndSamples(json::Writer& writer, const promql::QueryStats& stats) {
  writer.Key("timings").BeginObject();
  writer.Key("evalTotalTime").Double(stats.eval_seconds);
  writer.Key("resultSortTime").Double(0);
  writer.Key("queryPreparationTime").Double(stats.prepare_seconds);
  writer.Key("innerEvalTime").Double(stats.eval_seconds);
  writer.Key("execQueueTime").Double(stats.queue_seconds);
  writer.Key("execTotalTime")
      .Double(stats.queue_seconds + stats.prepare_seconds + stats.eval_seconds);
  writer.EndObject();
  writer.Key("samples").BeginObject();
  writer.Key("totalQueryableSamples").Uint(stats.samples_read);
  writer.Key("peakSamples").Uint(stats.samples_peak);
  writer.EndObject();
}

void AppendStats(std::string& out, const promql::QueryResult& result) {
  json::Writer writer;
  writer.BeginObject();
  WriteTimingsAndSamples(writer, result.stats);
  if (result.plan != nullptr) {
    writer.Key("peakBytes").Uint(result.stats.memory_peak_bytes);
    writer.Key("plan");
    WritePlan(writer, *result.plan);
  }
  writer.EndObject();
  out += writer.text();
}

}  // namespace

void WriteStats(json::Writer& writer, const promql::QueryStats& stats) {
  writer.BeginObject();
  WriteTimingsAndSamples(writer, stats);
  writer.EndObject();
}

void AppendTimestamp(std::string& out, model::Timestamp t) {
  char buffer[24];
  out.append(buffer, static_cast<size_t>(WriteTimestamp(buffer, t) - buffer));
}

void AppendLabels(std::string& out, const model::Labels& labels) {
  char separator = '{';
  for (const model::LabelView label : labels) {
    out += separator;
    separator = ',';
    json::AppendString(out, label.name);
    out += ':';
    json::AppendString(out, label.value);
  }
  out += separator == '{' ? "{}" : "}";
}

base::Result<bool> AppendQueryResult(std::string& out, const promql::QueryResult& result,
                                     size_t limit, bool with_stats,
                                     const std::function<base::Status(size_t bytes)>& admit) {
  out += "{\"resultType\":\"";
  out += promql::ValueTypeName(result.type);
  out += "\",\"result\":";
  bool truncated = false;
  if (result.type == promql::ValueType::kString) {
    out += '[';
    AppendTimestamp(out, result.time);
    out += ',';
    json::AppendString(out, result.text);
    out += ']';
  } else if (result.type == promql::ValueType::kScalar) {
    AppendSample(out, result.rows[0].samples.t[0], result.rows[0].samples.v[0]);
  } else {
    size_t count = result.rows.size();
    if (limit > 0 && count > limit) {
      count = limit;
      truncated = true;
    }
    RETURN_IF_ERROR(AppendRows(out, {result.rows.data(), count},
                               result.type == promql::ValueType::kMatrix, admit));
  }
  if (with_stats) {
    out += ",\"stats\":";
    AppendStats(out, result);
  }
  out += '}';
  return truncated;
}

}  // namespace narthex::api

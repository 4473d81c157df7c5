#include "demo/report.h"

#include "json/writer.h"

namespace narthex::demo {
namespace {

void WriteFlow(json::Writer& writer, uint64_t in, uint64_t out, uint64_t waiting, uint64_t lost) {
  writer.Key("in").Uint(in);
  writer.Key("out").Uint(out);
  writer.Key("waiting").Uint(waiting);
  writer.Key("lost").Uint(lost);
}

void WriteRequests(json::Writer& writer, const RequestCounts& counts) {
  writer.Key("requests").BeginArray();
  for (const auto& [key, count] : counts) {
    writer.BeginObject();
    writer.Key("method").String(key.method);
    writer.Key("endpoint").String(key.endpoint);
    writer.Key("status").String(key.status);
    writer.Key("count").Uint(count);
    writer.EndObject();
  }
  writer.EndArray();
}

void WriteHops(json::Writer& writer, const Ledger& ledger) {
  writer.BeginObject();
  if (ledger.load.has_value()) {
    const LoadTotals& load = *ledger.load;
    writer.Key("load").BeginObject();
    WriteFlow(writer, load.planned, load.completed, load.in_flight, load.failed + load.dropped);
    writer.Key("sent").Uint(load.sent);
    WriteRequests(writer, load.requests);
    writer.EndObject();
  }
  const auto waiting = static_cast<uint64_t>(std::max<int64_t>(ledger.api.in_flight, 0));
  const uint64_t answered = TotalOf(ledger.api.requests);
  writer.Key("api").BeginObject();
  WriteFlow(writer, answered + waiting, answered, waiting, 0);
  WriteRequests(writer, ledger.api.requests);
  writer.EndObject();

  const CollectorTotals& collector = ledger.collector;
  const uint64_t lost =
      collector.refused_points + collector.failed_points + collector.send_failed_points;
  writer.Key("collector").BeginObject();
  WriteFlow(writer, collector.accepted_points + collector.refused_points + collector.failed_points,
            collector.sent_points, 0, lost);
  WriteRequests(writer, collector.requests);
  writer.EndObject();

  writer.Key("server").BeginObject();
  writer.Key("samples_per_scrape").Uint(ledger.server.samples_per_scrape);
  writer.Key("targets_up").Uint(ledger.server.targets_up);
  writer.Key("targets_down").Uint(ledger.server.targets_down);
  WriteRequests(writer, ledger.server.requests);
  writer.EndObject();
  writer.EndObject();
}

void WriteAnswer(json::Writer& writer, const QueryAnswer& answer) {
  writer.BeginObject();
  writer.Key("title").String(answer.query->title);
  writer.Key("query").String(answer.query->promql);
  if (!answer.error.empty()) writer.Key("error").String(answer.error);
  writer.Key("answer").BeginArray();
  for (const AnswerSeries& series : answer.series) {
    writer.BeginObject().Key("labels").BeginObject();
    for (const auto& [name, value] : series.labels) writer.Key(name).String(value);
    writer.EndObject();
    writer.Key("value").Double(series.value);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
}

}  // namespace

std::vector<std::string> Report::Differences() const {
  std::vector<std::string> all = problems;
  for (std::string& difference : ledger.Differences()) all.push_back(std::move(difference));
  return all;
}

std::string FormatReport(const Report& report) {
  json::Writer writer;
  writer.BeginObject();
  writer.Key("run").String(report.run);
  writer.Key("elapsed_s").Double(report.elapsed_s);
  writer.Key("hops");
  WriteHops(writer, report.ledger);
  writer.Key("queries").BeginArray();
  for (const QueryAnswer& answer : report.answers) WriteAnswer(writer, answer);
  writer.EndArray();
  writer.Key("notes").BeginArray();
  for (const std::string& note : report.notes) writer.String(note);
  writer.EndArray();
  writer.Key("differences").BeginArray();
  for (const std::string& difference : report.Differences()) writer.String(difference);
  writer.EndArray();
  writer.Key("adds_up").Bool(report.adds_up());
  writer.EndObject();
  return writer.Take();
}

}  // namespace narthex::demo

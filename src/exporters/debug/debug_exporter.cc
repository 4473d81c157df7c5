#include "exporters/debug/debug_exporter.h"

#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "model/number.h"

namespace narthex::exporters {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string_view KindName(const otlp::Metric& metric) {
  switch (metric.kind) {
    case otlp::MetricKind::kNone:
      return "Empty";
    case otlp::MetricKind::kGauge:
      return "Gauge";
    case otlp::MetricKind::kSum:
      return "Sum";
    case otlp::MetricKind::kHistogram:
      return "Histogram";
    case otlp::MetricKind::kExponentialHistogram:
      return "ExponentialHistogram";
    case otlp::MetricKind::kSummary:
      return "Summary";
  }
  return "";
}

std::string_view TemporalityName(otlp::Temporality temporality) {
  switch (temporality) {
    case otlp::Temporality::kUnspecified:
      return "Unspecified";
    case otlp::Temporality::kDelta:
      return "Delta";
    case otlp::Temporality::kCumulative:
      return "Cumulative";
  }
  return "";
}

// "{a=1, b=x}"
std::string AttributeList(std::string_view fields) {
  std::string out = "{";
  otlp::KeyValues attributes(fields);
  while (const auto item = attributes.Next()) {
    if (out.size() > 1) out += ", ";
    out += item->key;
    out += '=';
    otlp::AppendText(out, item->value);
  }
  return out + "}";
}

std::string Describe(const otlp::NumberPoint& point) {
  return point.type == otlp::NumberPoint::Type::kInt
             ? fmt::format("value={}", point.Int())
             : "value=" + model::FormatFloat(point.Double());
}

std::string Describe(const otlp::HistogramPoint& point) {
  std::string out = fmt::format("count={}", point.count);
  if (point.optionals.has_sum) out += " sum=" + model::FormatFloat(point.optionals.sum);
  if (point.optionals.has_min) out += " min=" + model::FormatFloat(point.optionals.min);
  if (point.optionals.has_max) out += " max=" + model::FormatFloat(point.optionals.max);
  for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
    const bool is_last = i >= point.explicit_bounds.size();
    out += fmt::format(" le{}={}",
                       is_last ? "+Inf" : model::FormatFloat(point.explicit_bounds.Double(i)),
                       point.bucket_counts.Uint(i));
  }
  return out;
}

std::string Describe(const otlp::ExponentialHistogramPoint& point) {
  return fmt::format("count={} scale={} zero_count={}", point.count, point.scale, point.zero_count);
}

std::string Describe(const otlp::SummaryPoint& point) {
  return fmt::format("count={} sum={}", point.count, model::FormatFloat(point.sum));
}

class Printer {
 public:
  Printer(const otlp::Batch& batch, bool detailed) : batch_(batch), detailed_(detailed) {}

  std::string Run() {
    for (const otlp::ResourceMetrics& resource : batch_.resources) {
      fmt::format_to(Out(out_), "Resource {} {}\n", resource.schema_url,
                     AttributeList(resource.attributes));
      for (const otlp::Scope& scope : batch_.ScopesOf(resource)) {
        fmt::format_to(Out(out_), "Scope {} {} {}\n", scope.name, scope.version,
                       AttributeList(scope.attributes));
        for (const otlp::Metric& metric : batch_.MetricsOf(scope)) Print(metric);
      }
    }
    return std::move(out_);
  }

 private:
  void Print(const otlp::Metric& metric) {
    if (detailed_) {
      fmt::format_to(Out(out_), "Metric {} ({}) unit=\"{}\" {} {}{}\n", metric.name,
                     metric.description, metric.unit, KindName(metric),
                     TemporalityName(metric.temporality), metric.is_monotonic ? " monotonic" : "");
    }
    switch (metric.kind) {
      case otlp::MetricKind::kNone:
        break;
      case otlp::MetricKind::kGauge:
      case otlp::MetricKind::kSum:
        return Print(metric, batch_.NumbersOf(metric));
      case otlp::MetricKind::kHistogram:
        return Print(metric, batch_.HistogramsOf(metric));
      case otlp::MetricKind::kExponentialHistogram:
        return Print(metric, batch_.ExponentialsOf(metric));
      case otlp::MetricKind::kSummary:
        return Print(metric, batch_.SummariesOf(metric));
    }
  }

  template <class Point>
  void Print(const otlp::Metric& metric, std::span<const Point> points) {
    for (const Point& point : points) {
      fmt::format_to(Out(out_), "{}{} {}", metric.name, AttributeList(point.attributes),
                     Describe(point));
      if (detailed_) {
        fmt::format_to(Out(out_), " start_ns={} time_ns={} flags={}", point.start_ns, point.time_ns,
                       point.flags);
      }
      out_ += '\n';
    }
  }

  const otlp::Batch& batch_;
  const bool detailed_;
  std::string out_;
};

void PrintToStdout(std::string_view text) { std::cout << text << std::flush; }

}  // namespace

std::unique_ptr<pipeline::Exporter> DebugExporter::Create(const pipeline::CreateContext& context) {
  std::string verbosity = "basic";
  config::MapReader reader(context.config, context.diagnostics);
  reader.Read("verbosity", verbosity,
              "`basic`: how much comes; `normal`: a line per point; `detailed`: everything");
  context.WarnWithoutEffect(
      reader.TakeWithoutEffect({"sampling_initial", "sampling_thereafter", "use_internal_logger",
                                "output_paths", "sending_queue"}));
  reader.Finish();
  Verbosity level = Verbosity::kBasic;
  if (verbosity == "normal") {
    level = Verbosity::kNormal;
  } else if (verbosity == "detailed") {
    level = Verbosity::kDetailed;
  } else if (verbosity != "basic") {
    reader.Report("verbosity", "must be basic, normal or detailed");
  }
  return std::make_unique<DebugExporter>(level, context.id.ToString(), context.host,
                                         &PrintToStdout);
}

DebugExporter::DebugExporter(Verbosity verbosity, const std::string& name, pipeline::Host& host,
                             std::function<void(std::string_view)> print)
    : verbosity_(verbosity),
      name_(name),
      logger_(host.logger),
      print_(std::move(print)),
      flow_(host.instruments, "exporter/" + name),
      sent_(host.instruments.exporter_sent->Bind({{"exporter", name}})) {}

base::Status DebugExporter::Consume(otlp::Batch batch) {
  const size_t points = batch.point_count();
  flow_.In(points);
  logger_.Info("debug", "Metrics",
               {{"exporter", name_},
                {"resource metrics", batch.resources.size()},
                {"metrics", batch.metrics.size()},
                {"data points", points}});
  if (verbosity_ != Verbosity::kBasic) {
    print_(Printer(batch, verbosity_ == Verbosity::kDetailed).Run());
  }
  flow_.Out(points);
  sent_.Add(points);
  return {};
}

}  // namespace narthex::exporters

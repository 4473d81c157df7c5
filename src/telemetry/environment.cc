#include "telemetry/environment.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/ascii.h"
#include "net/http.h"

namespace narthex::telemetry {
namespace {

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

// Reads one environment; knows what to say about bad values.
class Reader {
 public:
  Reader(const GetEnv& get, base::Logger& logger) : get_(get), logger_(logger) {}

  // An empty value counts as none.
  std::optional<std::string> Text(const std::string& name) const {
    std::optional<std::string> value = get_(name);
    return value.has_value() && !value->empty() ? value : std::nullopt;
  }
  // A variable with its name.
  std::optional<std::pair<std::string, std::string>> Named(const std::string& name) const {
    auto value = Text(name);
    if (!value.has_value()) return std::nullopt;
    return std::pair(name, *std::move(value));
  }
  // OTEL_EXPORTER_OTLP_METRICS_X, or else OTEL_EXPORTER_OTLP_X; with the name that had it.
  std::optional<std::pair<std::string, std::string>> Otlp(const std::string& suffix) const {
    for (const char* prefix : {"OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"}) {
      if (auto named = Named(prefix + suffix)) return named;
    }
    return std::nullopt;
  }
  void Milliseconds(const std::string& name, const std::optional<std::string>& text,
                    std::chrono::milliseconds& out) const {
    if (!text.has_value()) return;
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value <= 0) {
      return Warn(name, *text);
    }
    out = std::chrono::milliseconds(value);
  }
  void Warn(const std::string& name, const std::string& value) const {
    logger_.Warn("telemetry", "environment variable ignored: its value is not understood",
                 {{"name", name}, {"value", value}});
  }
  void WarnNoEffect(const std::string& name) const {
    if (Text(name)) {
      logger_.Warn("telemetry", "environment variable has no effect here", {{"name", name}});
    }
  }

 private:
  const GetEnv& get_;
  base::Logger& logger_;
};

sdk::AttributeSet ReadResource(const Reader& reader) {
  sdk::AttributeSet attributes;
  if (const auto text = reader.Text("OTEL_RESOURCE_ATTRIBUTES")) {
    auto parsed = sdk::ParseResourceAttributes(*text);
    if (parsed.has_value()) {
      attributes = *std::move(parsed);
    } else {
      reader.Warn("OTEL_RESOURCE_ATTRIBUTES", *text);
    }
  }
  const auto name = reader.Text("OTEL_SERVICE_NAME");
  if (!name.has_value()) return attributes;
  std::vector<sdk::Attribute> all(attributes.items().begin(), attributes.items().end());
  all.push_back({"service.name", *name});
  return sdk::AttributeSet(all);
}

// Reads an enumeration; `values` by their names in small letters.
template <class T>
void ReadEnum(const Reader& reader, const std::optional<std::pair<std::string, std::string>>& text,
              std::initializer_list<std::pair<std::string_view, T>> values, T& out) {
  if (!text.has_value()) return;
  const std::string name = Lower(text->second);
  for (const auto& [value_name, value] : values) {
    if (name == value_name) {
      out = value;
      return;
    }
  }
  reader.Warn(text->first, text->second);
}

bool HasScheme(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

// The general endpoint is a base for HTTP; the signal's own is used as it is. For gRPC both are a
// host and a port, with or without a scheme.
void ReadUrl(const Reader& reader, Settings& settings) {
  const bool is_grpc = settings.protocol == Settings::Protocol::kGrpc;
  if (is_grpc) settings.url = "http://localhost:4317";
  const auto endpoint = reader.Otlp("ENDPOINT");
  if (!endpoint.has_value()) return;
  const auto& [name, value] = *endpoint;
  if (is_grpc) {
    std::string url = value;
    if (!HasScheme(url)) {
      if (url.find("://") != std::string::npos) return reader.Warn(name, value);
      bool is_insecure = false;
      ReadEnum(reader, reader.Otlp("INSECURE"), {{"true", true}, {"false", false}}, is_insecure);
      url.insert(0, is_insecure ? "http://" : "https://");
    }
    const size_t path = url.find('/', url.find("//") + 2);
    settings.url = url.substr(0, path);
    return;
  }
  if (!HasScheme(value)) return reader.Warn(name, value);
  settings.url = value;
  if (name.starts_with("OTEL_EXPORTER_OTLP_METRICS_")) {
    const size_t host = value.find("//") + 2;
    if (value.find('/', host) == std::string::npos) settings.url += '/';
  } else {
    settings.url += value.ends_with('/') ? "v1/metrics" : "/v1/metrics";
  }
}

void ReadPrometheusAddress(const Reader& reader, Settings& settings) {
  const std::string host = reader.Text("OTEL_EXPORTER_PROMETHEUS_HOST").value_or("localhost");
  uint16_t port = 9464;
  if (const auto text = reader.Text("OTEL_EXPORTER_PROMETHEUS_PORT")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), port);
    if (error != std::errc() || end != text->data() + text->size()) {
      reader.Warn("OTEL_EXPORTER_PROMETHEUS_PORT", *text);
      port = 9464;
    }
  }
  const bool is_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
  settings.prometheus_address = (is_ipv6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

void ReadHeaders(const Reader& reader, Settings& settings) {
  const auto headers = reader.Otlp("HEADERS");
  if (!headers.has_value()) return;
  std::string_view rest = headers->second;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view pair = base::Trim(rest.substr(0, comma), " \t");
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const size_t equals = pair.find('=');
    const auto value = net::PercentDecode(base::Trim(
        pair.substr(equals == std::string_view::npos ? pair.size() : equals + 1), " \t"));
    if (equals == std::string_view::npos || equals == 0 || !value.has_value()) {
      if (!pair.empty()) reader.Warn(headers->first, std::string(pair));
      continue;
    }
    settings.headers.emplace_back(base::Trim(pair.substr(0, equals), " \t"), *value);
  }
}

}  // namespace

GetEnv ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
}

Settings ReadSettings(const GetEnv& get, base::Logger& logger) {
  const Reader reader(get, logger);
  Settings settings;
  settings.disabled = Lower(reader.Text("OTEL_SDK_DISABLED").value_or("")) == "true";
  settings.resource_attributes = ReadResource(reader);
  using Exporter = Settings::Exporter;
  using Protocol = Settings::Protocol;
  ReadEnum(reader, reader.Named("OTEL_METRICS_EXPORTER"),
           {{"otlp", Exporter::kOtlp},
            {"prometheus", Exporter::kPrometheus},
            {"console", Exporter::kConsole},
            {"none", Exporter::kNone}},
           settings.exporter);
  ReadEnum(reader, reader.Otlp("PROTOCOL"),
           {{"http/protobuf", Protocol::kHttpProtobuf},
            {"http/json", Protocol::kHttpJson},
            {"grpc", Protocol::kGrpc}},
           settings.protocol);
  ReadUrl(reader, settings);
  ReadHeaders(reader, settings);
  ReadEnum(reader, reader.Otlp("COMPRESSION"), {{"gzip", true}, {"none", false}}, settings.gzip);
  const auto file = [&](const char* suffix) {
    const auto named = reader.Otlp(suffix);
    return named.has_value() ? named->second : std::string();
  };
  settings.ca_file = file("CERTIFICATE");
  settings.cert_file = file("CLIENT_CERTIFICATE");
  settings.key_file = file("CLIENT_KEY");
  ReadPrometheusAddress(reader, settings);
  reader.Milliseconds("OTEL_METRIC_EXPORT_INTERVAL", reader.Text("OTEL_METRIC_EXPORT_INTERVAL"),
                      settings.interval);
  if (const auto timeout = reader.Otlp("TIMEOUT")) {
    reader.Milliseconds(timeout->first, timeout->second, settings.timeout);
  }
  // The reader's limit holds over the exporter's.
  std::chrono::milliseconds export_timeout{30'000};
  reader.Milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", reader.Text("OTEL_METRIC_EXPORT_TIMEOUT"),
                      export_timeout);
  settings.timeout = std::min(settings.timeout, export_timeout);
  using Preference = sdk::TemporalityPreference;
  ReadEnum(reader, reader.Named("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
           {{"cumulative", Preference::kCumulative},
            {"delta", Preference::kDelta},
            {"lowmemory", Preference::kLowMemory}},
           settings.temporality);
  ReadEnum(reader, reader.Named("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"),
           {{"explicit_bucket_histogram", sdk::Aggregation::kExplicitBucketHistogram},
            {"base2_exponential_bucket_histogram", sdk::Aggregation::kBase2ExponentialHistogram}},
           settings.histogram_aggregation);
  ReadEnum(reader, reader.Named("OTEL_METRICS_EXEMPLAR_FILTER"),
           {{"trace_based", sdk::ExemplarFilter::kTraceBased},
            {"always_on", sdk::ExemplarFilter::kAlwaysOn},
            {"always_off", sdk::ExemplarFilter::kAlwaysOff}},
           settings.exemplars);
  reader.WarnNoEffect("OTEL_CONFIG_FILE");
  return settings;
}

}  // namespace narthex::telemetry

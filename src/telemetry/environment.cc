#include "telemetry/environment.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "net/http.h"

namespace narthex::telemetry {
namespace {

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
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
  // OTEL_EXPORTER_OTLP_METRICS_X, or else OTEL_EXPORTER_OTLP_X; with the name that had it.
  std::optional<std::pair<std::string, std::string>> Otlp(const std::string& suffix) const {
    for (const char* prefix : {"OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"}) {
      if (auto value = Text(prefix + suffix)) return std::pair(prefix + suffix, *std::move(value));
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

void ReadUrl(const Reader& reader, Settings& settings) {
  const auto endpoint = reader.Otlp("ENDPOINT");
  if (!endpoint.has_value()) return;
  const auto& [name, value] = *endpoint;
  if (!value.starts_with("http://") && !value.starts_with("https://")) {
    return reader.Warn(name, value);
  }
  settings.url = value;
  if (name.starts_with("OTEL_EXPORTER_OTLP_METRICS_")) {
    const size_t host = value.find("//") + 2;
    if (value.find('/', host) == std::string::npos) settings.url += '/';
  } else {
    settings.url += value.ends_with('/') ? "v1/metrics" : "/v1/metrics";
  }
}

void ReadHeaders(const Reader& reader, Settings& settings) {
  const auto headers = reader.Otlp("HEADERS");
  if (!headers.has_value()) return;
  std::string_view rest = headers->second;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view pair = Trim(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const size_t equals = pair.find('=');
    const auto value = net::PercentDecode(
        Trim(pair.substr(equals == std::string_view::npos ? pair.size() : equals + 1)));
    if (equals == std::string_view::npos || equals == 0 || !value.has_value()) {
      if (!pair.empty()) reader.Warn(headers->first, std::string(pair));
      continue;
    }
    settings.headers.emplace_back(Trim(pair.substr(0, equals)), *value);
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
  if (const auto exporter = reader.Text("OTEL_METRICS_EXPORTER")) {
    const std::string name = Lower(*exporter);
    if (name == "none") {
      settings.exporter = Settings::Exporter::kNone;
    } else if (name != "otlp") {
      reader.Warn("OTEL_METRICS_EXPORTER", *exporter);
    }
  }
  ReadUrl(reader, settings);
  ReadHeaders(reader, settings);
  if (const auto protocol = reader.Otlp("PROTOCOL")) {
    const std::string name = Lower(protocol->second);
    settings.json = name == "http/json";
    if (name != "http/json" && name != "http/protobuf") {
      reader.Warn(protocol->first, protocol->second);
    }
  }
  if (const auto compression = reader.Otlp("COMPRESSION")) {
    const std::string name = Lower(compression->second);
    settings.gzip = name == "gzip";
    if (name != "gzip" && name != "none") reader.Warn(compression->first, compression->second);
  }
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
  if (const auto preference = reader.Text("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")) {
    const std::string name = Lower(*preference);
    if (name == "delta") {
      settings.temporality = sdk::TemporalityPreference::kDelta;
    } else if (name == "lowmemory") {
      settings.temporality = sdk::TemporalityPreference::kLowMemory;
    } else if (name != "cumulative") {
      reader.Warn("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", *preference);
    }
  }
  for (const char* name :
       {"OTEL_METRICS_EXEMPLAR_FILTER", "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "OTEL_CONFIG_FILE"}) {
    reader.WarnNoEffect(name);
  }
  return settings;
}

}  // namespace narthex::telemetry

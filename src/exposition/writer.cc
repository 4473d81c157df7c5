#include "exposition/writer.h"

#include "model/labels.h"
#include "model/number.h"

namespace narthex::exposition {
namespace {

void AppendEscaped(std::string& out, std::string_view text, bool quotes) {
  // Runs without anything to escape are copied whole.
  while (!text.empty()) {
    const size_t plain = std::min(text.find_first_of(quotes ? "\\\n\"" : "\\\n"), text.size());
    out.append(text.substr(0, plain));
    if (plain == text.size()) return;
    out += '\\';
    out += text[plain] == '\n' ? 'n' : text[plain];
    text.remove_prefix(plain + 1);
  }
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  AppendEscaped(out, text, true);
  out += '"';
}

// OpenMetrics tells floats from integers by their looks.
void AppendOpenMetricsFloat(std::string& out, double value) {
  const size_t from = out.size();
  model::AppendCompactFloat(out, value);
  if (std::string_view(out).substr(from).find_first_not_of("-0123456789") ==
      std::string_view::npos) {
    out += ".0";
  }
}

void AppendFloat(std::string& out, double value, Format format) {
  if (format == Format::kOpenMetrics) {
    AppendOpenMetricsFloat(out, value);
  } else {
    model::AppendCompactFloat(out, value);
  }
}

std::string_view TypeName(model::MetricType type, Format format) {
  if (type == model::MetricType::kUnknown && format == Format::kText) return "untyped";
  return model::MetricTypeName(type);
}

}  // namespace

std::string_view ContentTypeOf(Format format) {
  return format == Format::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void AppendLabel(std::string& labels, std::string_view name, std::string_view value) {
  if (!labels.empty()) labels += ',';
  if (model::IsLegacyLabelName(name)) {
    labels += name;
  } else {
    AppendQuoted(labels, name);
  }
  labels += '=';
  AppendQuoted(labels, value);
}

std::string FormatBound(double bound, Format format) {
  std::string out;
  AppendFloat(out, bound, format);
  return out;
}

void Writer::Family(std::string_view name, model::MetricType type, std::string_view help) {
  if (format_ == Format::kOpenMetrics && type == model::MetricType::kCounter &&
      name.ends_with("_total")) {
    name.remove_suffix(6);
  }
  const auto put_name = [&] {
    model::IsLegacyMetricName(name) ? out_.append(name) : (AppendQuoted(out_, name), out_);
  };
  out_ += "# HELP ";
  put_name();
  out_ += ' ';
  AppendEscaped(out_, help, format_ == Format::kOpenMetrics);
  out_ += "\n# TYPE ";
  put_name();
  out_ += ' ';
  out_ += TypeName(type, format_);
  out_ += '\n';
}

void Writer::Identity(std::string_view name, std::string_view suffix, std::string_view labels) {
  if (model::IsLegacyMetricName(name)) {
    out_ += name;
    out_ += suffix;
    if (!labels.empty()) {
      out_ += '{';
      out_ += labels;
      out_ += '}';
    }
  } else {
    out_ += '{';
    AppendQuoted(out_, name);
    out_.insert(out_.size() - 1, suffix);
    if (!labels.empty()) out_ += ',';
    out_ += labels;
    out_ += '}';
  }
  out_ += ' ';
}

void Writer::Sample(std::string_view name, std::string_view suffix, std::string_view labels,
                    double value, const Extras& extras) {
  Identity(name, suffix, labels);
  AppendFloat(out_, value, format_);
  Tail(extras);
}

void Writer::Count(std::string_view name, std::string_view suffix, std::string_view labels,
                   uint64_t value, const Extras& extras) {
  Identity(name, suffix, labels);
  if (format_ == Format::kOpenMetrics) {
    out_ += std::to_string(value);
  } else {
    model::AppendCompactFloat(out_, static_cast<double>(value));
  }
  Tail(extras);
}

void Writer::Tail(const Extras& extras) {
  const auto put_time = [&](model::Timestamp ms) {
    out_ += ' ';
    if (format_ == Format::kOpenMetrics) {
      AppendOpenMetricsFloat(out_, static_cast<double>(ms) / 1000);
    } else {
      out_ += std::to_string(ms);
    }
  };
  if (extras.timestamp.has_value()) put_time(*extras.timestamp);
  if (extras.exemplar_value.has_value() && format_ == Format::kOpenMetrics) {
    out_ += " # {";
    out_ += extras.exemplar_labels;
    out_ += "} ";
    AppendOpenMetricsFloat(out_, *extras.exemplar_value);
    if (extras.exemplar_timestamp.has_value()) put_time(*extras.exemplar_timestamp);
  }
  out_ += '\n';
}

std::string Writer::Finish() {
  if (format_ == Format::kOpenMetrics) out_ += "# EOF\n";
  return std::move(out_);
}

}  // namespace narthex::exposition

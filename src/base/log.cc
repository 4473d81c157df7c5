#include "base/log.h"

#include <cstdio>

#include "base/clock.h"
#include "base/time_format.h"

namespace narthex::base {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return false;
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

class LineBuilder {
 public:
  explicit LineBuilder(LogFormat format) : json_(format == LogFormat::kJson) {
    if (json_) line_ += '{';
  }
  void Add(std::string_view name, std::string_view value) {
    if (!first_) line_ += json_ ? ',' : ' ';
    first_ = false;
    if (json_) {
      AppendQuoted(line_, name);
      line_ += ':';
      AppendQuoted(line_, value);
      return;
    }
    line_ += name;
    line_ += '=';
    if (NeedsQuotes(value)) {
      AppendQuoted(line_, value);
    } else {
      line_ += value;
    }
  }
  std::string Finish() {
    if (json_) line_ += '}';
    line_ += '\n';
    return std::move(line_);
  }

 private:
  const bool json_;
  bool first_ = true;
  std::string line_;
};

}  // namespace

void Logger::Write(LogLevel level, std::string_view component, std::string_view message,
                   const std::vector<LogField>& fields) {
  if (level < level_) return;
  LineBuilder line(format_);
  line.Add("ts", FormatRfc3339(SystemClock().WallMs()));
  line.Add("level", LevelName(level));
  line.Add("component", component);
  line.Add("msg", message);
  for (const LogField& field : fields) line.Add(field.name, field.value);
  const std::string text = line.Finish();
  MutexLock lock(mutex_);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Logger::Debug(std::string_view component, std::string_view message,
                   std::vector<LogField> fields) {
  Write(LogLevel::kDebug, component, message, fields);
}
void Logger::Info(std::string_view component, std::string_view message,
                  std::vector<LogField> fields) {
  Write(LogLevel::kInfo, component, message, fields);
}
void Logger::Warn(std::string_view component, std::string_view message,
                  std::vector<LogField> fields) {
  Write(LogLevel::kWarn, component, message, fields);
}
void Logger::Error(std::string_view component, std::string_view message,
                   std::vector<LogField> fields) {
  Write(LogLevel::kError, component, message, fields);
}

Logger& NullLogger() {
  // Above every level there is.
  static Logger logger(static_cast<LogLevel>(100), LogFormat::kLogfmt);
  return logger;
}

}  // namespace narthex::base

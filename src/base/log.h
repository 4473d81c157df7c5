#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace narthex::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJson };

// One field of a log line.
struct LogField {
  template <class T>
  LogField(std::string_view field_name, const T& field_value)
      : name(field_name), value(fmt::format("{}", field_value)) {}
  std::string_view name;
  std::string value;
};

// Writes lines `ts=… level=… component=… msg="…" key=value` (or the same as JSON) to standard
// error, one write per line. The message is constant text; what varies goes into fields.
// Thread-safe.
class Logger {
 public:
  Logger(LogLevel level, LogFormat format) : level_(level), format_(format) {}

  void Debug(std::string_view component, std::string_view message,
             std::vector<LogField> fields = {});
  void Info(std::string_view component, std::string_view message,
            std::vector<LogField> fields = {});
  void Warn(std::string_view component, std::string_view message,
            std::vector<LogField> fields = {});
  void Error(std::string_view component, std::string_view message,
             std::vector<LogField> fields = {});

 private:
  void Write(LogLevel level, std::string_view component, std::string_view message,
             const std::vector<LogField>& fields);

  const LogLevel level_;
  const LogFormat format_;
  Mutex mutex_;  // Keeps lines whole.
};

// A logger that says nothing, for tests and tools.
Logger& NullLogger();

}  // namespace narthex::base

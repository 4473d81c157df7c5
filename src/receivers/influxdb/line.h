#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace narthex::receivers {

// One point of InfluxDB's line protocol: `measurement,tag=text field=1i,other="x" 1700000000`.
// A value. Source: InfluxDB documentation, "Line protocol".
struct InfluxLine {
  using Value = std::variant<double, int64_t, uint64_t, std::string, bool>;

  std::string measurement;
  std::vector<std::pair<std::string, std::string>> tags;
  std::vector<std::pair<std::string, Value>> fields;  // One or more.
  std::optional<int64_t> time;                        // In the sender's unit.
};

// Reads a text of such lines, one by one. One thread at a time.
class InfluxReader {
 public:
  explicit InfluxReader(std::string_view text) : rest_(text) {}

  // The next point; nullopt at the end. Blank lines and comments are passed over.
  // Error: kInvalidArgument with the number of the line and what is wrong there.
  base::Result<std::optional<InfluxLine>> Next();
  // The number of the line that was read last, from 1 on.
  size_t line() const { return line_; }

 private:
  base::Error ErrorOf(std::string_view what) const;
  bool SkipToLine();
  // Up to one of `ends`, which stays; backslashes before one of `escapable` go.
  std::string TakeText(std::string_view ends, std::string_view escapable);
  bool Take(char c);
  base::Status ReadTags(InfluxLine& line);
  base::Status ReadFields(InfluxLine& line);
  base::Result<InfluxLine::Value> ReadValue();
  base::Result<std::string> ReadQuoted();
  base::Status ReadTime(InfluxLine& line);

  std::string_view rest_;
  size_t line_ = 0;  // From 1 on.
};

}  // namespace narthex::receivers

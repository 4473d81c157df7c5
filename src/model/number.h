#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace narthex::model {

// Appends a sample value as the HTTP API prints it: shortest digits that read back the same, fixed
// notation for 1e-6 <= |v| < 1e21 and exponent notation outside ("1e+21", "1e-07"), "NaN", "+Inf",
// "-Inf". Source: Go's strconv.FormatFloat(v, 'f' or 'e', -1, 64) as upstream's JSON encoder uses
// it.
void AppendJsonFloat(std::string& out, double value);
// The same as PromQL prints a number (Go's %v): exponent form below 1e-04 and from 1e+21 up.
void AppendFloat(std::string& out, double value);
// The same without any exponent form, as PromQL's printer has literals (Go's strconv 'f').
void AppendFixedFloat(std::string& out, double value);
std::string FormatFloat(double value);
// The same as expositions print a number (Go's strconv 'g'): exponent form below 1e-04 and from
// 1e+06 up.
void AppendCompactFloat(std::string& out, double value);

// A sample value as expositions and PromQL spell it: decimal, exponent, "NaN", "[+-]Inf" in any
// case; hexadecimal and digit separators are not for expositions and are refused. The whole text
// must be the number.
std::optional<double> ParseFloat(std::string_view text);

}  // namespace narthex::model

#include "demo/screen.h"

#include <fmt/format.h>

#include <algorithm>

namespace narthex::demo {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kLines = 24;

// Cut to the screen's width; counts characters, not bytes, of UTF-8.
std::string Fit(std::string_view line) {
  size_t columns = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool begins_character = (static_cast<unsigned char>(line[i]) & 0xc0) != 0x80;
    if (begins_character && ++columns > kColumns - 1) return std::string(line.substr(0, i)) + "…";
  }
  return std::string(line);
}

// Splits at blanks, so that each line fits; further lines are indented.
void AddWrapped(std::string_view text, std::vector<std::string>& lines) {
  std::string indent;
  while (indent.size() + text.size() > kColumns) {
    const size_t blank = text.rfind(' ', kColumns - indent.size());
    if (blank == std::string_view::npos) break;
    lines.push_back(indent + std::string(text.substr(0, blank)));
    text.remove_prefix(blank + 1);
    indent = "  ";
  }
  lines.push_back(indent + std::string(text));
}

std::string Clock(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{:02}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string FormatScreen(const View& view) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("narthex demo   {}   Ctrl-C stops everything, data stays",
                              Clock(view.elapsed_s)));
  lines.emplace_back();
  lines.push_back(fmt::format("{:<10}{:<11}{:>17}{:>8}", "hop", "state", "rate", "errors"));
  for (const HopView& hop : view.hops) {
    lines.push_back(fmt::format("{:<10}{:<11}{:>17}{:>8}  {}", hop.name, hop.state,
                                fmt::format("{:.1f} {}/s", hop.rate, hop.unit), hop.errors,
                                hop.detail));
  }
  lines.emplace_back();
  for (const auto& [title, url] : view.links) lines.push_back(fmt::format("{:<26}{}", title, url));
  lines.emplace_back();
  for (const QueryAnswer& answer : view.answers) {
    AddWrapped(answer.query->promql, lines);
    lines.push_back("    " + FormatAnswer(answer));
  }
  if (!view.notice.empty()) {
    lines.emplace_back();
    lines.push_back(view.notice);
  }
  if (lines.size() > kLines - 1) lines.resize(kLines - 1);
  std::string out;
  for (const std::string& line : lines) out += Fit(line) + "\n";
  return out;
}

std::string FormatViewLine(const View& view) {
  std::string out = fmt::format("elapsed={:.0f}s", view.elapsed_s);
  for (const HopView& hop : view.hops) {
    out += fmt::format(" {}=\"{}, {:.1f} {}/s, {} errors", hop.name, hop.state, hop.rate, hop.unit,
                       hop.errors);
    if (!hop.detail.empty()) out += ", " + hop.detail;
    out += '"';
  }
  if (!view.notice.empty()) out += fmt::format(" notice=\"{}\"", view.notice);
  return out;
}

}  // namespace narthex::demo

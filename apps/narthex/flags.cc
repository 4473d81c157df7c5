#include "flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "model/byte_size.h"
#include "model/duration.h"

namespace narthex::apps {
namespace {

constexpr size_t kHelpColumns = 80;

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::optional<int64_t> ParseMilliseconds(std::string_view text) {
  constexpr int64_t kNsPerMs = 1'000'000;
  if (const auto ms = model::ParseDuration(text); ms.has_value()) return *ms;
  if (const auto ns = model::ParseGoDuration(text); ns.has_value()) return *ns / kNsPerMs;
  return std::nullopt;
}

// What is wrong with `text` as a value of this kind; empty when nothing is.
std::string_view Complaint(FlagKind kind, std::string_view text) {
  switch (kind) {
    case FlagKind::kBool:
      return ParseBool(text).has_value() ? "" : "true or false";
    case FlagKind::kDuration:
      return ParseMilliseconds(text).has_value() ? "" : "a duration (for example 15s, 1h30m, 15d)";
    case FlagKind::kInt:
      return ParseNumber<int64_t>(text).has_value() ? "" : "a whole number";
    case FlagKind::kFloat:
      return ParseNumber<double>(text).has_value() ? "" : "a number";
    case FlagKind::kBytes:
      return model::ParseBytes(text).has_value() ? "" : "a size (for example 512MB, 10GB)";
    case FlagKind::kString:
    case FlagKind::kRepeated:
      return "";
  }
  return "";
}

const FlagSpec* FindSpec(std::span<const FlagSpec> specs, std::string_view name) {
  const auto found = std::ranges::find(specs, name, &FlagSpec::name);
  return found == specs.end() ? nullptr : &*found;
}

std::unexpected<base::Error> UnknownFlag(std::span<const FlagSpec> specs, std::string_view arg) {
  std::vector<std::string> names;
  for (const FlagSpec& spec : specs) {
    if (!spec.hidden) names.push_back(fmt::format("--{}", spec.name));
  }
  names.emplace_back("--help");
  names.emplace_back("--version");
  const std::string closest = ClosestTo(arg, names);
  if (closest.empty()) {
    return base::Fail(base::Code::kInvalidArgument, "unknown flag {}, see --help", arg);
  }
  return base::Fail(base::Code::kInvalidArgument, "unknown flag {}, did you mean `{}`?", arg,
                    closest);
}

void AppendWrapped(std::string& out, std::string_view text, size_t indent) {
  size_t column = kHelpColumns;  // Forces the first line to begin.
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (column + 1 + end > kHelpColumns) {
      if (!out.empty() && out.back() != '\n') out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += '\n';
}

std::string_view Placeholder(FlagKind kind) {
  switch (kind) {
    case FlagKind::kBool:
      return "";
    case FlagKind::kDuration:
      return "=DURATION";
    case FlagKind::kInt:
    case FlagKind::kFloat:
      return "=N";
    case FlagKind::kBytes:
      return "=SIZE";
    case FlagKind::kString:
      return "=TEXT";
    case FlagKind::kRepeated:
      return "=TEXT …";
  }
  return "";
}

// Insertions, deletions, substitutions and swaps of neighbours.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

base::Result<Flags> Flags::Parse(std::span<const FlagSpec> specs,
                                 std::span<const char* const> args) {
  Flags flags;
  for (const FlagSpec& spec : specs) {
    Value value{.spec = &spec, .texts = {}};
    if (spec.kind != FlagKind::kRepeated || *spec.default_value != '\0') {
      value.texts.emplace_back(spec.default_value);
    }
    CHECK(*spec.default_value == '\0' || Complaint(spec.kind, spec.default_value).empty());
    CHECK(flags.values_.emplace(spec.name, std::move(value)).second);
  }
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (arg == "--") {
      for (++i; i < args.size(); ++i) flags.positional_.emplace_back(args[i]);
      break;
    }
    if (!arg.starts_with('-') || arg == "-") {
      flags.positional_.emplace_back(arg);
      continue;
    }
    const std::string_view body = arg.substr(arg.starts_with("--") ? 2 : 1);
    const size_t equals = body.find('=');
    const std::string_view name = body.substr(0, equals);
    const FlagSpec* spec = FindSpec(specs, name);
    std::optional<std::string_view> text;
    if (equals != std::string_view::npos) text = body.substr(equals + 1);
    if (spec == nullptr && name.starts_with("no-") && !text.has_value()) {
      spec = FindSpec(specs, name.substr(3));
      if (spec != nullptr && spec->kind == FlagKind::kBool) text = "false";
    }
    if (spec == nullptr || (name != spec->name && spec->kind != FlagKind::kBool)) {
      return UnknownFlag(specs, arg.substr(0, arg.find('=')));
    }
    if (!text.has_value() && spec->kind == FlagKind::kBool) text = "true";
    if (!text.has_value()) {
      if (++i == args.size()) {
        return base::Fail(base::Code::kInvalidArgument, "flag --{} needs a value", spec->name);
      }
      text = args[i];
    }
    const std::string_view wanted = Complaint(spec->kind, *text);
    if (!wanted.empty()) {
      return base::Fail(base::Code::kInvalidArgument, "flag --{}: \"{}\" is not {}", spec->name,
                        *text, wanted);
    }
    Value& value = flags.values_.find(spec->name)->second;
    if (spec->kind != FlagKind::kRepeated || !value.set) value.texts.clear();
    value.texts.emplace_back(*text);
    value.set = true;
  }
  return flags;
}

const Flags::Value& Flags::Find(std::string_view name, FlagKind kind) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end() && found->second.spec->kind == kind);
  return found->second;
}

const std::string& Flags::String(std::string_view name) const {
  return Find(name, FlagKind::kString).texts.front();
}
bool Flags::Bool(std::string_view name) const {
  return ParseBool(Find(name, FlagKind::kBool).texts.front()).value_or(false);
}
int64_t Flags::DurationMs(std::string_view name) const {
  return ParseMilliseconds(Find(name, FlagKind::kDuration).texts.front()).value_or(0);
}
int64_t Flags::Int(std::string_view name) const {
  return ParseNumber<int64_t>(Find(name, FlagKind::kInt).texts.front()).value_or(0);
}
double Flags::Float(std::string_view name) const {
  return ParseNumber<double>(Find(name, FlagKind::kFloat).texts.front()).value_or(0);
}
uint64_t Flags::Bytes(std::string_view name) const {
  return model::ParseBytes(Find(name, FlagKind::kBytes).texts.front()).value_or(0);
}
const std::vector<std::string>& Flags::List(std::string_view name) const {
  return Find(name, FlagKind::kRepeated).texts;
}

std::vector<std::string_view> Flags::Items(std::string_view name) const {
  std::vector<std::string_view> items;
  for (std::string_view list : List(name)) {
    while (!list.empty()) {
      const size_t comma = std::min(list.find(','), list.size());
      if (comma > 0) items.push_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }
  return items;
}

bool Flags::WasSet(std::string_view name) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end());
  return found->second.set;
}

std::map<std::string, std::string> Flags::Values() const {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : values_)
    out[name] = fmt::format("{}", fmt::join(value.texts, ","));
  return out;
}

std::expected<Flags, int> ParseCommandLine(const CommandHelp& help, std::span<const FlagSpec> specs,
                                           int argc, char** argv) {
  const std::span<const char* const> args(argv + std::min(argc, 1),
                                          static_cast<size_t>(std::max(argc - 1, 0)));
  for (const std::string_view arg : args) {
    if (arg == "--") break;
    if (arg == "-h" || arg == "--help") {
      fmt::print("{}", FormatHelp(help, specs));
      return std::unexpected(0);
    }
    if (arg == "--version") {
      fmt::print("{}\n", VersionText());
      return std::unexpected(0);
    }
  }
  base::Result<Flags> flags = Flags::Parse(specs, args);
  if (flags.has_value() && help.positional == nullptr && !flags->positional().empty()) {
    flags = base::Fail(base::Code::kInvalidArgument, "unexpected argument \"{}\", see --help",
                       flags->positional().front());
  }
  if (!flags.has_value()) {
    fmt::print(stderr, "{}: {}\n", help.name, flags.error().message);
    return std::unexpected(2);
  }
  for (const FlagSpec& spec : specs) {
    if (!spec.no_effect || !flags->WasSet(spec.name)) continue;
    fmt::print(stderr, "{}: warning: flag --{} has no effect here\n", help.name, spec.name);
  }
  return std::move(*flags);
}

std::string FormatHelp(const CommandHelp& help, std::span<const FlagSpec> specs) {
  std::string out =
      fmt::format("{}\n\nExamples:\n{}\nUsage: {} [flags]{}{}\n\nFlags:\n", help.summary,
                  help.examples, help.name, help.positional == nullptr ? "" : " ",
                  help.positional == nullptr ? "" : help.positional);
  for (const FlagSpec& spec : specs) {
    if (spec.hidden) continue;
    out += fmt::format("  --{}{}{}\n", spec.kind == FlagKind::kBool ? "[no-]" : "", spec.name,
                       Placeholder(spec.kind));
    std::string text = spec.help;
    if (*spec.default_value != '\0') text += fmt::format(" (default {})", spec.default_value);
    if (spec.no_effect) text += " (accepted, without effect)";
    AppendWrapped(out, text, 8);
  }
  out += "  -h, --help\n  --version\n";
  return out;
}

std::string VersionText() {
  return fmt::format("narthex, version {} (revision: {}, compiler: {})", NARTHEX_VERSION,
                     NARTHEX_REVISION, __VERSION__);
}

std::string ClosestTo(std::string_view text, std::span<const std::string> candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, text.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(text, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

}  // namespace narthex::apps

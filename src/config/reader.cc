#include "config/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "model/byte_size.h"
#include "model/duration.h"
#include "model/number.h"

namespace narthex::config {
namespace {

template <class T>
std::optional<T> ParseInteger(std::string_view text) {
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view word : {"true", "True", "TRUE", "yes", "Yes", "on", "On"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"false", "False", "FALSE", "no", "No", "off", "Off"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

}  // namespace

void Diagnostics::Add(Position at, std::string_view message) {
  findings_.push_back(fmt::format("{}:{}:{}: {}", file_, at.line, at.column, message));
}

base::Status Diagnostics::ToStatus() const {
  if (ok()) return {};
  std::string text;
  for (const std::string& finding : findings_) {
    if (!text.empty()) text += '\n';
    text += finding;
  }
  return std::unexpected(base::Error{base::Code::kInvalidArgument, std::move(text)});
}

MapReader::MapReader(const Node& node, Diagnostics& diagnostics)
    : node_(node), diagnostics_(diagnostics) {
  if (!node.is_map() && !node.is_null()) diagnostics.Add(node.at, "expected a map of keys");
  Schema* const schema = diagnostics.schema();
  const std::string* const path = schema == nullptr ? nullptr : schema->PathOf(node);
  if (path == nullptr) return;
  schema_ = schema;
  path_ = *path;
}

std::string MapReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

bool MapReader::Describe(std::string_view key, std::string_view type, std::string fallback,
                         std::string_view meaning, Schema::Key::Use use) {
  if (schema_ == nullptr) return false;
  schema_->Add({.path = PathOf(key),
                .type = std::string(type),
                .fallback = std::move(fallback),
                .meaning = std::string(meaning),
                .use = use});
  return true;
}

const Node* MapReader::TakeEvenNull(std::string_view key, std::string_view meaning,
                                    std::string_view type) {
  if (Describe(key, type, "", meaning)) return schema_->SampleAt(PathOf(key));
  known_.push_back(key);
  return node_.Find(key);
}

const Node* MapReader::Take(std::string_view key, std::string_view meaning, std::string_view type) {
  const Node* const node = TakeEvenNull(key, meaning, type);
  return node == nullptr || node->is_null() ? nullptr : node;
}

void MapReader::Refuse(std::initializer_list<std::string_view> keys, std::string_view message) {
  for (const std::string_view key : keys) {
    if (Describe(key, "", "", "", Schema::Key::Use::kRefused)) continue;
    const Node* const node = Take(key);
    const bool says_something =
        node != nullptr && (node->is_map() || !node->scalar.empty() || !node->items.empty());
    if (says_something && node->scalar != "false") Report(key, message);
  }
}

std::vector<std::string_view> MapReader::TakeWithoutEffect(
    std::initializer_list<std::string_view> keys) {
  std::vector<std::string_view> present;
  for (const std::string_view key : keys) {
    if (Describe(key, "", "", "", Schema::Key::Use::kWithoutEffect)) continue;
    if (Take(key) != nullptr) present.push_back(key);
  }
  return present;
}

Position MapReader::At(std::string_view key) const {
  const Node* const node = node_.Find(key);
  return node == nullptr ? node_.at : node->at;
}

void MapReader::Report(std::string_view key, std::string_view message) {
  diagnostics_.Add(At(key), fmt::format("{}: {}", key, message));
}

template <class T, class Parse, class Format>
bool MapReader::ReadScalar(std::string_view key, std::string_view kind, std::string_view type,
                           T& out, std::string_view meaning, Parse parse, Format format) {
  if (schema_ != nullptr) {
    Describe(key, type, format(out), meaning);
    return false;
  }
  const Node* const node = Take(key);
  if (node == nullptr) return false;
  if (node->is_scalar()) {
    if (auto value = parse(std::string_view(node->scalar))) {
      out = *std::move(value);
      return true;
    }
    Report(key, fmt::format("\"{}\" is not {}", node->scalar, kind));
    return false;
  }
  Report(key, fmt::format("expected {}", kind));
  return false;
}

bool MapReader::Read(std::string_view key, std::string& out, std::string_view meaning) {
  return ReadScalar(
      key, "text", "text", out, meaning,
      [](std::string_view text) { return std::optional<std::string>(text); },
      [](const std::string& text) { return text; });
}

bool MapReader::Read(std::string_view key, bool& out, std::string_view meaning) {
  return ReadScalar(key, "true or false", "boolean", out, meaning, ParseBool,
                    [](bool value) { return std::string(value ? "true" : "false"); });
}

bool MapReader::Read(std::string_view key, int64_t& out, std::string_view meaning) {
  return ReadScalar(key, "a whole number", "integer", out, meaning, ParseInteger<int64_t>,
                    [](int64_t value) { return std::to_string(value); });
}

bool MapReader::Read(std::string_view key, uint64_t& out, std::string_view meaning) {
  return ReadScalar(key, "a whole number of at least 0", "integer", out, meaning,
                    ParseInteger<uint64_t>, [](uint64_t value) { return std::to_string(value); });
}

bool MapReader::Read(std::string_view key, double& out, std::string_view meaning) {
  return ReadScalar(key, "a number", "number", out, meaning, model::ParseFloat,
                    [](double value) { return fmt::format("{}", value); });
}

bool MapReader::Read(std::string_view key, std::vector<std::string>& out,
                     std::string_view meaning) {
  if (Describe(key, "list", fmt::format("{}", fmt::join(out, ", ")), meaning)) return false;
  const Node* const node = Take(key);
  if (node == nullptr) return false;
  if (!node->is_list()) {
    Report(key, "expected a list");
    return false;
  }
  std::vector<std::string> items;
  for (const Node& item : node->items) {
    if (!item.is_scalar()) {
      diagnostics_.Add(item.at, fmt::format("{}: expected text", key));
      return false;
    }
    items.push_back(item.scalar);
  }
  out = std::move(items);
  return true;
}

bool MapReader::ReadDuration(std::string_view key, int64_t& ms, std::string_view meaning) {
  return ReadScalar(
      key, "a duration (such as 15s or 1h30m)", "duration", ms, meaning,
      [](std::string_view text) {
        const auto parsed = model::ParseDuration(text);
        return parsed ? std::optional<int64_t>(*parsed) : std::nullopt;
      },
      [](int64_t value) { return model::FormatDuration(value); });
}

bool MapReader::ReadGoDuration(std::string_view key, int64_t& ns, std::string_view meaning) {
  return ReadScalar(
      key, "a duration (such as 200ms or 1.5s)", "duration", ns, meaning,
      [](std::string_view text) {
        const auto parsed = model::ParseGoDuration(text);
        return parsed ? std::optional<int64_t>(*parsed) : std::nullopt;
      },
      [](int64_t value) { return model::FormatDuration(value / 1'000'000); });
}

bool MapReader::ReadBytes(std::string_view key, uint64_t& bytes, std::string_view meaning) {
  return ReadScalar(
      key, "a size (such as 512MB)", "size", bytes, meaning,
      [](std::string_view text) {
        const auto parsed = model::ParseBytes(text);
        return parsed ? std::optional<uint64_t>(*parsed) : std::nullopt;
      },
      [](uint64_t value) { return std::to_string(value); });
}

void MapReader::Finish() {
  if (schema_ != nullptr) return;
  for (const auto& [key, value] : node_.members) {
    if (std::ranges::find(known_, key.scalar) != known_.end()) continue;
    const std::string nearest = Nearest(key.scalar, known_);
    diagnostics_.Add(key.at, nearest.empty()
                                 ? fmt::format("unknown key \"{}\"", key.scalar)
                                 : fmt::format("unknown key \"{}\" (did you mean \"{}\"?)",
                                               key.scalar, nearest));
  }
}

}  // namespace narthex::config

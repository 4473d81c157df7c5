#include "config/reader.h"

#include <algorithm>
#include <charconv>
#include <optional>

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
}

const Node* MapReader::TakeEvenNull(std::string_view key) {
  known_.push_back(key);
  return node_.Find(key);
}

const Node* MapReader::Take(std::string_view key) {
  const Node* const node = TakeEvenNull(key);
  return node == nullptr || node->is_null() ? nullptr : node;
}

Position MapReader::At(std::string_view key) const {
  const Node* const node = node_.Find(key);
  return node == nullptr ? node_.at : node->at;
}

void MapReader::Report(std::string_view key, std::string_view message) {
  diagnostics_.Add(At(key), fmt::format("{}: {}", key, message));
}

template <class T, class Parse>
bool MapReader::ReadScalar(std::string_view key, std::string_view kind, T& out, Parse parse) {
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

bool MapReader::Read(std::string_view key, std::string& out) {
  return ReadScalar(key, "text", out,
                    [](std::string_view text) { return std::optional<std::string>(text); });
}

bool MapReader::Read(std::string_view key, bool& out) {
  return ReadScalar(key, "true or false", out, ParseBool);
}

bool MapReader::Read(std::string_view key, int64_t& out) {
  return ReadScalar(key, "a whole number", out, ParseInteger<int64_t>);
}

bool MapReader::Read(std::string_view key, uint64_t& out) {
  return ReadScalar(key, "a whole number of at least 0", out, ParseInteger<uint64_t>);
}

bool MapReader::Read(std::string_view key, double& out) {
  return ReadScalar(key, "a number", out, model::ParseFloat);
}

bool MapReader::Read(std::string_view key, std::vector<std::string>& out) {
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

bool MapReader::ReadDuration(std::string_view key, int64_t& ms) {
  return ReadScalar(key, "a duration (such as 15s or 1h30m)", ms, [](std::string_view text) {
    const auto parsed = model::ParseDuration(text);
    return parsed ? std::optional<int64_t>(*parsed) : std::nullopt;
  });
}

bool MapReader::ReadGoDuration(std::string_view key, int64_t& ns) {
  return ReadScalar(key, "a duration (such as 200ms or 1.5s)", ns, [](std::string_view text) {
    const auto parsed = model::ParseGoDuration(text);
    return parsed ? std::optional<int64_t>(*parsed) : std::nullopt;
  });
}

bool MapReader::ReadBytes(std::string_view key, uint64_t& bytes) {
  return ReadScalar(key, "a size (such as 512MB)", bytes, [](std::string_view text) {
    const auto parsed = model::ParseBytes(text);
    return parsed ? std::optional<uint64_t>(*parsed) : std::nullopt;
  });
}

void MapReader::Finish() {
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

#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "model/number.h"
#include "model/sample.h"
#include "otlp/value.h"

namespace narthex::exporters {

// Reads remote-write messages back into lines of text, by the specification and without the code
// that writes them.
class MessageReader {
 public:
  MessageReader(std::string_view message, bool is_version_2) : is_version_2_(is_version_2) {
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      const std::string_view field = cursor.ReadBytes();
      const uint32_t number = tag >> 3;
      if (is_version_2 && number == 4) symbols_.emplace_back(field);
      if (number == (is_version_2 ? 5u : 1u)) ReadSeries(field);
      if (!is_version_2 && number == 3) lines.push_back("metadata " + Metadata(field));
    }
  }
  std::vector<std::string> lines;

 private:
  using Cursor = otlp::internal::Cursor;
  static constexpr uint32_t Number(uint32_t tag) { return tag >> 3; }

  void AddLabel(std::string& out, std::string_view name, std::string_view value) {
    if (name == "__name__") {
      name_ = value;
      return;
    }
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", name, value);
  }
  // Of version 2: pairs of symbol numbers.
  std::string References(std::string_view packed) {
    std::string out;
    Cursor cursor(packed);
    while (!cursor.empty()) {
      const std::string name = symbols_.at(cursor.ReadVarint());
      AddLabel(out, name, symbols_.at(cursor.ReadVarint()));
    }
    return out;
  }
  void OneLabel(std::string_view message, std::string& out) {
    std::string_view name, value;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      (Number(tag) == 1 ? name : value) = cursor.ReadBytes();
    }
    AddLabel(out, name, value);
  }
  static std::string Value(double value) {
    return model::IsStaleNan(value) ? "stale" : model::FormatFloat(value);
  }
  static std::string Sample(std::string_view message) {
    double value = 0;
    uint64_t time = 0;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (Number(tag) == 1) value = std::bit_cast<double>(cursor.ReadFixed64());
      if (Number(tag) == 2) time = cursor.ReadVarint();
    }
    return fmt::format(" {}@{}", Value(value), time);
  }
  std::string Exemplar(std::string_view message) {
    std::string labels;
    double value = 0;
    uint64_t time = 0;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (Number(tag) == 1) {
        const std::string_view field = cursor.ReadBytes();
        if (is_version_2_) {
          labels = References(field);
        } else {
          OneLabel(field, labels);
        }
      }
      if (Number(tag) == 2) value = std::bit_cast<double>(cursor.ReadFixed64());
      if (Number(tag) == 3) time = cursor.ReadVarint();
    }
    return fmt::format(" #{{{}}} {}@{}", labels, Value(value), time);
  }
  static std::string Side(std::string_view span, std::string_view deltas) {
    int64_t offset = 0;
    Cursor span_cursor(span);
    while (const uint32_t tag = span_cursor.NextTag()) {
      const uint64_t value = span_cursor.ReadVarint();
      if (Number(tag) == 1) offset = base::UnZigZag(value);
    }
    std::string counts;
    int64_t count = 0;
    Cursor cursor(deltas);
    while (!cursor.empty()) {
      count += base::UnZigZag(cursor.ReadVarint());
      counts += fmt::format("{}{}", counts.empty() ? "" : ",", count);
    }
    return fmt::format("{}:[{}]", offset, counts);
  }
  static std::string Histogram(std::string_view message) {
    uint64_t count = 0, zero = 0, time = 0;
    int64_t schema = 0;
    double sum = 0;
    std::string_view sides[16];
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (Number(tag)) {
        case 1:
          count = cursor.ReadVarint();
          break;
        case 3:
          sum = std::bit_cast<double>(cursor.ReadFixed64());
          break;
        case 4:
          schema = base::UnZigZag(cursor.ReadVarint());
          break;
        case 6:
          zero = cursor.ReadVarint();
          break;
        case 8:
        case 9:
        case 11:
        case 12:
          sides[Number(tag)] = cursor.ReadBytes();
          break;
        case 15:
          time = cursor.ReadVarint();
          break;
        default:
          cursor.Skip(tag);
      }
    }
    return fmt::format(" histogram count={} sum={} schema={} zero={} negative={} positive={} @{}",
                       count, Value(sum), schema, zero, Side(sides[8], sides[9]),
                       Side(sides[11], sides[12]), time);
  }
  std::string Metadata(std::string_view message) {
    std::string out;
    Cursor cursor(message);
    std::string type, family, help;
    while (const uint32_t tag = cursor.NextTag()) {
      if ((tag & 7) == 0) {
        const uint64_t value = cursor.ReadVarint();
        if (Number(tag) == 1) type = fmt::format(" type={}", value);
        if (Number(tag) == 3) help = " help=" + symbols_.at(value);
      } else {
        const std::string_view text = cursor.ReadBytes();
        if (Number(tag) == 2) family = text;
        if (Number(tag) == 4) help = fmt::format(" help={}", text);
      }
    }
    return family + type + help;
  }
  void ReadSeries(std::string_view message) {
    std::string labels, rest;
    name_.clear();
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if ((tag & 7) == 0) {
        rest += fmt::format(" created={}", cursor.ReadVarint());
        continue;
      }
      const std::string_view field = cursor.ReadBytes();
      const uint32_t number = Number(tag);
      if (number == 1 && is_version_2_) labels = References(field);
      if (number == 1 && !is_version_2_) OneLabel(field, labels);
      if (number == 2) rest += Sample(field);
      if (number == (is_version_2_ ? 4u : 3u)) rest += Exemplar(field);
      if (number == (is_version_2_ ? 3u : 4u)) rest += Histogram(field);
      if (number == 5 && is_version_2_) rest += Metadata(field);
    }
    lines.push_back(fmt::format("{}{{{}}}{}", name_, labels, rest));
  }

  const bool is_version_2_;
  std::vector<std::string> symbols_;
  std::string name_;
};

inline std::vector<std::string> ReadMessage(std::string_view message, bool is_version_2) {
  return MessageReader(message, is_version_2).lines;
}

}  // namespace narthex::exporters

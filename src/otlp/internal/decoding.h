#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "otlp/internal/wire.h"

namespace narthex::otlp::internal {

// What the decoders of metrics and of traces have in common.

constexpr uint32_t Varint(uint32_t field) { return Tag(field, WireType::kVarint); }
constexpr uint32_t Fixed(uint32_t field) { return Tag(field, WireType::kFixed64); }
constexpr uint32_t Bytes(uint32_t field) { return Tag(field, WireType::kBytes); }

using Buffers = std::vector<std::shared_ptr<const std::string>>;

// Repeated fields that ought to be one behind the other: a view while they are, a copy once
// something lies between them.
class Run {
 public:
  void Add(std::string_view piece) {
    if (spilled_ != nullptr) {
      spilled_->append(piece);
    } else if (view_.empty()) {
      view_ = piece;
    } else if (view_.data() + view_.size() == piece.data()) {
      view_ = {view_.data(), view_.size() + piece.size()};
    } else {
      spilled_ = std::make_unique<std::string>(view_);
      spilled_->append(piece);
    }
  }
  // `buffers` take over what had to be copied.
  std::string_view Finish(Buffers& buffers) {
    if (spilled_ == nullptr) return view_;
    return *buffers.emplace_back(std::make_shared<const std::string>(*std::move(spilled_)));
  }

 private:
  std::string_view view_;
  std::unique_ptr<std::string> spilled_;
};

// A request under decoding: its bytes, where it is damaged, and what its index may take. The first
// damage counts. One thread at a time.
class Decoding {
 public:
  explicit Decoding(std::string request);
  Decoding(const Decoding&) = delete;
  Decoding& operator=(const Decoding&) = delete;

 protected:
  std::string_view request() const { return *buffers_[0]; }
  Buffers& buffers() { return buffers_; }

  void Check(const Cursor& cursor) {
    if (!cursor.ok()) SetBad(cursor.bad(), "damaged or truncated field");
  }
  void SetBad(const char* at, const char* reason) {
    if (bad_ != nullptr) return;
    bad_ = at;
    reason_ = reason;
  }
  bool Stop() const { return bad_ != nullptr || is_too_dense_; }
  // What Stop is about. Error: kInvalidArgument with the offset of the damage.
  base::Status Verdict() const;

  // Accounts for one more record.
  template <class Record>
  Record& Add(std::vector<Record>& records, Record record) {
    index_bytes_ += sizeof(Record);
    if (index_bytes_ > index_bytes_max_) is_too_dense_ = true;
    return records.emplace_back(std::move(record));
  }

  // An InstrumentationScope, into `name`, `version` and `attributes`.
  template <class Scope>
  void ReadScope(std::string_view message, Scope& scope) {
    Run attributes;
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      switch (tag) {
        case Bytes(1):
          scope.name = cursor.ReadBytes();
          break;
        case Bytes(2):
          scope.version = cursor.ReadBytes();
          break;
        case Bytes(3):
          AddAttribute(cursor, attributes);
          break;
        default:
          cursor.Skip(tag);
      }
    }
    Check(cursor);
    scope.attributes = attributes.Finish(buffers_);
  }
  // The run of attributes among the fields of a message.
  std::string_view AttributesOf(std::string_view message, uint32_t attribute_tag);
  void AddAttribute(Cursor& cursor, Run& attributes) {
    CheckKeyValue(cursor.ReadBytes());
    AddField(cursor, attributes);
  }
  // The field that was just read, tag included.
  static void AddField(const Cursor& cursor, Run& run) {
    if (!cursor.ok()) return;
    run.Add({cursor.field(), static_cast<size_t>(cursor.at() - cursor.field())});
  }

  void CheckKeyValue(std::string_view message) {
    Cursor cursor(message);
    while (const uint32_t tag = cursor.NextTag()) {
      if (tag == Bytes(2)) {
        const std::string_view value = cursor.ReadBytes();
        // A string of less than 128 bytes and nothing else, which is what attributes mostly are.
        if (value.size() >= 2 && static_cast<uint8_t>(value[0]) == Bytes(1) &&
            static_cast<uint8_t>(value[1]) == value.size() - 2 && value.size() < 130) {
          continue;
        }
        CheckValue(value);
      } else {
        cursor.Skip(tag);
      }
    }
    Check(cursor);
  }

 private:
  void CheckValue(std::string_view message);

  Buffers buffers_;
  const char* bad_ = nullptr;
  const char* reason_ = "";
  size_t index_bytes_ = 0;
  size_t index_bytes_max_;
  bool is_too_dense_ = false;
};

}  // namespace narthex::otlp::internal

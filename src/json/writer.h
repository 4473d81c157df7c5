#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::json {

// Appends `text` as a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD; `<`, `>` and `&`
// stay as they are.
void AppendString(std::string& out, std::string_view text);

// Writes compact JSON into a string; commas take care of themselves. The caller keeps the nesting
// right (CHECKed). One thread at a time.
//   Writer w; w.BeginObject(); w.Key("status"); w.String("success"); w.EndObject(); w.Take();
class Writer {
 public:
  Writer& BeginObject();
  Writer& EndObject();
  Writer& BeginArray();
  Writer& EndArray();
  Writer& Key(std::string_view name);
  Writer& String(std::string_view value);
  Writer& Int(int64_t value);
  Writer& Uint(uint64_t value);
  // Shortest digits; NaN and infinities, which JSON lacks, become null.
  Writer& Double(double value);
  Writer& Bool(bool value);
  Writer& Null();
  // `json` must be one valid JSON value.
  Writer& Raw(std::string_view json);

  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }
  // For callers that append large values in place, between values. The result must stay valid.
  std::string& buffer() { return out_; }

 private:
  void Separate();

  std::string out_;
  std::vector<bool> first_;  // Per open container: nothing in it yet.
  bool after_key_ = false;
};

}  // namespace narthex::json

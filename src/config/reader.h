#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/schema.h"
#include "config/yaml.h"

namespace narthex::config {

// What is wrong in one file; every finding of a run, in order. One thread at a time.
class Diagnostics {
 public:
  // With a schema, which outlives it, samples of the schema are described instead of read.
  explicit Diagnostics(std::string file, Schema* schema = nullptr)
      : file_(std::move(file)), schema_(schema) {}

  void Add(Position at, std::string_view message);
  bool ok() const { return findings_.empty(); }
  const std::vector<std::string>& findings() const { return findings_; }
  Schema* schema() const { return schema_; }
  // Success, or kInvalidArgument with one "<file>:<line>:<column>: <message>" per line.
  base::Status ToStatus() const;

 private:
  std::string file_;
  Schema* schema_;
  std::vector<std::string> findings_;
};

// Reads a map strictly: each key that the program knows is asked for once, Finish() reports the
// rest. A value of the wrong type is reported with its key and leaves the target as it was; a null
// counts as absent. One thread at a time; must not outlive the node.
//
// `meaning` is what documentation says of the key; the default that it gives is the target's value
// at the time of the call.
class MapReader {
 public:
  // Anything but a map (or null, taken as an empty one) is reported at once.
  MapReader(const Node& node, Diagnostics& diagnostics);

  // Marks the key as known; nullptr when it is absent or null. `type`: "block", "list", "map".
  const Node* Take(std::string_view key, std::string_view meaning = {},
                   std::string_view type = "block");
  // Like Take, but also for a present null: `grpc:` alone switches something on.
  const Node* TakeEvenNull(std::string_view key, std::string_view meaning = {},
                           std::string_view type = "block");

  // True when the key was there and good.
  bool Read(std::string_view key, std::string& out, std::string_view meaning = {});
  bool Read(std::string_view key, bool& out, std::string_view meaning = {});
  bool Read(std::string_view key, int64_t& out, std::string_view meaning = {});
  bool Read(std::string_view key, uint64_t& out, std::string_view meaning = {});
  bool Read(std::string_view key, double& out, std::string_view meaning = {});
  bool Read(std::string_view key, std::vector<std::string>& out, std::string_view meaning = {});
  // "1h30m", into milliseconds. Source: Prometheus, model.Duration.
  bool ReadDuration(std::string_view key, int64_t& ms, std::string_view meaning = {});
  // Go's form with fractions ("1.5s", "200ms"), into nanoseconds.
  bool ReadGoDuration(std::string_view key, int64_t& ns, std::string_view meaning = {});
  // "512MB", "10GiB" or a bare number, with powers of two for both as upstream has it.
  bool ReadBytes(std::string_view key, uint64_t& bytes, std::string_view meaning = {});

  // Known, and wrong to set: reports each that says something (no empty text or list, not `false`).
  void Refuse(std::initializer_list<std::string_view> keys, std::string_view message);
  // Known, and without effect. Returns those that are there.
  std::vector<std::string_view> TakeWithoutEffect(std::initializer_list<std::string_view> keys);
  // Reports keys that nobody asked for: `unknown key "scrape_intervall" (did you mean …?)`.
  void Finish();

  const Node& node() const { return node_; }
  // Where to report something about `key`: at its value, or at the map when absent.
  Position At(std::string_view key) const;
  void Report(std::string_view key, std::string_view message);

 private:
  friend class KeyGroup;
  template <class T, class Parse, class Format>
  bool ReadScalar(std::string_view key, std::string_view kind, std::string_view type, T& out,
                  std::string_view meaning, Parse parse, Format format);
  // Adds a key to the schema; false when there is none.
  bool Describe(std::string_view key, std::string_view type, std::string fallback,
                std::string_view meaning, Schema::Key::Use use = Schema::Key::Use::kRead);
  std::string PathOf(std::string_view key) const;

  const Node& node_;
  Diagnostics& diagnostics_;
  Schema* schema_ = nullptr;  // Where the node is a sample.
  std::string path_;          // Of the sample.
  std::vector<std::string_view> known_;
};

// In a schema, the keys that `reader` and readers below it ask for meanwhile are those of a group
// that components have in common. Without a schema, nothing.
class KeyGroup {
 public:
  KeyGroup(MapReader& reader, std::string_view name) : schema_(reader.schema_) {
    if (schema_ != nullptr) schema_->BeginGroup(reader.path_, std::string(name));
  }
  ~KeyGroup() {
    if (schema_ != nullptr) schema_->EndGroup();
  }
  KeyGroup(const KeyGroup&) = delete;
  KeyGroup& operator=(const KeyGroup&) = delete;

 private:
  Schema* const schema_;
};

}  // namespace narthex::config

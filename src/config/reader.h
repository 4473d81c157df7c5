#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/yaml.h"

namespace narthex::config {

// What is wrong in one file; every finding of a run, in order. One thread at a time.
class Diagnostics {
 public:
  explicit Diagnostics(std::string file) : file_(std::move(file)) {}

  void Add(Position at, std::string_view message);
  bool ok() const { return findings_.empty(); }
  const std::vector<std::string>& findings() const { return findings_; }
  // Success, or kInvalidArgument with one "<file>:<line>:<column>: <message>" per line.
  base::Status ToStatus() const;

 private:
  std::string file_;
  std::vector<std::string> findings_;
};

// Reads a map strictly: each key that the program knows is asked for once, Finish() reports the
// rest. A value of the wrong type is reported with its key and leaves the target as it was; a null
// counts as absent. One thread at a time; must not outlive the node.
class MapReader {
 public:
  // Anything but a map (or null, taken as an empty one) is reported at once.
  MapReader(const Node& node, Diagnostics& diagnostics);

  // Marks the key as known; nullptr when it is absent or null.
  const Node* Take(std::string_view key);
  // Like Take, but also for a present null: `grpc:` alone switches something on.
  const Node* TakeEvenNull(std::string_view key);

  bool Read(std::string_view key, std::string& out);  // True when the key was there and good.
  bool Read(std::string_view key, bool& out);
  bool Read(std::string_view key, int64_t& out);
  bool Read(std::string_view key, uint64_t& out);
  bool Read(std::string_view key, double& out);
  bool Read(std::string_view key, std::vector<std::string>& out);
  // "1h30m", into milliseconds. Source: Prometheus, model.Duration.
  bool ReadDuration(std::string_view key, int64_t& ms);
  // Go's form with fractions ("1.5s", "200ms"), into nanoseconds.
  bool ReadGoDuration(std::string_view key, int64_t& ns);
  // "512MB", "10GiB" or a bare number, with powers of two for both as upstream has it.
  bool ReadBytes(std::string_view key, uint64_t& bytes);

  // Reports keys that nobody asked for: `unknown key "scrape_intervall" (did you mean …?)`.
  void Finish();

  const Node& node() const { return node_; }
  // Where to report something about `key`: at its value, or at the map when absent.
  Position At(std::string_view key) const;
  void Report(std::string_view key, std::string_view message);

 private:
  template <class T, class Parse>
  bool ReadScalar(std::string_view key, std::string_view kind, T& out, Parse parse);

  const Node& node_;
  Diagnostics& diagnostics_;
  std::vector<std::string_view> known_;
};

}  // namespace narthex::config

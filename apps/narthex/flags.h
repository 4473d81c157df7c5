#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace narthex::apps {

enum class FlagKind {
  kBool,  // --name, --no-name, --name=true
  kString,
  kDuration,  // "15d", "1h30m", "1.5s"
  kInt,
  kFloat,
  kBytes,     // "512MB", "10GB" with units of 1024, or a plain number
  kRepeated,  // Strings; each occurrence adds one.
};

// One flag. A command's flags are one table of these: it drives parsing, --help and, in the
// server, /api/v1/status/flags.
struct FlagSpec {
  const char* name;  // "config.file", without dashes.
  FlagKind kind;
  const char* default_value;  // Text as on the command line; "" for none.
  const char* help;
  bool hidden = false;     // Not in --help.
  bool no_effect = false;  // Accepted with a warning.
};

// The values of a command's flags. Accessors CHECK that the table has a flag of that name and kind.
// Immutable.
class Flags {
 public:
  // `args` without the program's and the command's name. Takes `--name=value`, `--name value` and
  // single-letter flags; "--" ends the flags. Errors are one line, with a suggestion for an unknown
  // flag. Spec names and texts must outlive the result.
  static base::Result<Flags> Parse(std::span<const FlagSpec> specs,
                                   std::span<const char* const> args);

  const std::string& String(std::string_view name) const;
  bool Bool(std::string_view name) const;
  int64_t DurationMs(std::string_view name) const;
  int64_t Int(std::string_view name) const;
  double Float(std::string_view name) const;
  uint64_t Bytes(std::string_view name) const;
  const std::vector<std::string>& List(std::string_view name) const;
  // The same, taken apart at commas; what is empty is left out.
  std::vector<std::string_view> Items(std::string_view name) const;
  // Given on the command line, not by default.
  bool WasSet(std::string_view name) const;
  const std::vector<std::string>& positional() const { return positional_; }
  // Name to text, hidden ones too: what the status page shows.
  std::map<std::string, std::string> Values() const;

 private:
  struct Value {
    const FlagSpec* spec;
    std::vector<std::string> texts;  // One, but for kRepeated.
    bool set = false;
  };
  const Value& Find(std::string_view name, FlagKind kind) const;

  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> positional_;
};

// How --help introduces a command.
struct CommandHelp {
  const char* name;                  // "narthex load"
  const char* summary;               // One sentence.
  const char* examples;              // Lines, shown first.
  const char* positional = nullptr;  // "FILE…"; arguments without a flag are refused without it.
};

// Parses and deals with what every command shares: --help and --version (exit code 0), mistakes
// (one line on stderr, exit code 2), warnings about flags without effect. The flags, or the exit
// code to end with.
std::expected<Flags, int> ParseCommandLine(const CommandHelp& help, std::span<const FlagSpec> specs,
                                           int argc, char** argv);

std::string FormatHelp(const CommandHelp& help, std::span<const FlagSpec> specs);
std::string VersionText();
// The candidate that `text` is most likely a slip of; empty when none is close.
std::string ClosestTo(std::string_view text, std::span<const std::string> candidates);

}  // namespace narthex::apps

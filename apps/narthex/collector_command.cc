#include <fmt/core.h>

#include <cstdio>
#include <utility>

#include "collector/collector.h"
#include "collector/components.h"
#include "collector/key_reference.h"
#include "commands.h"
#include "config/yaml_writer.h"
#include "flags.h"
#include "stop_signal.h"
#include "telemetry/environment.h"

namespace narthex::apps {
namespace {

using collector::Collector;

constexpr FlagSpec kFlags[] = {
    {"config", FlagKind::kRepeated, "",
     "A configuration: a path, file:PATH, env:NAME or yaml:TEXT. Later ones are merged over "
     "earlier ones."},
    {"set", FlagKind::kRepeated, "", "Overrides one value: a.b.c=value. Applied last."},
    {"mode", FlagKind::kString, "redacted",
     "With `print-config`: redacted hides passwords, tokens and keys, unredacted shows them."},
    {"markdown", FlagKind::kBool, "false",
     "With `components`: the keys of each, with types, defaults and meaning."},
    {"feature-gates", FlagKind::kRepeated, "", "Feature gates of the official collector.", false,
     /*no_effect=*/true},
};

constexpr CommandHelp kHelp = {
    .name = "narthex collector",
    .summary = "Receives, processes and exports metrics as OpenTelemetry's collector does.",
    .examples =
        "  narthex collector --config config/otel-collector-config.yaml\n"
        "  narthex collector validate --config my.yaml\n",
    .positional = "[validate|components|print-config]",
};

base::Result<std::unique_ptr<Collector>> Create(const Flags& flags, base::Logger& logger) {
  return Collector::Create({flags.List("config"), flags.List("set")}, base::RealEnv(),
                           telemetry::ProcessEnvironment(), logger);
}

int Fail(const base::Error& error, int exit_code) {
  fmt::print(stderr, "narthex collector: {}\n", error.message);
  return exit_code;
}

template <class Factories>
void PrintTypes(const char* kind, const Factories& factories) {
  fmt::print("{}:\n", kind);
  for (const auto& factory : factories) fmt::print("  - name: {}\n", factory.type);
}

int PrintComponents() {
  const pipeline::Factories factories = collector::BuiltInFactories();
  PrintTypes("receivers", factories.receivers);
  PrintTypes("processors", factories.processors);
  PrintTypes("exporters", factories.exporters);
  PrintTypes("connectors", factories.connectors);
  PrintTypes("extensions", factories.extensions);
  return 0;
}

int PrintKeys() {
  const pipeline::Description description =
      pipeline::DescribeKeys(collector::BuiltInFactories(), base::RealEnv());
  for (const collector::KeyTable& table : collector::KeyTables(description)) {
    fmt::print("## {}\n\n{}\n", table.title, table.markdown);
  }
  return 0;
}

// The configuration as it is after merging and expansion.
int PrintConfig(const Flags& flags, base::Logger& logger) {
  const std::string mode = flags.String("mode");
  if (mode != "redacted" && mode != "unredacted") {
    fmt::print(stderr, "narthex collector: --mode must be redacted or unredacted\n");
    return 2;
  }
  const auto loaded =
      collector::LoadConfig({flags.List("config"), flags.List("set")}, base::PosixFileSystem(),
                            telemetry::ProcessEnvironment(), logger);
  if (!loaded.has_value()) return Fail(loaded.error(), 2);
  fmt::print("{}", mode == "redacted" ? config::FormatYaml(loaded->root, &collector::IsSecret)
                                      : config::FormatYaml(loaded->root));
  return 0;
}

// Puts a new configuration in the place of the running one. A bad one changes nothing.
base::Status Reload(const Flags& flags, base::Logger& logger, std::unique_ptr<Collector>& running) {
  auto fresh = Create(flags, logger);
  if (!fresh.has_value()) {
    logger.Error("collector", "the new configuration is not valid, the old one stays",
                 {{"error", fresh.error().message}});
    return {};
  }
  running->Stop();  // Gives its ports free.
  running = *std::move(fresh);
  return running->Start();
}

}  // namespace

int RunCollector(int argc, char** argv) {
  StopSignal signal;
  const auto flags = ParseCommandLine(kHelp, kFlags, argc, argv);
  if (!flags.has_value()) return flags.error();
  const std::string action = flags->positional().empty() ? "" : flags->positional().front();
  if (action == "components") {
    return flags->Bool("markdown") ? PrintKeys() : PrintComponents();
  }
  if (!action.empty() && action != "validate" && action != "print-config") {
    fmt::print(stderr, "narthex collector: unknown subcommand \"{}\", see --help\n", action);
    return 2;
  }
  base::Logger logger(base::LogLevel::kInfo, base::LogFormat::kLogfmt);
  if (action == "print-config") return PrintConfig(*flags, logger);
  auto collector = Create(*flags, logger);
  if (!collector.has_value()) return Fail(collector.error(), 2);
  if (action == "validate") return 0;
  if (base::Status status = (*collector)->Start(); !status.has_value()) {
    return Fail(status.error(), 1);
  }
  while (signal.Wait() != StopSignal::Event::kStop) {
    if (base::Status status = Reload(*flags, logger, *collector); !status.has_value()) {
      return Fail(status.error(), 1);
    }
  }
  (*collector)->Stop();
  return 0;
}

}  // namespace narthex::apps

// A program that counts what it does and sends it by OTLP, to http://localhost:4318 unless the
// usual OTEL_… variables say otherwise.
#include <narthex/base/log.h>
#include <narthex/telemetry/environment.h>
#include <narthex/telemetry/metrics.h>

using namespace narthex;

int main() {
  base::Logger log(base::LogLevel::kWarn, base::LogFormat::kLogfmt);
  telemetry::Metrics metrics(telemetry::ReadSettings(telemetry::ProcessEnvironment(), log),
                             base::SystemClock(), log);
  const auto meter = metrics.provider().GetMeter("example");
  const auto jobs = meter->CreateUInt64Counter("jobs", "Jobs done.", "{job}");
  const auto duration = meter->CreateDoubleHistogram("job.duration", "Time of a job.", "s");
  auto mail = jobs->Bind({{"queue", "mail"}});  // Attributes looked up once.
  for (int i = 0; i < 100; ++i) {
    mail.Add(1);
    duration->Record(0.001 * i, {{"queue", "mail"}});
  }
  return metrics.Shutdown() ? 0 : 1;  // Sends what is left.
}

#include "sdk/meter_provider.h"

#include "base/check.h"
#include "base/random.h"
#include "sdk/internal/callback_registry.h"

namespace narthex::sdk {

MeterProvider::MeterProvider(Config config)
    : config_(std::move(config)),
      context_{.clock = config_.clock,
               .logger = config_.logger,
               .readers = config_.readers,
               .views = config_.views,
               .exemplars = config_.exemplars,
               .cardinality_limit = std::max<size_t>(config_.cardinality_limit, 2),
               .hash_seed = base::RandomSeed(),
               .callbacks = std::make_shared<internal::CallbackRegistry>()} {}

std::shared_ptr<Meter> MeterProvider::GetMeter(std::string_view name, std::string_view version,
                                               std::string_view schema_url, Attributes attributes) {
  Meter::Scope scope{std::string(name), std::string(version), std::string(schema_url),
                     AttributeSet(attributes)};
  base::MutexLock lock(mutex_);
  for (const auto& meter : meters_) {
    if (meter->scope() == scope) return meter;
  }
  return meters_.emplace_back(std::make_shared<Meter>(std::move(scope), context_));
}

void MeterProvider::Collect(size_t reader, MetricBatch& into) {
  CHECK(reader < config_.readers.size());
  base::MutexLock collecting(collect_mutex_);
  std::vector<std::shared_ptr<Meter>> meters;
  {
    base::SharedLock lock(mutex_);
    meters = meters_;
  }
  context_.callbacks->RunAll(reader);
  const int64_t now_ns = config_.clock.WallNs();
  into.resource = &config_.resource;
  size_t used = 0;
  for (const auto& meter : meters) {
    if (used == into.scopes.size()) into.scopes.emplace_back();
    meter->Collect(reader, now_ns, into.scopes[used]);
    if (!into.scopes[used].metrics.empty()) ++used;
  }
  into.scopes.resize(used);
}

}  // namespace narthex::sdk

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exporters/prometheus/config.h"
#include "exporters/prometheus/internal/state.h"
#include "exporters/prometheus/store.h"
#include "otlp/batch.h"

namespace narthex::exporters::internal {

// Brings one batch into a store's state. One thread at a time.
class Updater {
 public:
  Updater(const PrometheusConfig& config, State& state, int64_t now_ns)
      : config_(config), state_(state), now_ns_(now_ns), now_tick_(state.TickOf(now_ns)) {}

  StoreCounts Run(const otlp::Batch& batch);

 private:
  Resource& ResourceOf(std::string_view attributes);
  void FillResource(std::string_view attributes, Resource& resource);
  template <class Take>
  void AddChosen(std::string_view attributes, translate::SeriesLabels& labels, Take take);
  // Keeps target_info of a resource alive. Of several attribute sets for one target the last holds.
  void TouchTarget(std::string_view attributes, Resource& resource);
  std::string PrefixedTargetInfo() const;
  ScopeLabels& ScopeOf(const otlp::Scope& scope);
  void UpdateMetric(const otlp::Batch& batch, const otlp::Metric& metric);
  void Refuse(Route::Refusal refusal, size_t points);
  Route MakeRoute(const otlp::Metric& metric);
  // nullptr when the name belongs to another type.
  Family* FamilyOf(const std::string& name, model::MetricType type, std::string_view help);
  template <class Point>
  void UpdatePoints(Family& family, const Hash128& metric_hash, const otlp::Metric& metric,
                    std::span<const Point> points);
  template <class Point>
  void Bring(uint32_t slot, const otlp::Metric& metric, const Point& point);
  void Count(Outcome outcome);
  // The series behind attributes that have not been seen in this spelling.
  uint32_t Resolve(Family& family, const Hash128& bytes, std::string_view attributes);
  // `text`: the labels, rendered.
  uint32_t FindOrAdd(Family& family, const Hash128& identity, const translate::SeriesLabels& labels,
                     std::string text);

  const PrometheusConfig& config_;
  State& state_;
  const int64_t now_ns_;
  const uint32_t now_tick_;
  StoreCounts counts_;
  Resource* resource_ = nullptr;
  ScopeLabels* scope_ = nullptr;
  Hash128 context_;
};

}  // namespace narthex::exporters::internal

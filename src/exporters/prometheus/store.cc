#include "exporters/prometheus/store.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "exporters/prometheus/internal/series_writer.h"
#include "exporters/prometheus/internal/state.h"
#include "exporters/prometheus/internal/updater.h"

namespace narthex::exporters {

using internal::Series;

Store::Store(const PrometheusConfig& config, const base::Clock& clock)
    : config_(config),
      clock_(clock),
      state_(std::make_unique<internal::State>(base::RandomSeed(), clock.MonotonicNs())) {}

Store::~Store() = default;

StoreCounts Store::Update(const otlp::Batch& batch) {
  base::MutexLock lock(mutex_);
  return internal::Updater(config_, *state_, clock_.MonotonicNs()).Run(batch);
}

size_t Store::Expire() {
  base::MutexLock lock(mutex_);
  return state_->Expire(clock_.MonotonicNs(), config_.expiration.count());
}

size_t Store::series_count() const {
  base::MutexLock lock(mutex_);
  return state_->by_identity.size();
}

template <class SeriesWriter>
void Store::WriteFamilies(const Page& page, internal::State& state, SeriesWriter& writer) const {
  for (auto& [key, family] : state.families) {
    if (!family.is_sorted) {
      std::ranges::sort(family.members, {}, [&](uint32_t slot) -> const std::string& {
        return state.series[slot].labels;
      });
      family.is_sorted = true;
    }
    const std::string& name = page.allow_utf8 ? family.name : family.escaped_name;
    bool is_open = false;
    for (const uint32_t slot : family.members) {
      const internal::Shown shown{state.readings[slot], state.series[slot]};
      if (!shown.reading.is_shown) continue;
      if (!std::exchange(is_open, true)) writer.Family(name, family.type, family.help);
      const bool is_escaped = !page.allow_utf8 && shown.series.escaped_labels != nullptr;
      writer.Write(name, family.type, shown,
                   is_escaped ? *shown.series.escaped_labels : shown.series.labels);
    }
  }
}

std::string Store::Render(const Page& page) const {
  base::MutexLock lock(mutex_);
  internal::State& state = *state_;
  if (page.is_protobuf) {
    internal::ProtobufSeriesWriter writer(config_.send_timestamps);
    WriteFamilies(page, state, writer);
    return writer.Finish();
  }
  internal::TextSeriesWriter writer(page.format, config_.send_timestamps);
  writer.Reserve(state.page_bytes + state.page_bytes / 8);
  WriteFamilies(page, state, writer);
  std::string text = writer.Finish();
  state.page_bytes = text.size();
  return text;
}

}  // namespace narthex::exporters

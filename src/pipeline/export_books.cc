#include "pipeline/export_books.h"

#include <fmt/format.h>

namespace narthex::pipeline {
namespace {

sdk::BoundCounter<uint64_t> CounterOf(Host& host, const std::string& name, Signal signal,
                                      std::string_view what, std::string_view description) {
  return host.meter
      .CreateUInt64Counter(fmt::format("otelcol_exporter_{}_{}", what, ItemsOf(signal)),
                           description, "{items}")
      ->Bind({{"exporter", name}});
}

}  // namespace

ExportBooks::ExportBooks(Host& host, const std::string& name, Signal signal)
    : sent_(signal == Signal::kMetrics
                ? host.instruments.exporter_sent->Bind({{"exporter", name}})
                : CounterOf(host, name, signal, "sent", "Items that were passed on.")),
      send_failed_(
          signal == Signal::kMetrics
              ? host.instruments.exporter_send_failed->Bind({{"exporter", name}})
              : CounterOf(host, name, signal, "send_failed", "Items that could not be passed on.")),
      enqueue_failed_(signal == Signal::kMetrics
                          ? host.instruments.exporter_enqueue_failed->Bind({{"exporter", name}})
                          : CounterOf(host, name, signal, "enqueue_failed",
                                      "Items that the sending queue did not take.")),
      queue_size_(host.instruments.exporter_queue_size->Bind(
          {{"exporter", name}, {"data_type", NameOf(signal)}})),
      queue_capacity_(host.instruments.exporter_queue_capacity->Bind(
          {{"exporter", name}, {"data_type", NameOf(signal)}})) {
  if (signal == Signal::kMetrics) flow_.emplace(host.instruments, "exporter/" + name);
}

void ExportBooks::Came(size_t items) {
  if (flow_.has_value()) flow_->In(items);
}

void ExportBooks::Waiting(int64_t items) {
  if (flow_.has_value()) flow_->Waiting(items);
}

void ExportBooks::Sent(size_t items) {
  sent_.Add(items);
  if (flow_.has_value()) flow_->Out(items);
}

void ExportBooks::Lost(std::string_view reason, size_t items) {
  send_failed_.Add(items);
  if (flow_.has_value()) flow_->Lost(reason, items);
}

}  // namespace narthex::pipeline

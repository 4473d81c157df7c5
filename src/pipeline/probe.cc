#include "pipeline/probe.h"

#include <fmt/core.h>

namespace narthex::pipeline {

Instruments::Instruments(sdk::Meter& meter)
    : receiver_accepted(meter.CreateUInt64Counter(
          "otelcol_receiver_accepted_metric_points",
          "Number of metric points successfully pushed into the pipeline.", "{datapoints}")),
      receiver_refused(meter.CreateUInt64Counter(
          "otelcol_receiver_refused_metric_points",
          "Number of metric points that could not be pushed into the pipeline.", "{datapoints}")),
      receiver_failed(meter.CreateUInt64Counter(
          "otelcol_receiver_failed_metric_points",
          "Number of metric points that failed to be processed by the receiver.", "{datapoints}")),
      processor_incoming(meter.CreateUInt64Counter("otelcol_processor_incoming_items",
                                                   "Number of items passed to the processor.",
                                                   "{items}")),
      processor_outgoing(meter.CreateUInt64Counter("otelcol_processor_outgoing_items",
                                                   "Number of items emitted from the processor.",
                                                   "{items}")),
      exporter_sent(meter.CreateUInt64Counter(
          "otelcol_exporter_sent_metric_points",
          "Number of metric points successfully sent to destination.", "{datapoints}")),
      exporter_send_failed(meter.CreateUInt64Counter(
          "otelcol_exporter_send_failed_metric_points",
          "Number of metric points in failed attempts to send to destination.", "{datapoints}")),
      exporter_enqueue_failed(meter.CreateUInt64Counter(
          "otelcol_exporter_enqueue_failed_metric_points",
          "Number of metric points failed to be added to the sending queue.", "{datapoints}")),
      exporter_queue_size(meter.CreateInt64UpDownCounter(
          "otelcol_exporter_queue_size", "Current size of the retry queue.", "{batches}")),
      exporter_queue_capacity(meter.CreateInt64UpDownCounter(
          "otelcol_exporter_queue_capacity", "Fixed capacity of the retry queue.", "{batches}")),
      points_in(meter.CreateUInt64Counter("narthex_points_in",
                                          "Data points that came into the component.")),
      points_out(meter.CreateUInt64Counter("narthex_points_out",
                                           "Data points that the component has done its work on.")),
      points_waiting(meter.CreateInt64UpDownCounter("narthex_points_waiting",
                                                    "Data points that the component holds.")),
      points_lost(meter.CreateUInt64Counter(
          "narthex_points_lost", "Data points that ended in the component, by reason.")) {}

void CountPassed(sdk::Meter& meter, const std::string& exporter, Signal signal, size_t items,
                 const base::Status& status) {
  meter
      .CreateUInt64Counter(
          fmt::format("otelcol_exporter_{}_{}", status.has_value() ? "sent" : "send_failed",
                      ItemsOf(signal)),
          status.has_value() ? "Items that were passed on." : "Items that could not be passed on.",
          "{items}")
      ->Add(items, {{"exporter", exporter}});
}

Flow::Flow(Instruments& instruments, std::string component)
    : component_(std::move(component)),
      in_(instruments.points_in->Bind({{"component", component_}})),
      out_(instruments.points_out->Bind({{"component", component_}})),
      waiting_(instruments.points_waiting->Bind({{"component", component_}})),
      lost_(*instruments.points_lost) {}

void Flow::Lost(std::string_view reason, size_t points) {
  if (points > 0) lost_.Add(points, {{"component", component_}, {"reason", reason}});
}

}  // namespace narthex::pipeline

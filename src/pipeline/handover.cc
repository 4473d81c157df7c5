#include "pipeline/handover.h"

#include <algorithm>

namespace narthex::pipeline {

Handover::Handover(Host& host, const std::string& name, Consumer& next)
    : next_(next),
      flow_(host.instruments, "processor/" + name),
      incoming_(host.instruments.processor_incoming->Bind(
          {{"processor", name}, {"otel_signal", "metrics"}})),
      outgoing_(host.instruments.processor_outgoing->Bind(
          {{"processor", name}, {"otel_signal", "metrics"}})) {}

base::Status Handover::Pass(otlp::Batch batch, size_t points_in, std::string_view reason) {
  const size_t points = batch.point_count();
  // What a stage adds came in here, too.
  flow_.In(std::max(points_in, points));
  incoming_.Add(points_in);
  if (points < points_in) flow_.Lost(reason, points_in - points);
  if (points == 0 && points_in > 0) return {};
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    outgoing_.Add(points);
    flow_.Out(points);
  } else {
    flow_.Lost("refused_downstream", points);
  }
  return status;
}

base::Status Handover::Refuse(size_t points_in, const base::Error& error) {
  flow_.In(points_in);
  incoming_.Add(points_in);
  flow_.Lost("processing_failed", points_in);
  return std::unexpected(error);
}

}  // namespace narthex::pipeline

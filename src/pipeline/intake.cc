#include "pipeline/intake.h"

namespace narthex::pipeline {

Intake::Intake(Host& host, const std::string& name, std::string_view transport, Consumer& next)
    : next_(next),
      flow_(host.instruments, "receiver/" + name),
      accepted_(
          host.instruments.receiver_accepted->Bind({{"receiver", name}, {"transport", transport}})),
      refused_(
          host.instruments.receiver_refused->Bind({{"receiver", name}, {"transport", transport}})) {
}

base::Status Intake::Pass(otlp::Batch batch) {
  const size_t points = batch.point_count();
  if (points == 0) return {};
  flow_.In(points);
  base::Status status = next_.Consume(std::move(batch));
  if (status.has_value()) {
    accepted_.Add(points);
    flow_.Out(points);
  } else {
    refused_.Add(points);
    flow_.Lost("refused_downstream", points);
  }
  return status;
}

}  // namespace narthex::pipeline

#include "processors/batch/cutting_passage.h"

#include "pipeline/cut_request.h"

namespace narthex::processors {

void CuttingPassage::Pass(pipeline::PassedRequest request, Done done) {
  std::vector<otlp::ItemsPart> parts = pipeline::CutRequest(
      std::exchange(request.bytes, {}), request.encoding, request.items, items_max_);
  const auto gather = pipeline::GatherAnswers(parts.size(), std::move(done));
  for (otlp::ItemsPart& part : parts) {
    pipeline::PassedRequest one = request;
    one.bytes = std::move(part.bytes);
    one.items = part.items;
    next_.Pass(std::move(one), gather);
  }
}

}  // namespace narthex::processors

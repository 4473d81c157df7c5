#pragma once

#include "pipeline/passage.h"

namespace narthex::processors {

// Passes requests on in parts of at most so many spans or log records; the answer is that to all of
// them, so that a sender who comes again brings parts that were taken once more. Thread-safe.
class CuttingPassage final : public pipeline::Passage {
 public:
  // REQUIRES: items_max > 0.
  CuttingPassage(size_t items_max, pipeline::Passage& next) : items_max_(items_max), next_(next) {}

  bool TakesJson() const override { return next_.TakesJson(); }
  void Pass(pipeline::PassedRequest request, Done done) override;

 private:
  const size_t items_max_;
  pipeline::Passage& next_;
};

}  // namespace narthex::processors

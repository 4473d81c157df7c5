#pragma once

#include <map>
#include <memory>

#include "storage/storage.h"

namespace narthex::promql {

// What a script has loaded: samples of series in time order. One thread at a time, but for the
// queriers that it hands out; they do not see what changes later.
class ScriptStorage final : public storage::Queryable {
 public:
  using Content = std::map<model::Labels, model::SampleColumns>;

  // Puts `more`, in time order, over what is there: at equal times the new sample stays. Hints of
  // histograms become those that chunks would give.
  void Put(const model::Labels& labels, const model::SampleColumns& more);
  void Clear();

  base::Result<std::unique_ptr<storage::Querier>> OpenQuerier(model::TimeRange range) override;

 private:
  std::shared_ptr<Content> content_ = std::make_shared<Content>();
};

}  // namespace narthex::promql

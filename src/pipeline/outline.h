#pragma once

#include <string>
#include <vector>

namespace narthex::pipeline {

// How a service is put together, by ids, for those who show it. A value.
struct Outline {
  struct Pipeline {
    std::string id;
    std::vector<std::string> receivers, processors, exporters;
  };
  std::vector<Pipeline> pipelines;
  std::vector<std::string> extensions;
};

}  // namespace narthex::pipeline

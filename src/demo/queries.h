#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demo/readings.h"

namespace narthex::demo {

// A query that shows something, and how to read its answer.
struct ExampleQuery {
  const char* title;
  const char* promql;
  const char* label;  // Names the series of the answer; "" for a single number.
  const char* unit;   // Behind each number.
};

// What the screen and the report ask the server.
std::span<const ExampleQuery> ExampleQueries();

struct QueryAnswer {
  const ExampleQuery* query = nullptr;
  std::string error;  // Empty when there is an answer.
  std::vector<AnswerSeries> series;
};

// "/api/users 24.9/s  /health 7.50/s": one line.
std::string FormatAnswer(const QueryAnswer& answer);

// All requests of this run as PromQL counts them. Data stays between runs and counters begin at
// zero again, so it selects by the instance label, which begins with `run` in this run only.
std::string RequestsQuery(std::string_view run);

}  // namespace narthex::demo

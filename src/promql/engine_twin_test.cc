#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "model/number.h"
#include "promql/engine.h"
#include "promql/script/script.h"
#include "promql/script/script_storage.h"
#include "promql/testing/naive_evaluator.h"
#include "promql/testing/random_query.h"

namespace narthex::promql {
namespace {

using model::Labels;
using model::Sample;
using model::Timestamp;

constexpr int64_t kMinute = 60'000;

// The engine and the naive twin over one world.
class Twins {
 public:
  explicit Twins(NaiveWorld world) : world_(std::move(world)) {
    for (const auto& [labels, samples] : world_) {
      model::SampleColumns columns;
      for (const Sample& sample : samples) columns.Add(sample.t, sample.v);
      storage_.Put(labels, columns);
    }
  }

  // How they differ; empty where they agree to the last bit.
  std::string Difference(const Engine& engine, const std::string& query, Engine::Range range) {
    const auto found = engine.OverRange(storage_, query, range, {});
    const auto expr = Parse(query, engine.options().parse);
    if (!expr) return query + ": " + expr.error().message;
    const NaiveEvaluator naive(world_, {range.start, range.end, range.step_ms}, {});
    std::map<std::pair<Labels, Timestamp>, double> wanted;
    for (Timestamp t = range.start; t <= range.end; t += range.step_ms) {
      const auto vector = naive.Vector(**expr, t);
      if (!vector) {
        if (!found) return {};
        return fmt::format("{}: no error, the twin has at {}: {}", query, t,
                           vector.error().message);
      }
      for (const NaiveElement& element : *vector) wanted[{element.labels, t}] = element.value;
    }
    if (!found) return query + ": only the engine fails: " + found.error().message;
    size_t count = 0;
    for (const ResultRow& row : found->rows) {
      for (size_t i = 0; i < row.samples.size(); ++i, ++count) {
        const auto twin = wanted.find({row.labels, row.samples.t[i]});
        const double value = row.samples.v[i];
        if (twin == wanted.end() || !Same(value, twin->second)) {
          return fmt::format(
              "{}: {} at {}: {:.17g}, the twin has {}", query, row.labels.ToString(),
              row.samples.t[i], value,
              twin == wanted.end() ? "nothing" : fmt::format("{:.17g}", twin->second));
        }
      }
    }
    if (count == wanted.size()) return {};
    return fmt::format("{}: {} values, the twin has {}", query, count, wanted.size());
  }

 private:
  static bool Same(double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  }

  const NaiveWorld world_;
  ScriptStorage storage_;
};

Engine::Options TwinOptions(size_t threads = 1) {
  Engine::Options options;
  options.threads = threads;
  options.work_alone_max = 0;
  options.parse.experimental_functions = true;
  return options;
}

Labels Series(std::string_view name, std::string_view g, std::string_view h) {
  return *Labels::From(
      {{"__name__", std::string(name)}, {"g", std::string(g)}, {"h", std::string(h)}});
}

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(EngineTwin, AgreesOnEverySmallSeries) {
  // What stands at one minute: nothing, or one of these.
  const double kValues[] = {0, 2, -1.5, kNan, model::StaleNan()};
  constexpr size_t kMinutes = 4;
  constexpr size_t kChoices = std::size(kValues) + 1;
  std::vector<std::string> queries = {
      "a",
      "a offset 1m",
      "a @ 100",
      "-a",
      "quantile_over_time(0.3, a[2m])",
      "predict_linear(a[3m], 10)",
      "double_exponential_smoothing(a[3m], 0.4, 0.6)",
      "absent(a)",
      "sum_over_time(a[2m:30s])",
      "timestamp(a)",
      "rate(a[2m:45s] offset 30s)",
  };
  for (const char* const name : {"rate",
                                 "increase",
                                 "delta",
                                 "irate",
                                 "idelta",
                                 "deriv",
                                 "changes",
                                 "resets",
                                 "avg_over_time",
                                 "min_over_time",
                                 "max_over_time",
                                 "sum_over_time",
                                 "count_over_time",
                                 "stddev_over_time",
                                 "last_over_time",
                                 "first_over_time",
                                 "absent_over_time",
                                 "mad_over_time",
                                 "ts_of_min_over_time",
                                 "ts_of_max_over_time",
                                 "ts_of_last_over_time"}) {
    queries.push_back(fmt::format("{}(a[2m])", name));
  }
  const Engine engine(TwinOptions(), base::SystemClock());
  size_t worlds = 1;
  for (size_t i = 0; i < kMinutes; ++i) worlds *= kChoices;
  for (size_t number = 0; number < worlds; ++number) {
    std::vector<Sample> samples;
    for (size_t i = 0, rest = number; i < kMinutes; ++i, rest /= kChoices) {
      if (rest % kChoices == 0) continue;
      samples.push_back({static_cast<Timestamp>(i) * kMinute, kValues[rest % kChoices - 1]});
    }
    Twins twins({{Series("a", "1", "x"), samples}});
    for (const std::string& query : queries) {
      const std::string difference = twins.Difference(engine, query, {0, 7 * kMinute, kMinute / 2});
      ASSERT_EQ(difference, "") << "world " << number;
    }
  }
}

TEST(EngineTwin, AgreesOnEverySmallVector) {
  const double kValues[] = {0, 1, kNan, -kInf};
  constexpr size_t kChoices = std::size(kValues) + 1;
  const Labels kSeries[] = {Series("a", "1", "x"), Series("a", "1", "y"), Series("a", "2", "x"),
                            Series("b", "1", "x")};
  std::vector<std::string> queries;
  for (const char* const op : {"+", "/", "==", "<", "> bool"}) {
    for (const char* const match : {"", "on (g, h)", "on (g)", "ignoring (h)", "on (g) group_left",
                                    "on (g) group_right", "on (g) group_left (h)"}) {
      queries.push_back(fmt::format("a {} {} b", op, match));
    }
  }
  for (const char* const op : {"and", "or", "unless"}) {
    for (const char* const match : {"", "on (g)", "ignoring (h)"}) {
      queries.push_back(fmt::format("a {} {} b", op, match));
      queries.push_back(fmt::format("b {} {} a", op, match));
    }
  }
  for (const char* const name :
       {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk by (g) (1,",
        "bottomk(2,", "quantile(0.4,", "limitk(1,", "count_values(\"v\","}) {
    const std::string text = name;
    if (text.ends_with(',')) {
      queries.push_back(text + " a)");
    } else {
      queries.push_back(text + " by (g) (a)");
      queries.push_back(text + "({g=~\".+\"})");
    }
  }
  queries.insert(queries.end(), {"a > 0", "1 - a", "2 < bool a", "abs({g=~\".+\"})", "sgn(a)",
                                 "clamp(a, -1, 1)", "round(a)", "scalar(a) + b", "absent(b)",
                                 "label_replace(a, \"h\", \"\", \"h\", \".*\")"});
  const Engine engine(TwinOptions(), base::SystemClock());
  for (size_t number = 0; number < kChoices * kChoices * kChoices * kChoices; ++number) {
    NaiveWorld world;
    size_t rest = number;
    for (const Labels& labels : kSeries) {
      if (rest % kChoices != 0) world[labels] = {{0, kValues[rest % kChoices - 1]}};
      rest /= kChoices;
    }
    Twins twins(world);
    for (const std::string& query : queries) {
      ASSERT_EQ(twins.Difference(engine, query, {0, 0, 1000}), "") << "world " << number;
    }
  }
}

// Samples as they come: late, missing, huge, not whole.
NaiveWorld RandomWorld(base::Random& random) {
  NaiveWorld world;
  for (const char* const name : {"a", "b", "c"}) {
    for (const char* const g : {"1", "2"}) {
      for (const char* const h : {"x", "y", ""}) {
        if (random.Below(4) == 0) continue;
        std::vector<Sample>& samples = world[Series(name, g, h)];
        const uint64_t kind = random.Below(4);
        double value = 0;
        for (Timestamp t = static_cast<Timestamp>(random.Below(20'000)); t < 20 * kMinute;
             t += 13'000 + static_cast<Timestamp>(random.Below(4'000))) {
          if (random.Below(12) == 0) t += static_cast<Timestamp>(random.Below(8)) * kMinute;
          if (kind == 0) value += random.NextDouble() * 10;
          if (kind == 1) value = static_cast<double>(random.Below(9)) - 3;
          if (kind == 2) value = (random.NextDouble() - 0.5) * (random.Below(2) == 0 ? 1 : 1e17);
          if (kind == 3) {
            const double kOdd[] = {kInf, -kInf, kNan, 1e308, -1e308, 0.1, 0.3, -0.0};
            value = kOdd[random.Below(std::size(kOdd))];
          }
          if (kind == 0 && random.Below(20) == 0) value = 0;
          samples.push_back({t, random.Below(30) == 0 ? model::StaleNan() : value});
        }
      }
    }
  }
  return world;
}

TEST(EngineTwin, AgreesOnRandomQueries) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    // Neither threads nor passes change an answer.
    Engine::Options options = TwinOptions(1 + seed % 3);
    options.passes = {.share_subexpressions = (seed & 1) == 0,
                      .leave_names = (seed & 2) == 0,
                      .pin_invariants = (seed & 4) == 0};
    const Engine engine(options, base::SystemClock());
    base::Random random(seed);
    Twins twins(RandomWorld(random));
    for (int i = 0; i < 20; ++i) {
      const std::string query = RandomQuery(random);
      const auto start = static_cast<Timestamp>(random.Below(20)) * 45'000;
      const Engine::Range range{start, start + static_cast<Timestamp>(random.Below(90)) * 10'000,
                                10'000 + 5'000 * static_cast<Timestamp>(random.Below(20))};
      ASSERT_EQ(twins.Difference(engine, query, range), "") << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace narthex::promql

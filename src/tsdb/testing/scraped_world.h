#pragma once

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/process.h"
#include "base/random.h"
#include "model/labels.h"

namespace narthex::tsdb {

// What benchmarks of the whole storage share: series and values as scrapes of servers bring them, a
// thousand series per target, eight labels.
inline constexpr int64_t kScrapedTarget = 1000;

inline model::Labels ScrapedSeries(int64_t i) {
  const int64_t target = i / kScrapedTarget;
  const int64_t k = i % kScrapedTarget;
  return *model::Labels::From({{"__name__", "app_metric_" + std::to_string(k / 50) + "_total"},
                               {"endpoint", "/api/v1/resource/" + std::to_string(k / 10 % 5)},
                               {"instance", "10.0.0." + std::to_string(target) + ":8080"},
                               {"job", "api"},
                               {"method", k % 2 == 0 ? "GET" : "POST"},
                               {"namespace", "shop"},
                               {"pod", "api-7d9f8b6c5-" + std::to_string(target)},
                               {"status", std::to_string(200 + k / 2 % 5)}});
}

// Values as a scrape of a server shows them: a quarter does not move, half are counters of events,
// an eighth whole numbers that go up and down, an eighth fractions.
class ScrapedValues {
 public:
  explicit ScrapedValues(size_t series) : now_(series) {}
  double Next(size_t i) {
    const uint64_t dice = random_.Next();
    float& v = now_[i];
    switch (i % 8) {
      case 0:
      case 1:
        break;
      case 6:
        v = static_cast<float>(dice % 64);
        break;
      case 7:
        return static_cast<double>(dice % 4096) / 1024;
      default:
        if (dice % 4 == 0) v += static_cast<float>(dice >> 8 & 15);
        break;
    }
    return v;
  }

 private:
  base::Random random_{1};
  std::vector<float> now_;
};

struct TemporaryDirectory {
  TemporaryDirectory() {
    static int number = 0;
    path = base::JoinPath(base::CurrentDirectory(), "tsdb-bench-" + std::to_string(getpid()) + "-" +
                                                        std::to_string(++number));
  }
  ~TemporaryDirectory() { (void)base::RemoveAll(base::PosixFileSystem(), path); }
  std::string path;
};

inline double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
inline double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace narthex::tsdb

// A time series database inside a C++ program: open a directory, append, ask in PromQL, print.
#include <narthex/database.h>

#include <iostream>

int main() {
  auto database = narthex::Database::Open("embedded-data");
  if (!database) {
    std::cerr << database.error().message << '\n';
    return 1;
  }
  constexpr int64_t kNow = 1'700'000'000'000;
  for (int64_t t = kNow; t <= kNow + 60'000; t += 15'000) {
    for (const char* path : {"/users", "/orders"}) {
      auto stored = database->Append({{"__name__", "requests_total"}, {"path", path}}, t,
                                     static_cast<double>(t - kNow) / 100);
      if (!stored) std::cerr << stored.error().message << '\n';
    }
  }
  auto answer = database->Query("sum by (path) (increase(requests_total[1m]))", kNow + 60'000);
  std::cout << (answer ? answer->ToString() : answer.error().message + "\n");
  return answer ? 0 : 1;
}

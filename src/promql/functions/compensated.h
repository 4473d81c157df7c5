#pragma once

#include <cmath>

#include "model/compensated.h"

namespace narthex::promql {

struct CompensatedSum {
  double sum = 0;
  double lost = 0;

  void Add(double x) { model::AddCompensated(x, sum, lost); }
  double Both() const { return sum + lost; }
  double Total() const { return std::isinf(sum) ? sum : sum + lost; }
};

// Mean that survives sums beyond the largest double. Source: upstream's avg().
struct CompensatedMean {
  CompensatedSum sum;  // Holds the mean itself once `incremental`.
  double count = 0;
  bool incremental = false;

  void Add(double x) {
    ++count;
    if (!incremental) {
      CompensatedSum next = sum;
      next.Add(x);
      if (count == 1 || !std::isinf(next.sum)) {
        sum = next;
        return;
      }
      incremental = true;
      sum.sum /= count - 1;
      sum.lost /= count - 1;
    }
    const double weight = (count - 1) / count;
    sum.sum *= weight;
    sum.lost *= weight;
    sum.Add(x / count);
  }
  double Mean() const {
    if (incremental) return sum.sum + sum.lost;
    return sum.sum / count + sum.lost / count;
  }
};

}  // namespace narthex::promql

#pragma once

#include <cmath>

namespace narthex::model {

// sum += x, with what rounding loses in `lost`. Infinities reset the compensation as upstream does.
// Source: Neumaier 1974.
inline void AddCompensated(double x, double& sum, double& lost) {
  const double total = sum + x;
  if (std::isinf(total)) {
    lost = 0;
  } else if (std::fabs(sum) >= std::fabs(x)) {
    lost += (sum - total) + x;
  } else {
    lost += (x - total) + sum;
  }
  sum = total;
}

}  // namespace narthex::model

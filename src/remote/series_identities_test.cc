#include "remote/series_identities.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"
#include "base/testing/manual_clock.h"

namespace narthex::remote {
namespace {

// Against a map, while series come again and again, change their references, and age.
TEST(SeriesIdentities, KnowsWhatAMapKnows) {
  constexpr int64_t kHourMs = 3'600'000;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    base::ManualClock clock;
    SeriesIdentities identities(clock);
    std::map<std::string, storage::SeriesRef> now;
    std::map<std::string, storage::SeriesRef> before;
    for (int step = 0; step < 200; ++step) {
      std::vector<std::string> names;
      std::vector<SeriesIdentities::Wanted> wanted;
      for (uint64_t i = random.Below(100); i > 0; --i) {
        names.push_back(std::to_string(random.Below(2000)));
        wanted.push_back({identities.KeyOf(names.back())});
      }
      identities.Find(wanted);
      for (size_t i = 0; i < names.size(); ++i) {
        if (!now.contains(names[i]) && before.contains(names[i])) {
          now[names[i]] = before[names[i]];
          before.erase(names[i]);
        }
        const auto found = now.find(names[i]);
        ASSERT_EQ(wanted[i].ref, found == now.end() ? 0 : found->second) << names[i];
        if (wanted[i].ref == 0 || random.Below(20) == 0) {
          now[names[i]] = 1 + random.Below(UINT32_MAX);
          before.erase(names[i]);
          // Asked for again in the same batch, it stays what it was there.
          for (size_t k = i + 1; k < names.size(); ++k) {
            if (names[k] == names[i]) wanted[k].ref = now[names[i]];
          }
          identities.Put(wanted[i].key, now[names[i]]);
        }
      }
      ASSERT_EQ(identities.size(), now.size() + before.size());
      if (random.Below(30) == 0) {
        clock.AdvanceMs(kHourMs);
        identities.Age();
        before = std::exchange(now, {});
      }
    }
  }
}

TEST(SeriesIdentities, AReferenceTooLargeForItIsNotKept) {
  base::ManualClock clock;
  SeriesIdentities identities(clock);
  SeriesIdentities::Wanted wanted{identities.KeyOf("a")};
  identities.Put(wanted.key, uint64_t{1} << 32);
  identities.Find({&wanted, 1});
  EXPECT_EQ(wanted.ref, 0u);
  EXPECT_EQ(identities.size(), 0u);
}

}  // namespace
}  // namespace narthex::remote

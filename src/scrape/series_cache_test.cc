#include "scrape/series_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "base/random.h"

namespace narthex::scrape {
namespace {

// Against a map: bodies that stay, that lose, gain, repeat and reorder series, and that fail.
TEST(SeriesCache, KnowsWhatAMapKnows) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    SeriesCache cache;
    std::map<std::string, storage::SeriesRef> before;  // With 0 for those that are dropped.
    std::set<storage::SeriesRef> untracked;
    std::vector<std::string> body;
    uint32_t next = 1;
    for (int scrape = 0; scrape < 60; ++scrape) {
      // Half of the bodies are like the one before.
      for (uint64_t i = random.Below(2) * random.Below(8); i > 0; --i) {
        const size_t at = random.Below(body.size() + 1);
        const std::string text = "series_" + std::to_string(random.Below(60));
        if (random.Below(3) == 0 && at < body.size()) {
          body.erase(body.begin() + static_cast<ptrdiff_t>(at));
        } else if (random.Below(4) == 0 && at < body.size()) {
          std::swap(body[at], body[random.Below(body.size())]);
        } else {
          body.insert(body.begin() + static_cast<ptrdiff_t>(at), text);
        }
      }
      std::map<std::string, storage::SeriesRef> now;
      cache.Begin();
      const bool fails = random.Below(10) == 0;
      const size_t read = fails ? random.Below(body.size() + 1) : body.size();
      for (size_t i = 0; i < read; ++i) {
        SeriesCache::Entry* entry = cache.Find(body[i]);
        const auto known = now.contains(body[i]) ? now.find(body[i]) : before.find(body[i]);
        if (known == before.end()) {
          ASSERT_EQ(entry, nullptr) << body[i];
          entry = cache.Add(random.Below(5) == 0 ? 0 : next++);
          entry->tracked = random.Below(5) != 0;
          if (entry->tracked == 0) untracked.insert(entry->ref);
          now[body[i]] = entry->ref;
          continue;
        }
        ASSERT_NE(entry, nullptr) << body[i];
        ASSERT_EQ(entry->ref, known->second) << body[i];
        if (entry->ref != 0 && random.Below(20) == 0) {
          // The storage has let go of it: found anew. What is written now ends under its new name.
          const uint32_t renewed = next++;
          if (entry->tracked == 0) untracked.insert(renewed);
          entry->ref = renewed;
          if (!fails) before[body[i]] = renewed;
        }
        now[body[i]] = entry->ref;
      }
      std::multiset<storage::SeriesRef> gone;
      const auto note = [&](storage::SeriesRef ref) { gone.insert(ref); };
      std::multiset<storage::SeriesRef> expected;
      if (fails) {
        cache.Clear(note);
        ASSERT_EQ(cache.size(), 0u);
        // References that were found anew in a body that failed may be either.
        ASSERT_LE(gone.size(), before.size());
        before.clear();
        continue;
      }
      cache.End(note);
      for (const auto& [text, ref] : before) {
        if (!now.contains(text) && ref != 0 && !untracked.contains(ref)) expected.insert(ref);
      }
      ASSERT_EQ(gone, expected);
      before = std::move(now);
      ASSERT_EQ(cache.size(), before.size());
    }
  }
}

TEST(SeriesCache, AFailedBodyEndsWhatWasThereBeforeAndNothingNew) {
  SeriesCache cache;
  cache.Begin();
  for (const uint32_t ref : {1u, 2u, 3u}) {
    ASSERT_EQ(cache.Find(std::to_string(ref)), nullptr);
    cache.Add(ref)->tracked = 1;
  }
  cache.End([](storage::SeriesRef ref) { ADD_FAILURE() << ref; });
  cache.Begin();
  ASSERT_NE(cache.Find("1"), nullptr);
  ASSERT_EQ(cache.Find("4"), nullptr);
  cache.Add(4)->tracked = 1;
  std::vector<storage::SeriesRef> gone;
  cache.Clear([&](storage::SeriesRef ref) { gone.push_back(ref); });
  EXPECT_EQ(gone, (std::vector<storage::SeriesRef>{1, 2, 3}));
  cache.Begin();
  EXPECT_EQ(cache.Find("1"), nullptr);
}

}  // namespace
}  // namespace narthex::scrape

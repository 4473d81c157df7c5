#include "collector/key_reference.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "collector/components.h"

namespace narthex::collector {
namespace {

using Key = config::Schema::Key;

pipeline::Description Describe() {
  return pipeline::DescribeKeys(BuiltInFactories(), base::RealEnv());
}

// NARTHEX_UPDATE_DOCS=1 writes the tables anew, between the marks that stand there.
TEST(KeyReference, TheDocumentHasTheTablesOfTheReaders) {
  const std::string path = std::string(NARTHEX_SOURCE_DIR) + "/docs/collector.md";
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::string page = text.str();
  for (const KeyTable& table : KeyTables(Describe())) {
    const std::string begin = fmt::format("<!-- keys of {}, generated -->\n", table.title);
    const std::string end = "<!-- end of keys -->\n";
    const size_t from = page.find(begin);
    ASSERT_NE(from, std::string::npos) << "no mark for " << table.title;
    const size_t first = from + begin.size();
    const size_t last = page.find(end, first);
    ASSERT_NE(last, std::string::npos) << table.title;
    if (std::getenv("NARTHEX_UPDATE_DOCS") != nullptr) {
      page.replace(first, last - first, table.markdown);
    } else {
      EXPECT_EQ(page.substr(first, last - first), table.markdown)
          << "run it with NARTHEX_UPDATE_DOCS=1";
    }
  }
  if (std::getenv("NARTHEX_UPDATE_DOCS") != nullptr) std::ofstream(path) << page;
}

TEST(KeyReference, EveryKeySaysWhatItMeans) {
  const pipeline::Description description = Describe();
  const auto check = [](std::string_view where, const std::vector<Key>& keys) {
    for (const Key& key : keys) {
      if (key.use != Key::Use::kRead || key.type == "block") continue;
      EXPECT_FALSE(key.meaning.empty()) << where << ": " << key.path;
    }
  };
  for (const auto& component : description.components) check(component.type, component.keys);
  for (const auto& group : description.groups) check(group.name, group.keys);
}

// What a sample has to be to be believed: keys of every depth, with the defaults of the code.
TEST(KeyReference, ASampleIsReadToItsLeaves) {
  const pipeline::Description description = Describe();
  const auto has = [&](std::string_view type, const std::string& path, std::string_view fallback) {
    for (const auto& component : description.components) {
      if (component.type != type) continue;
      for (const Key& key : component.keys) {
        if (key.path == path) return key.fallback == fallback;
      }
    }
    return false;
  };
  EXPECT_TRUE(has("otlp", "protocols.grpc.endpoint", "localhost:4317"));
  EXPECT_TRUE(has("hostmetrics", "scrapers.cpu.metrics.system.cpu.time.enabled", "true"));
  EXPECT_TRUE(has("statsd", "timer_histogram_mapping[].histogram.max_size", "160"));
  EXPECT_TRUE(has("otlp_http", "timeout", "30s"));
  EXPECT_TRUE(has("prometheusremotewrite", "retry_on_failure.initial_interval", "50ms"));
}

}  // namespace
}  // namespace narthex::collector

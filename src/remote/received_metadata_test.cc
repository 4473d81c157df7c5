#include "remote/received_metadata.h"

#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>

#include "base/testing/manual_clock.h"

namespace narthex::remote {
namespace {

using model::MetricType;

ReceivedMetadata::Entry Told(int type, const std::string& family, const std::string& help,
                             const std::string& unit) {
  std::string body;
  protozero::pbf_writer message(body);
  message.add_enum(1, type);
  message.add_string(2, family);
  message.add_string(4, help);
  message.add_string(5, unit);
  return ReceivedMetadata::Decode(body);
}

std::string Text(const ReceivedMetadata& store) {
  std::string text;
  store.ForEach([&](std::string_view family, const model::Metadata& metadata) {
    text += std::string(family) + "|" + std::string(model::MetricTypeName(metadata.type)) + "|" +
            metadata.help + "|" + metadata.unit + "\n";
  });
  return text;
}

TEST(ReceivedMetadata, TakesWhatARequestTells) {
  base::ManualClock clock(0);
  ReceivedMetadata store(clock);
  store.Take({Told(1, "requests", "How many.", ""), Told(3, "latency", "How long.", "seconds"),
              Told(99, "odd", "", ""), Told(1, "", "of nothing", ""), Told(1, "\xff", "", "")});
  EXPECT_EQ(Text(store),
            "latency|histogram|How long.|seconds\nodd|unknown||\nrequests|counter|How many.|\n");
  store.Take({Told(2, "requests", "Changed.", "")});
  EXPECT_EQ(Text(store).substr(Text(store).find("requests")), "requests|gauge|Changed.|\n");
  EXPECT_EQ(store.statistics().families, 3u);
}

TEST(ReceivedMetadata, ForgetsWhatIsNotToldAgain) {
  base::ManualClock clock(0);
  ReceivedMetadata store(clock);
  store.Take({{"a", {}}, {"b", {}}});
  clock.AdvanceMs(40 * 60'000);
  store.Take({{"b", {}}});
  clock.AdvanceMs(40 * 60'000);
  store.Take({{"c", {}}});
  EXPECT_EQ(Text(store), "b|unknown||\nc|unknown||\n");
}

TEST(ReceivedMetadata, KeepsToItsRoom) {
  base::ManualClock clock(0);
  ReceivedMetadata store(clock, 20);
  const model::Metadata ten{.help = "123456789"};
  store.Take({{"a", ten}, {"b", ten}, {"c", ten}, {"a", ten}});
  EXPECT_EQ(store.statistics().families, 2u);
  EXPECT_EQ(store.statistics().passed_over, 1u);
}

}  // namespace
}  // namespace narthex::remote

#include "scrape/loop.h"

#include <gtest/gtest.h>

#include "exposition/protobuf_writer.h"
#include "model/number.h"
#include "storage/testing/memory_storage.h"

namespace narthex::scrape {
namespace {

class LoopTest : public testing::Test {
 protected:
  LoopTest() { Configure({}); }

  void Configure(JobConfig job) {
    job_ = std::move(job);
    job_.protocols = DefaultProtocols(job_.histograms);
    Target target;
    target.labels = *model::Labels::From({{"job", "j"}, {"instance", "i"}});
    loop_ = std::make_unique<Loop>(std::make_shared<const JobConfig>(job_), target, storage_);
  }

  Outcome Scrape(model::Timestamp time, std::string body, std::string content_type = "text/plain") {
    net::HttpClientResponse response{.status = 200, .body = std::move(body)};
    response.headers.Set("Content-Type", content_type);
    return loop_->Finish(response, time, 0.5);
  }

  // "t=v t=v" of one series, stale markers as "stale".
  std::string Samples(const std::string& series) const {
    std::string text;
    for (const auto& [labels, samples] : storage_.content()) {
      if (labels.ToString() != series) continue;
      for (const auto& [t, v] : samples) {
        if (!text.empty()) text += ' ';
        text += std::to_string(t) + "=" + (model::IsStaleNan(v) ? "stale" : model::FormatFloat(v));
      }
    }
    return text;
  }

  storage::MemoryStorage storage_;
  JobConfig job_;
  std::unique_ptr<Loop> loop_;
};

constexpr char kUp[] = R"(up{instance="i", job="j"})";

TEST_F(LoopTest, StoresSamplesAndReportsAboutThem) {
  const Outcome first = Scrape(1000, "# TYPE a counter\na 1\nb{x=\"y\"} 2 900\n");
  EXPECT_TRUE(first.status.has_value());
  EXPECT_EQ(first.scraped, 2u);
  EXPECT_EQ(first.added, 2u);
  Scrape(2000, "# TYPE a counter\na 3\nb{x=\"y\"} 4 1900\n");
  EXPECT_EQ(Samples(R"(a{instance="i", job="j"})"), "1000=1 2000=3");
  EXPECT_EQ(Samples(R"(b{instance="i", job="j", x="y"})"), "900=2 1900=4");
  EXPECT_EQ(Samples(kUp), "1000=1 2000=1");
  EXPECT_EQ(Samples(R"(scrape_samples_scraped{instance="i", job="j"})"), "1000=2 2000=2");
  EXPECT_EQ(Samples(R"(scrape_series_added{instance="i", job="j"})"), "1000=2 2000=0");
  EXPECT_EQ(Samples(R"(scrape_duration_seconds{instance="i", job="j"})"), "1000=0.5 2000=0.5");
  EXPECT_EQ(loop_->metadata().at("a").metadata.type, model::MetricType::kCounter);
}

TEST_F(LoopTest, EndsSeriesThatVanish) {
  Scrape(1000, "a 1\nb 1\nc 1 500\n");
  Scrape(2000, "b 2\n");
  Scrape(3000, "b 3\na 3\n");
  EXPECT_EQ(Samples(R"(a{instance="i", job="j"})"), "1000=1 2000=stale 3000=3");
  EXPECT_EQ(Samples(R"(b{instance="i", job="j"})"), "1000=1 2000=2 3000=3");
  // Its timestamp is its own business.
  EXPECT_EQ(Samples(R"(c{instance="i", job="j"})"), "500=1");
}

TEST_F(LoopTest, EndsAllSeriesWhenAScrapeFails) {
  Scrape(1000, "a 1\n");
  const Outcome refused = loop_->Finish(base::Fail(base::Code::kUnavailable, "refused"), 2000, 0.1);
  EXPECT_FALSE(refused.status.has_value());
  Scrape(3000, "a 2\nthis is { no exposition\n");
  Scrape(4000, "a 3\n", "application/json");
  Scrape(5000, "a 4\n");
  EXPECT_EQ(Samples(R"(a{instance="i", job="j"})"), "1000=1 2000=stale 5000=4");
  EXPECT_EQ(Samples(kUp), "1000=1 2000=0 3000=0 4000=0 5000=1");
}

TEST_F(LoopTest, KeepsOrRenamesClashingLabels) {
  Scrape(1000, "a{job=\"mine\",exported_instance=\"e\",instance=\"x\"} 1\n");
  EXPECT_EQ(
      Samples(R"(a{exported_exported_instance="x", exported_instance="e", exported_job="mine", )"
              R"(instance="i", job="j"})"),
      "1000=1");
  Configure({.honor_labels = true});
  Scrape(2000, "a{job=\"mine\"} 2\n");
  EXPECT_EQ(Samples(R"(a{instance="i", job="mine"})"), "2000=2");
}

TEST_F(LoopTest, RelabelsAndDropsSamples) {
  JobConfig job;
  job.metric_rules.push_back(*relabel::Rule::From(
      {.action = relabel::Action::kDrop, .source_labels = {"__name__"}, .regex = "noise.*"}));
  Configure(std::move(job));
  const Outcome outcome = Scrape(1000, "a 1\nnoise_1 1\nnoise_2 1\n");
  EXPECT_EQ(outcome.scraped, 3u);
  EXPECT_EQ(outcome.kept, 1u);
  EXPECT_EQ(storage_.content().size(), 1u + 5u);
}

TEST_F(LoopTest, RefusesAScrapeOverALimitAsAWhole) {
  JobConfig job;
  job.limits.samples = 2;
  Configure(std::move(job));
  EXPECT_TRUE(Scrape(1000, "a 1\nb 1\n").status.has_value());
  const Outcome over = Scrape(2000, "a 2\nb 2\nc 2\n");
  EXPECT_EQ(over.status.error().message, "sample limit of 2 exceeded");
  EXPECT_EQ(Samples(R"(a{instance="i", job="j"})"), "1000=1 2000=stale");
  EXPECT_EQ(Samples(kUp), "1000=1 2000=0");
}

TEST_F(LoopTest, HandsOnExemplars) {
  const std::string body =
      "# TYPE a counter\na_total 1 # {trace_id=\"t\"} 0.5\n"
      "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2 # {trace_id=\"u\"} 3 1.25\nh_count 2\nh_sum "
      "3\n# EOF\n";
  ASSERT_TRUE(Scrape(2000, body, "application/openmetrics-text; version=1.0.0").status.has_value());
  const std::vector<std::vector<model::Matcher>> all = {{}};
  const auto found = *storage_.SelectExemplars(all, {});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].labels.ToString(), R"(a_total{instance="i", job="j"})");
  EXPECT_EQ(found[0].exemplars[0].timestamp, 2000);  // That of its sample.
  EXPECT_EQ(found[0].exemplars[0].value, 0.5);
  EXPECT_EQ(found[1].exemplars[0].timestamp, 1250);
}

class ProtobufLoopTest : public LoopTest {
 protected:
  static constexpr char kProtobuf[] =
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
      "encoding=delimited";

  static std::string Body() {
    exposition::ProtobufWriter writer;
    writer.Family("c_total", model::MetricType::kCounter, "Help.");
    writer.Number("k=\"v\"", 3, {}, {});
    writer.Family("h", model::MetricType::kHistogram, "");
    writer.NativeHistogram("",
                           {.schema = 3,
                            .count = 4,
                            .sum = 9,
                            .positive_spans = {{1, 4}},
                            .positive_deltas = {1, 0, 0, 0}},
                           {});
    return writer.Finish();
  }
  std::string Histogram(const Outcome& outcome) {
    EXPECT_TRUE(outcome.status.has_value()) << outcome.status.error().message;
    const auto querier = *storage_.OpenQuerier({0, 10'000});
    const auto set = *querier->Select({model::Matcher::Equal("__name__", "h")});
    if (set->size() == 0) return "";
    model::SampleColumns samples;
    EXPECT_TRUE(set->Read(0, {0, 10'000}, samples).has_value());
    return samples.histograms.empty() ? "a number" : samples.histograms.back()->ToString();
  }
};

TEST_F(ProtobufLoopTest, NativeHistogramsAreStoredWhereTheyAreWanted) {
  Configure({.histograms = {.native = true}});
  const Outcome outcome = Scrape(1000, Body(), kProtobuf);
  EXPECT_EQ(outcome.scraped, 2u);
  EXPECT_EQ(Histogram(outcome),
            "{count:4, sum:9, (1,1.0905077326652577]:1, (1.0905077326652577,1.189207115002721]:1, "
            "(1.189207115002721,1.2968395546510096]:1, (1.2968395546510096,1.4142135623730951]:1}");
  EXPECT_EQ(Samples(R"(c_total{instance="i", job="j", k="v"})"), "1000=3");
  EXPECT_EQ(loop_->metadata().at("c_total").metadata.help, "Help.");
  Scrape(2000, "", kProtobuf);
  EXPECT_EQ(Samples(R"(h{instance="i", job="j"})"), "1000=9 2000=stale");
}

TEST_F(ProtobufLoopTest, WithoutThemTheClassicSeriesAreStored) {
  Scrape(1000, Body(), kProtobuf);
  EXPECT_EQ(Samples(R"(h_bucket{instance="i", job="j", le="+Inf"})"), "1000=4");
  EXPECT_EQ(Samples(R"(h_count{instance="i", job="j"})"), "1000=4");
}

TEST_F(ProtobufLoopTest, HistogramsWithTooManyBucketsBecomeCoarser) {
  Configure({.histograms = {.native = true}, .limits = {.histogram_buckets = 2}});
  EXPECT_EQ(Histogram(Scrape(1000, Body(), kProtobuf)),
            "{count:4, sum:9, (1,1.189207115002721]:2, (1.189207115002721,1.4142135623730951]:2}");
  Configure({.histograms = {.native = true}, .limits = {.histogram_bucket_factor = 1.4}});
  EXPECT_EQ(Histogram(Scrape(2000, Body(), kProtobuf)),
            "{count:4, sum:9, (1,1.4142135623730951]:4}");
}

TEST_F(ProtobufLoopTest, DamageFailsTheScrape) {
  const Outcome outcome = Scrape(1000, Body().substr(0, Body().size() - 3), kProtobuf);
  ASSERT_FALSE(outcome.status.has_value());
  EXPECT_TRUE(outcome.status.error().message.starts_with("byte "))
      << outcome.status.error().message;
}

TEST_F(LoopTest, TellsTheStorageWhatSeriesAre) {
  Scrape(1000, "# TYPE a counter\n# HELP a Old.\na 1\nother 1\n# TYPE h histogram\nh_sum 1\n");
  const auto text = [this] {
    std::string all;
    const auto of_series = *storage_.SelectMetadata({});
    for (const auto& [labels, metadata] : of_series) {
      all += std::string(labels.Get("__name__")) + " " +
             std::string(MetricTypeName(metadata.type)) + " " + metadata.help + "\n";
    }
    return all;
  };
  EXPECT_EQ(text(), "a counter Old.\nh_sum histogram \n");
  Scrape(2000, "# TYPE a gauge\n# HELP a New.\na 1\nother 1\n# TYPE h histogram\nh_sum 1\n");
  EXPECT_EQ(text(), "a gauge New.\nh_sum histogram \n");
}

TEST_F(LoopTest, NormalisesNotANumber) {
  Scrape(1000, "a NaN\n");
  bool stale = true;
  for (const auto& [labels, samples] : storage_.content()) {
    if (labels.Get("__name__") == "a") stale = model::IsStaleNan(samples.begin()->second);
  }
  EXPECT_FALSE(stale);
}

TEST(AcceptHeader, WeighsFormats) {
  EXPECT_EQ(AcceptHeader(DefaultProtocols({})),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
}

}  // namespace
}  // namespace narthex::scrape

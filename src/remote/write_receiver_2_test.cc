// Requests of version 2.

#include <gtest/gtest.h>

#include <map>
#include <protozero/pbf_writer.hpp>
#include <random>

#include "base/testing/manual_clock.h"
#include "compress/compress.h"
#include "remote/write_receiver.h"
#include "storage/testing/memory_storage.h"

namespace narthex::remote {
namespace {

using model::Label;

struct Exemplar {
  std::vector<Label> labels;
  double value;
  int64_t time_ms;
};
struct Series {
  std::vector<Label> labels;
  std::vector<model::Sample> samples;
  std::vector<int64_t> histogram_times = {};
  std::vector<Exemplar> exemplars = {};
  uint32_t type = 0;
  std::string help = {}, unit = {};
  int64_t start_ms = 0;
};

// How a request is laid out where the specification leaves it open.
struct Layout {
  bool symbols_last = false;
  bool packed = true;
  bool symbols_reversed = false;
};

class Encoder {
 public:
  explicit Encoder(Layout layout = {}) : layout_(layout) {}

  std::string Encode(const std::vector<Series>& all) {
    // The numbers of the symbols have to be known first.
    Symbol("");
    for (const Series& series : all) EncodeSeries(series);
    if (layout_.symbols_reversed) {
      const auto count = static_cast<uint32_t>(symbols_.size());
      for (auto& [text, number] : symbols_) {
        if (number != 0) number = count - number;
      }
    }
    std::string messages, table;
    protozero::pbf_writer of_messages(messages);
    for (const Series& series : all) of_messages.add_message(5, EncodeSeries(series));
    std::map<uint32_t, std::string> by_number;
    for (const auto& [text, number] : symbols_) by_number[number] = text;
    protozero::pbf_writer of_table(table);
    for (const auto& [number, text] : by_number) of_table.add_string(4, text);
    return layout_.symbols_last ? messages + table : table + messages;
  }

 private:
  uint32_t Symbol(const std::string& text) {
    return symbols_.emplace(text, static_cast<uint32_t>(symbols_.size())).first->second;
  }

  void AddLabels(protozero::pbf_writer& message, const std::vector<Label>& labels) {
    std::vector<uint32_t> refs;
    for (const Label& label : labels) {
      refs.push_back(Symbol(label.name));
      refs.push_back(Symbol(label.value));
    }
    if (layout_.packed) {
      message.add_packed_uint32(1, refs.begin(), refs.end());
    } else {
      for (const uint32_t ref : refs) message.add_uint32(1, ref);
    }
  }

  std::string EncodeSeries(const Series& series) {
    std::string bytes;
    protozero::pbf_writer message(bytes);
    AddLabels(message, series.labels);
    for (const model::Sample& sample : series.samples) {
      protozero::pbf_writer field(message, 2);
      field.add_double(1, sample.v);
      field.add_int64(2, sample.t);
      if (series.start_ms != 0) field.add_int64(3, series.start_ms);
    }
    for (const int64_t t : series.histogram_times) {
      protozero::pbf_writer field(message, 3);
      const std::vector<double> bounds = {0.5, 1};
      const std::vector<int64_t> deltas = {2, 1};
      field.add_uint64(1, 5);
      field.add_double(3, 7.5);
      field.add_sint32(4, -53);
      {
        protozero::pbf_writer span(field, 11);
        span.add_sint32(1, 0);
        span.add_uint32(2, 2);
      }
      field.add_packed_sint64(12, deltas.begin(), deltas.end());
      field.add_int64(15, t);
      field.add_packed_double(16, bounds.begin(), bounds.end());
      if (series.start_ms != 0) field.add_int64(17, series.start_ms);
    }
    for (const Exemplar& exemplar : series.exemplars) {
      protozero::pbf_writer field(message, 4);
      AddLabels(field, exemplar.labels);
      field.add_double(2, exemplar.value);
      field.add_int64(3, exemplar.time_ms);
    }
    {
      protozero::pbf_writer field(message, 5);
      if (series.type != 0) field.add_enum(1, static_cast<int32_t>(series.type));
      if (!series.help.empty()) field.add_uint32(3, Symbol(series.help));
      if (!series.unit.empty()) field.add_uint32(4, Symbol(series.unit));
    }
    if (series.start_ms != 0) message.add_int64(6, series.start_ms);
    return bytes;
  }

  const Layout layout_;
  std::map<std::string, uint32_t> symbols_;
};

class WriteReceiver2Test : public testing::Test {
 protected:
  net::HttpResponse Send(const std::string& body) {
    net::HttpRequest request{.method = "POST", .body = compress::SnappyEncode(body)};
    request.headers.Add("Content-Type",
                        "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    request.headers.Add("Content-Encoding", "snappy");
    request.headers.Add("X-Prometheus-Remote-Write-Version", "2.0.0");
    return receiver_.Handle(request);
  }
  net::HttpResponse Send(const std::vector<Series>& all, Layout layout = {}) {
    return Send(Encoder(layout).Encode(all));
  }

  // "samples/histograms/exemplars", as the answer has it.
  static std::string Written(const net::HttpResponse& response) {
    std::string text;
    for (const std::string_view what : {"Samples", "Histograms", "Exemplars"}) {
      const std::string name = fmt::format("X-Prometheus-Remote-Write-{}-Written", what);
      text += std::string(text.empty() ? "" : "/") + std::string(response.headers.Get(name));
    }
    return text;
  }
  std::map<std::string, std::map<model::Timestamp, double>> Content() {
    std::map<std::string, std::map<model::Timestamp, double>> content;
    for (const auto& [labels, samples] : storage_.content()) content[labels.ToString()] = samples;
    return content;
  }

  base::ManualClock clock_{1'000'000};
  storage::MemoryStorage storage_;
  WriteReceiver receiver_{storage_, clock_, {}};
};

using Points = std::map<model::Timestamp, double>;

TEST_F(WriteReceiver2Test, StoresSamplesOfNewAndKnownSeriesInEveryLayout) {
  model::Timestamp t = 0;
  Points want;
  for (const bool symbols_last : {false, true}) {
    for (const bool packed : {false, true}) {
      for (const bool symbols_reversed : {false, true}) {
        t += 1000;
        const auto response = Send({{{{"__name__", "up"}, {"job", "a"}}, {{t, 1}}},
                                    {{{"__name__", "up"}, {"job", "b"}}, {{t, 2}}, {}, {}, 2, "h"}},
                                   {symbols_last, packed, symbols_reversed});
        EXPECT_EQ(response.status, 204) << response.body;
        EXPECT_EQ(Written(response), "2/0/0");
        want[t] = 1;
      }
    }
  }
  EXPECT_EQ(Content()["up{job=\"a\"}"], want);
  EXPECT_EQ(Content().size(), 2u);
  EXPECT_EQ(receiver_.statistics().known_series, 2u);
}

// The same numbers of symbols mean something else in the next request.
TEST_F(WriteReceiver2Test, NumbersOfSymbolsMeanNothingBeyondTheirRequest) {
  Send({{{{"__name__", "a"}, {"x", "1"}}, {{1000, 1}}}});
  Send({{{{"__name__", "a"}, {"x", "2"}}, {{1000, 2}}}});
  Send({{{{"__name__", "a"}, {"x", "1"}}, {{2000, 3}}}});
  EXPECT_EQ(Content()["a{x=\"1\"}"], (Points{{1000, 1}, {2000, 3}}));
  EXPECT_EQ(Content()["a{x=\"2\"}"], (Points{{1000, 2}}));
}

// Both versions of one series are one series.
TEST_F(WriteReceiver2Test, AgreesWithVersion1OnWhatASeriesIs) {
  std::string body;
  {
    protozero::pbf_writer request(body);
    protozero::pbf_writer series(request, 1);
    for (const auto& [name, value] : {std::pair{"__name__", "up"}, std::pair{"job", "a"}}) {
      protozero::pbf_writer label(series, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    protozero::pbf_writer sample(series, 2);
    sample.add_double(1, 1);
    sample.add_int64(2, 1000);
  }
  EXPECT_TRUE(receiver_.Write(body).status.has_value());
  Send({{{{"__name__", "up"}, {"job", "a"}}, {{2000, 2}}}});
  EXPECT_EQ(Content()["up{job=\"a\"}"], (Points{{1000, 1}, {2000, 2}}));
}

TEST_F(WriteReceiver2Test, StoresHistogramsExemplarsAndMetadata) {
  const auto response = Send(
      {{.labels = {{"__name__", "h_bucket"}},
        .samples = {},
        .histogram_times = {1000, 2000},
        .exemplars = {{{{"trace_id", "late"}}, 0.7, 1600}, {{{"trace_id", "early"}}, 0.6, 1500}},
        .type = 3,
        .help = "How long.",
        .unit = "seconds",
        .start_ms = 500}});
  EXPECT_EQ(response.status, 204) << response.body;
  EXPECT_EQ(Written(response), "0/2/2");
  const auto querier = *storage_.OpenQuerier({});
  const auto set = *querier->Select({});
  ASSERT_EQ(set->size(), 1u);
  model::SampleColumns samples;
  ASSERT_TRUE(set->Read(0, {}, samples).has_value());
  ASSERT_EQ(samples.t, (std::vector<model::Timestamp>{1000, 2000}));
  EXPECT_EQ(samples.histograms[0]->custom_bounds, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(samples.histograms[0]->positive, (std::vector<double>{2, 3}));
  const std::vector<std::vector<model::Matcher>> all = {{}};
  const auto exemplars = *storage_.SelectExemplars(all, {});
  ASSERT_EQ(exemplars.size(), 1u);
  ASSERT_EQ(exemplars[0].exemplars.size(), 2u);
  EXPECT_EQ(exemplars[0].exemplars[0].labels.ToString(), "{trace_id=\"early\"}");
  const auto of_series = *storage_.SelectMetadata({});
  ASSERT_EQ(of_series.size(), 1u);
  EXPECT_EQ(of_series[0].metadata,
            (model::Metadata{model::MetricType::kHistogram, "How long.", "seconds"}));
  std::map<std::string, model::Metadata> families;
  receiver_.metadata().ForEach([&](std::string_view family, const model::Metadata& metadata) {
    families.emplace(family, metadata);
  });
  EXPECT_EQ(families, (std::map<std::string, model::Metadata>{{"h", of_series[0].metadata}}));
  EXPECT_EQ(receiver_.statistics().without_metadata, 0u);
}

TEST_F(WriteReceiver2Test, KeepsTheNewestMetadataOfAFamily) {
  const auto help_of_m = [&] {
    std::string help;
    receiver_.metadata().ForEach(
        [&](std::string_view, const model::Metadata& metadata) { help += metadata.help; });
    return help;
  };
  for (const std::string help : {"one", "two", "one", "one"}) {
    Send({{.labels = {{"__name__", "m"}}, .samples = {{1000, 1}}, .type = 1, .help = help}});
    EXPECT_EQ(help_of_m(), help);
    clock_.AdvanceMs(40 * 60'000);  // What is told again is not forgotten.
  }
}

TEST_F(WriteReceiver2Test, TakesThePartOfARequestThatIsGood) {
  const auto response =
      Send({{{{"__name__", "good"}}, {{1000, 1}, {1'000'000 + 600'001, 1}, {2000, 2}}},
            {{{"job", "no name"}}, {{1, 1}}},
            {{{"__name__", "twice"}, {"a", "1"}, {"a", "2"}}, {{1, 1}}},
            {{{"__name__", "bytes"}, {"a", "\xff"}}, {{1, 1}}},
            {.labels = {{"__name__", "empty"}}},
            {.labels = {{"__name__", "both"}}, .samples = {{1, 1}}, .histogram_times = {2}},
            {{{"b", "2"}, {"__name__", "fine"}, {"c", ""}, {"a", "1"}}, {{1000, 3}}}});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Written(response), "3/0/0");
  EXPECT_EQ(response.body,
            "out of bounds: series good, timestamp 1600001\n"
            "invalid metric name or labels, got {\"job\"=\"no name\"}\n"
            "a label name comes twice, got {\"__name__\"=\"twice\", \"a\"=\"1\", \"a\"=\"2\"}\n"
            "invalid metric name or labels, got {\"__name__\"=\"bytes\", \"a\"=\"\\xff\"}\n"
            "a series needs a sample or a histogram for series empty\n"
            "a series has samples or histograms, not both for series both\n");
  EXPECT_EQ(Content(), (std::map<std::string, Points>{{"good", {{1000, 1}, {2000, 2}}},
                                                      {"fine{a=\"1\", b=\"2\"}", {{1000, 3}}}}));
  EXPECT_EQ(receiver_.statistics().invalid_samples, 5u);
  EXPECT_EQ(receiver_.statistics().partial_requests, 1u);
}

TEST_F(WriteReceiver2Test, TellsTheFirstRefusalsAndHowManyMoreThereAre) {
  Series series{{{"__name__", "m"}}, {{1000, 1}}};
  for (int i = 0; i < 1000; ++i) series.samples.push_back({9'000'000'000 + i, 1});
  const auto response = Send({series});
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Written(response), "1/0/0");
  EXPECT_TRUE(response.body.ends_with("timestamp 9000000009\nand 990 more\n")) << response.body;
}

TEST_F(WriteReceiver2Test, RefusesNumbersThatNoSymbolHas) {
  const auto request = [](std::vector<uint32_t> labels, uint32_t help,
                          std::vector<uint32_t> of_exemplar) {
    std::string body;
    protozero::pbf_writer all(body);
    for (const char* symbol : {"", "__name__", "m"}) all.add_string(4, symbol);
    protozero::pbf_writer series(all, 5);
    series.add_packed_uint32(1, labels.begin(), labels.end());
    {
      protozero::pbf_writer sample(series, 2);
      sample.add_int64(2, 1000);
    }
    {
      protozero::pbf_writer exemplar(series, 4);
      exemplar.add_packed_uint32(1, of_exemplar.begin(), of_exemplar.end());
      exemplar.add_int64(3, 1000);
    }
    protozero::pbf_writer metadata(series, 5);
    metadata.add_uint32(3, help);
    return body;
  };
  const auto answer = [&](const std::string& body) {
    const auto response = Send(body);
    return fmt::format("{} {} {}", response.status, Written(response), response.body);
  };
  EXPECT_EQ(answer(request({1, 3}, 0, {})),
            "400 0/0/0 invalid labels: symbols 1 and 3 are outside of a table of 3\n");
  EXPECT_EQ(answer(request({1, 2, 1}, 0, {})),
            "400 0/0/0 invalid labels: 3 numbers of symbols are no pairs\n");
  EXPECT_EQ(answer(request({1, 4'000'000'000}, 0, {})),
            "400 0/0/0 invalid labels: symbols 1 and 4000000000 are outside of a table of 3\n");
  EXPECT_EQ(answer(request({1, 2}, 3, {})),
            "400 0/0/0 metadata with symbols 3 and 0 outside of a table of 3 for series m\n");
  EXPECT_EQ(answer(request({1, 2}, 0, {1, 3})),
            "400 1/0/0 an exemplar with invalid labels for series m\n");
  // And once the series is known.
  EXPECT_EQ(answer(request({1, 2}, 3, {})),
            "400 0/0/0 metadata with symbols 3 and 0 outside of a table of 3 for series m\n");
}

TEST_F(WriteReceiver2Test, AnswersWithZeroesWhereNothingWasWritten) {
  const auto response = Send(std::string("\x22\x7f"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Written(response), "0/0/0");
}

// A message of version 1 has nothing that version 2 knows.
TEST_F(WriteReceiver2Test, FindsNothingInAMessageOfTheOtherVersion) {
  std::string body;
  protozero::pbf_writer(body).add_message(1, std::string("\x0a\x06\x0a\x01\x61\x12\x01\x62"));
  const auto response = Send(body);
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(Written(response), "0/0/0");
}

TEST_F(WriteReceiver2Test, SurvivesTruncationAndDamage) {
  const std::string body =
      Encoder().Encode({{.labels = {{"__name__", "m"}, {"a", "b"}},
                         .samples = {{1000, 1.5}},
                         .exemplars = {{{{"trace_id", "t"}}, 1, 1000}},
                         .type = 1,
                         .help = "Help."},
                        {.labels = {{"__name__", "h"}}, .samples = {}, .histogram_times = {1000}}});
  for (size_t size = 1; size < body.size(); ++size) {
    const auto response = Send(body.substr(0, size));
    EXPECT_TRUE(response.status == 204 || response.status == 400) << size;
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = body;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto response = Send(damaged);
    EXPECT_TRUE(response.status == 204 || response.status == 400) << i << response.body;
  }
}

}  // namespace
}  // namespace narthex::remote

#include "pipeline/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What the components of a test did, in order.
std::vector<std::string> events;
// The consumer behind each receiver that was made.
std::map<std::string, Consumer*> entries;
std::map<std::string, Passage*> passages;
std::string failing;
// What an extension was told.
Outline outlined;

template <class Base>
class Recorder : public Base {
 public:
  explicit Recorder(std::string name) : name_(std::move(name)) {}
  base::Status Start() override {
    events.push_back("start " + name_);
    if (name_ == failing) return base::Fail(base::Code::kUnavailable, "no port");
    return {};
  }
  void Stop() override { events.push_back("stop " + name_); }

 protected:
  const std::string name_;
};

// Passes traces on, but no logs.
class FakeReceiver : public Recorder<Receiver> {
 public:
  using Recorder::Recorder;
  bool Connect(Signal signal, Passage& next) override {
    if (signal != Signal::kTraces) return false;
    passages[name_] = &next;
    return true;
  }
};
class FakeProcessor : public Recorder<Processor> {
 public:
  FakeProcessor(std::string name, Consumer& next) : Recorder(std::move(name)), next_(next) {}
  base::Status Consume(otlp::Batch batch) override {
    events.push_back("through " + name_);
    return next_.Consume(std::move(batch));
  }

 private:
  Consumer& next_;
};
// Lets requests of other signals pass.
class FakeBatchProcessor : public FakeProcessor {
 public:
  using FakeProcessor::FakeProcessor;
  Passage* PassageTo(Signal, Passage& next) override { return &next; }
};
// Looks at them.
class FakeLimiter : public FakeProcessor, private Passage {
 public:
  using FakeProcessor::FakeProcessor;
  Passage* PassageTo(Signal, Passage& next) override {
    next_passage_ = &next;
    return this;
  }

 private:
  void Pass(PassedRequest request, Done done) override {
    events.push_back("through " + name_);
    next_passage_->Pass(std::move(request), std::move(done));
  }
  Passage* next_passage_ = nullptr;
};
class FakeExporter : public Recorder<Exporter> {
 public:
  using Recorder::Recorder;
  base::Status Consume(otlp::Batch batch) override {
    events.push_back(fmt::format("{} got {}", name_, batch.point_count()));
    return {};
  }
};
// Takes all signals; requests without items fail.
class FakePassingExporter : public FakeExporter, private Passage {
 public:
  using FakeExporter::FakeExporter;
  Passage* passage() override { return this; }

 private:
  void Pass(PassedRequest request, Done done) override {
    events.push_back(fmt::format("{} passed {}", name_, request.bytes));
    if (request.items > 0) return done({.response = name_});
    done({.status = base::Fail(base::Code::kUnavailable, "{} says no", name_)});
  }
};
class FakeExtension : public Recorder<Extension> {
 public:
  using Recorder::Recorder;
  void Describe(const Outline& outline) override { outlined = outline; }
  void Ready() override { events.push_back("ready " + name_); }
};

constexpr ReceiverFactory kReceivers[] = {
    {"in", "in_old", [](const CreateContext& context, Consumer& next) -> std::unique_ptr<Receiver> {
       entries[context.id.ToString()] = &next;
       return std::make_unique<FakeReceiver>(context.id.ToString());
     }}};
constexpr ProcessorFactory kProcessors[] = {
    {"p", "",
     [](const CreateContext& context, Consumer& next) -> std::unique_ptr<Processor> {
       return std::make_unique<FakeProcessor>(context.id.ToString(), next);
     }},
    {"limiter", "",
     [](const CreateContext& context, Consumer& next) -> std::unique_ptr<Processor> {
       return std::make_unique<FakeLimiter>(context.id.ToString(), next);
     }},
    {"batch", "", [](const CreateContext& context, Consumer& next) -> std::unique_ptr<Processor> {
       return std::make_unique<FakeBatchProcessor>(context.id.ToString(), next);
     }}};
constexpr ExporterFactory kExporters[] = {
    {"out", "",
     [](const CreateContext& context) -> std::unique_ptr<Exporter> {
       config::MapReader(context.config, context.diagnostics).Finish();
       return std::make_unique<FakeExporter>(context.id.ToString());
     }},
    {"pass", "", [](const CreateContext& context) -> std::unique_ptr<Exporter> {
       return std::make_unique<FakePassingExporter>(context.id.ToString());
     }}};
constexpr ExtensionFactory kExtensions[] = {
    {"x", "",
     [](const CreateContext& context) -> std::unique_ptr<Extension> {
       return std::make_unique<FakeExtension>(context.id.ToString());
     },
     "other"}};

// Passes metrics on to all pipelines behind it, and takes traces where they lead on.
class FakeConnector : public Recorder<Connector>, private Consumer {
 public:
  FakeConnector(const std::string& name, const ConnectorOutputs& outputs)
      : Recorder(name), outputs_(outputs) {}
  Consumer* consumer() override { return outputs_.metrics == nullptr ? nullptr : this; }
  Passage* passage(Signal signal) override {
    const auto found = outputs_.passages.find(signal);
    return found == outputs_.passages.end() ? nullptr : found->second;
  }

 private:
  base::Status Consume(otlp::Batch batch) override {
    events.push_back(fmt::format("{} got {}", name_, batch.point_count()));
    return outputs_.metrics->Consume(std::move(batch));
  }
  const ConnectorOutputs outputs_;
};
constexpr ConnectorFactory kConnectors[] = {
    {"join", "",
     [](const CreateContext& context,
        const ConnectorOutputs& outputs) -> std::unique_ptr<Connector> {
       config::MapReader(context.config, context.diagnostics).Finish();
       return std::make_unique<FakeConnector>(context.id.ToString(), outputs);
     }}};

class GraphTest : public testing::Test {
 protected:
  void SetUp() override {
    events.clear();
    entries.clear();
    failing.clear();
  }
  std::unique_ptr<Graph> Build(std::string_view yaml) {
    const config::Node root = *config::ParseYaml(yaml, "c.yaml");
    config::Diagnostics diagnostics("c.yaml");
    auto graph = Graph::Build(root, {kReceivers, kProcessors, kExporters, kExtensions, kConnectors},
                              host_.host(), diagnostics);
    errors_ = diagnostics.ok() ? "" : diagnostics.ToStatus().error().message;
    EXPECT_EQ(graph == nullptr, !diagnostics.ok());
    return graph;
  }
  std::string ErrorsOf(std::string_view yaml) {
    Build(yaml);
    return errors_;
  }

  TestHost host_;
  std::string errors_;
};

constexpr std::string_view kTwoPipelines = R"(
receivers:
  in:
  in/2:
processors:
  p/a:
  p/b:
exporters:
  out:
  out/2:
extensions:
  x:
service:
  extensions: [x]
  pipelines:
    metrics:
      receivers: [in]
      processors: [p/a, p/b]
      exporters: [out, out/2]
    metrics/2:
      receivers: [in, in/2]
      exporters: [out/2]
)";

TEST_F(GraphTest, StartsTheReceiversLastAndStopsThemFirst) {
  auto graph = Build(kTwoPipelines);
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_TRUE(graph->Start().has_value());
  EXPECT_THAT(events, ElementsAre("start x", "start out", "start out/2", "start p/b", "start p/a",
                                  "start in", "start in/2", "ready x"));
  events.clear();
  graph->Stop();
  graph->Stop();
  EXPECT_THAT(events, ElementsAre("stop in/2", "stop in", "stop p/a", "stop p/b", "stop out/2",
                                  "stop out", "stop x"));
}

TEST_F(GraphTest, AnExtensionThatAnotherNamesIsMadeFirst) {
  const auto graph = Build(
      "receivers: {in: }\nexporters: {out: }\n"
      "extensions: {x/1: {other: x/2}, x/2: {other: x/3}, x/3: {other: x/1}, x/4: {other: x/5}}\n"
      "service: {extensions: [x/1, x/2, x/3, x/4], "
      "pipelines: {metrics: {receivers: [in], exporters: [out]}}}");
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_TRUE(graph->Start().has_value());
  std::vector<std::string> started;
  for (const std::string& event : events) {
    if (event.starts_with("start x")) started.push_back(event);
  }
  EXPECT_THAT(started, ElementsAre("start x/3", "start x/2", "start x/1", "start x/4"));
  graph->Stop();
}

TEST_F(GraphTest, DataTakesEveryPath) {
  auto graph = Build(kTwoPipelines);
  ASSERT_TRUE(entries.at("in")->Consume(GaugeBatch(3)).has_value());
  EXPECT_THAT(events,
              ElementsAre("through p/a", "through p/b", "out got 3", "out/2 got 3", "out/2 got 3"));
  events.clear();
  ASSERT_TRUE(entries.at("in/2")->Consume(GaugeBatch(1)).has_value());
  EXPECT_THAT(events, ElementsAre("out/2 got 1"));
}

TEST_F(GraphTest, AFailedStartStopsWhatWasStarted) {
  auto graph = Build(kTwoPipelines);
  failing = "p/b";
  const base::Status status = graph->Start();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "processor p/b: no port");
  EXPECT_THAT(events, ElementsAre("start x", "start out", "start out/2", "start p/b", "stop p/b",
                                  "stop out/2", "stop out", "stop x"));
}

TEST_F(GraphTest, OldNamesAreAccepted) {
  EXPECT_NE(Build("receivers: {in_old: }\nexporters: {out: }\nservice: {pipelines: {metrics: "
                  "{receivers: [in_old], exporters: [out]}}}"),
            nullptr);
}

TEST_F(GraphTest, MistakesAreNamedInTheOfficialWords) {
  const std::string base = "receivers:\n  in:\nexporters:\n  out:\n";
  EXPECT_THAT(ErrorsOf(""), HasSubstr("empty configuration file"));
  EXPECT_THAT(ErrorsOf("exporters: {out: }\nservice: {}"),
              HasSubstr("no receiver configuration specified in config"));
  EXPECT_THAT(ErrorsOf("receivers: {in: }\nservice: {}"),
              HasSubstr("no exporter configuration specified in config"));
  EXPECT_THAT(ErrorsOf(base), HasSubstr("service must have at least one pipeline"));
  EXPECT_THAT(ErrorsOf(base + "service: {pipelines: {metrics: {exporters: [out]}}}"),
              HasSubstr("service::pipelines::metrics: must have at least one receiver"));
  EXPECT_THAT(ErrorsOf(base + "service: {pipelines: {metrics: {receivers: [in]}}}"),
              HasSubstr("service::pipelines::metrics: must have at least one exporter"));
  EXPECT_THAT(
      ErrorsOf(base + "service: {pipelines: {metrics: {receivers: [in], exporters: [o]}}}"),
      HasSubstr("c.yaml:5:62: service::pipelines::metrics: references exporter \"o\" which is not "
                "configured"));
  EXPECT_THAT(ErrorsOf(base + "service: {extensions: [x], pipelines: {metrics: {receivers: [in], "
                              "exporters: [out]}}}"),
              HasSubstr("service::extensions: references extension \"x\" which is not configured"));
  EXPECT_THAT(ErrorsOf(base + "processors: {p: }\nservice: {pipelines: {metrics: {receivers: "
                              "[in], processors: [p, p], exporters: [out]}}}"),
              HasSubstr("references processor \"p\" multiple times"));
  EXPECT_THAT(ErrorsOf(base + "recievers: {}\nservice: {pipelines: {metrics: {receivers: [in], "
                              "exporters: [out]}}}"),
              HasSubstr("did you mean"));
  EXPECT_THAT(
      ErrorsOf("receivers: {kafka: }\nexporters: {out: }\nservice: {pipelines: {}}"),
      HasSubstr("receivers: unknown type: \"kafka\" for id: \"kafka\" (valid values: [in])"));
  EXPECT_THAT(
      ErrorsOf(base + "service: {pipelines: {traces: {receivers: [in], exporters: "
                      "[out]}}}"),
      HasSubstr("service::pipelines::traces: exporter \"out\" takes metrics only; traces are "
                "passed on to otlp exporters"));
  EXPECT_THAT(ErrorsOf(base + "service: {pipelines: {profiles: {receivers: [in], exporters: "
                              "[out]}}}"),
              HasSubstr("only pipelines of metrics, traces and logs are supported"));
  // A component's own mistakes, too.
  EXPECT_THAT(ErrorsOf("receivers: {in: }\nexporters: {out: {bad: 1}}\nservice: {pipelines: "
                       "{metrics: {receivers: [in], exporters: [out]}}}"),
              HasSubstr("c.yaml:2:"));
}

TEST_F(GraphTest, WhatNoPipelineUsesIsCheckedAndNotMade) {
  const std::string pipeline =
      "service: {pipelines: {metrics: {receivers: [in], exporters: [out]}}}";
  EXPECT_THAT(ErrorsOf("receivers: {in: }\nexporters:\n  out:\n  out/2: {bad: 1}\n" + pipeline),
              HasSubstr("c.yaml:4:"));
  auto graph = Build("receivers: {in: }\nexporters: {out: , out/2: }\n" + pipeline);
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_TRUE(graph->Start().has_value());
  EXPECT_THAT(events, ElementsAre("start out", "start in"));
}

TEST_F(GraphTest, TracesArePassedOnAsTheyCame) {
  auto graph = Build(
      "receivers: {in: }\nprocessors: {batch: }\nextensions: {x: }\nexporters: {pass: , pass/2: , "
      "out: }\nservice: {extensions: [x], pipelines: {traces: {receivers: [in], processors: "
      "[batch], exporters: [pass, pass/2]}, metrics: {receivers: [in], exporters: [out, pass]}}}");
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_EQ(outlined.pipelines.size(), 2u);
  EXPECT_EQ(outlined.pipelines[0].id, "traces");
  EXPECT_THAT(outlined.pipelines[0].exporters, ElementsAre("pass", "pass/2"));
  EXPECT_THAT(outlined.extensions, ElementsAre("x"));
  events.clear();
  PassedAnswer answer;
  const auto keep = [&](PassedAnswer given) { answer = std::move(given); };
  passages.at("in")->Pass({.signal = Signal::kTraces, .bytes = "bytes", .items = 3}, keep);
  EXPECT_THAT(events, ElementsAre("pass passed bytes", "pass/2 passed bytes"));
  EXPECT_TRUE(answer.status.has_value());
  passages.at("in")->Pass({.signal = Signal::kTraces, .bytes = "", .items = 0}, keep);
  EXPECT_EQ(answer.status.error().message, "pass says no");
}

TEST_F(GraphTest, TracesGoThroughProcessorsThatLookAtThem) {
  auto graph = Build(
      "receivers: {in: }\nprocessors: {batch: , limiter/1: , limiter/2: }\nexporters: {pass: }\n"
      "service: {pipelines: {traces: {receivers: [in], processors: [limiter/1, batch, limiter/2], "
      "exporters: [pass]}}}");
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_TRUE(graph->Start().has_value());
  EXPECT_THAT(events, ElementsAre("start pass", "start limiter/2", "start limiter/1", "start in"));
  events.clear();
  passages.at("in")->Pass({.signal = Signal::kTraces, .bytes = "bytes", .items = 3},
                          [](const PassedAnswer&) {});
  EXPECT_THAT(events, ElementsAre("through limiter/1", "through limiter/2", "pass passed bytes"));
}

TEST_F(GraphTest, WhatCannotPassTracesOnIsNamed) {
  const std::string parts = "receivers: {in: }\nprocessors: {p: }\nexporters: {pass: , out: }\n";
  EXPECT_THAT(
      ErrorsOf(parts + "service: {pipelines: {logs: {receivers: [in], exporters: [pass]}}}"),
      HasSubstr("c.yaml:4:42: receiver \"in\" gives metrics only; logs are passed on from"));
  EXPECT_THAT(
      ErrorsOf(parts + "service: {pipelines: {traces: {receivers: [in], processors: [p], "
                       "exporters: [pass]}}}"),
      HasSubstr("processor \"p\" works on metrics only; traces are passed on as they come"));
}

TEST_F(GraphTest, AReceiverWithoutAPipelineOfMetricsRefusesThem) {
  auto graph = Build(
      "receivers: {in: }\nexporters: {pass: }\nservice: {pipelines: {traces: {receivers: [in], "
      "exporters: [pass]}}}");
  ASSERT_NE(graph, nullptr) << errors_;
  EXPECT_EQ(entries.at("in")->Consume(GaugeBatch(1)).error().code, base::Code::kUnimplemented);
}

constexpr std::string_view kConnected = R"(
receivers:
  in:
processors:
  p/a:
  p/b:
exporters:
  out:
  pass:
connectors:
  join:
service:
  pipelines:
    metrics/a:
      receivers: [in]
      processors: [p/a]
      exporters: [join]
    metrics/b:
      receivers: [join]
      processors: [p/b]
      exporters: [out]
    traces/a:
      receivers: [in]
      exporters: [join]
    traces/b:
      receivers: [join]
      exporters: [pass]
)";

TEST_F(GraphTest, ConnectorsLeadFromPipelineToPipeline) {
  auto graph = Build(kConnected);
  ASSERT_NE(graph, nullptr) << errors_;
  ASSERT_TRUE(graph->Start().has_value());
  EXPECT_THAT(events, ElementsAre("start out", "start pass", "start p/b", "start join", "start p/a",
                                  "start in"));
  events.clear();
  ASSERT_TRUE(entries.at("in")->Consume(GaugeBatch(2)).has_value());
  EXPECT_THAT(events, ElementsAre("through p/a", "join got 2", "through p/b", "out got 2"));
  events.clear();
  passages.at("in")->Pass({.signal = Signal::kTraces, .bytes = "bytes", .items = 1}, [](auto) {});
  EXPECT_THAT(events, ElementsAre("pass passed bytes"));
}

TEST_F(GraphTest, ConnectorsThatLeadNowhereOrBackAreNamed) {
  const std::string parts =
      "receivers: {in: }\nexporters: {out: , pass: }\nconnectors: {join: , join/2: }\n"
      "service:\n  pipelines:\n";
  EXPECT_THAT(ErrorsOf(parts + "    metrics: {receivers: [in], exporters: [join]}\n"),
              HasSubstr("c.yaml:3:14: connectors::join: used as exporter in a pipeline, and as "
                        "receiver in none"));
  EXPECT_THAT(ErrorsOf(parts + "    metrics: {receivers: [join], exporters: [out]}\n"),
              HasSubstr("used as receiver in a pipeline, and as exporter in none"));
  EXPECT_THAT(ErrorsOf(parts + "    metrics/a: {receivers: [in, join/2], exporters: [join]}\n"
                               "    metrics/b: {receivers: [join], exporters: [join/2]}\n"),
              HasSubstr("c.yaml:6:5: cycle detected: connectors lead from pipeline \"metrics/a\""));
  EXPECT_THAT(ErrorsOf(parts + "    metrics: {receivers: [in], exporters: [join]}\n"
                               "    traces: {receivers: [join], exporters: [pass]}\n"),
              HasSubstr("connector \"join\" takes no metrics to where it leads"));
  EXPECT_THAT(ErrorsOf("receivers: {in: , join: }\nexporters: {out: }\nconnectors: {join: }\n"
                       "service: {pipelines: {metrics: {receivers: [in], exporters: [out]}}}"),
              HasSubstr("connectors::join: ambiguous ID: Found both \"join\" receiver and"));
  EXPECT_THAT(ErrorsOf(parts + "    metrics: {receivers: [in], exporters: [out]}\n"), "");
}

TEST(ComponentId, ParsesTypeAndName) {
  EXPECT_EQ(ComponentId::Parse("a/b/c")->name, "b/c");
  EXPECT_EQ(ComponentId::Parse("a")->ToString(), "a");
  for (const char* text : {"", "/b", "a/"}) EXPECT_FALSE(ComponentId::Parse(text).has_value());
}

}  // namespace
}  // namespace narthex::pipeline

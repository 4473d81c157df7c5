#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/random.h"
#include "otlp/encode.h"
#include "otlp/testing/requests.h"
#include "pipeline/testing/fake_consumer.h"
#include "pipeline/testing/test_host.h"

namespace narthex::pipeline {

// What every component promises, as one test. A component's own test calls it with its factory
// and a configuration. Failures print the seed.

// A next stage that refuses about a third of what comes, for now or for good, and keeps the rest.
// Thread-safe.
class MoodyConsumer final : public Consumer {
 public:
  explicit MoodyConsumer(uint64_t seed) : random_(seed) {}

  base::Status Consume(otlp::Batch batch) override {
    base::MutexLock lock(mutex_);
    const uint64_t mood = is_calm_ ? 9 : random_.Next() % 9;
    if (mood < 2) return base::Fail(base::Code::kUnavailable, "not now");
    if (mood < 3) return base::Fail(base::Code::kInvalidArgument, "never");
    points_ += batch.point_count();
    return {};
  }
  void Calm() {
    base::MutexLock lock(mutex_);
    is_calm_ = true;
  }
  int64_t points() const {
    base::MutexLock lock(mutex_);
    return static_cast<int64_t>(points_);
  }

 private:
  mutable base::Mutex mutex_;
  base::Random random_ GUARDED_BY(mutex_);
  size_t points_ GUARDED_BY(mutex_) = 0;
  bool is_calm_ GUARDED_BY(mutex_) = false;
};

namespace contract {

// Metrics of every kind, some of them twice, under one or two resources. `round` moves time and
// values on, so that the streams are those of a sender that counts up.
inline std::string Request(base::Random& random, uint64_t round) {
  otlp::Writer writer;
  const uint64_t time_ns = 1'700'000'000'000'000'000 + round * 1'000'000'000;
  const uint64_t start_ns = 1'700'000'000'000'000'000 - 1'000'000'000;
  const auto attribute = [&](uint32_t field, std::string_view key, std::string_view text) {
    const auto pair = writer.Begin(field);
    writer.Bytes(1, key);
    const auto value = writer.Begin(2);
    writer.Bytes(1, text);
    writer.End(value);
    writer.End(pair);
  };
  const auto point = [&](uint32_t kind, uint64_t series) {
    const auto mark = writer.Begin(1);
    writer.Fixed64(2, start_ns);
    writer.Fixed64(3, time_ns);
    if (kind == 5 || kind == 7) {
      writer.Fixed64(6, round * 10 + series);
    } else {
      writer.Fixed64(4, round + 1);
      writer.Double(5, static_cast<double>(round));
    }
    if (kind == 9) {
      const auto counts = writer.Begin(6);
      writer.PutWord(round);
      writer.PutWord(1);
      writer.End(counts);
      const auto bounds = writer.Begin(7);
      writer.PutWord(std::bit_cast<uint64_t>(1.0));
      writer.End(bounds);
    }
    attribute(kind == 9 ? 9 : kind == 10 ? 1 : 7, "series", std::to_string(series));
    writer.End(mark);
  };
  const size_t resources = 1 + random.Next() % 2;
  for (size_t r = 0; r < resources; ++r) {
    const auto resource = writer.Begin(1);
    const auto attributes = writer.Begin(1);
    attribute(1, "service.name", r == 0 ? "shop" : "bank");
    writer.End(attributes);
    const auto scope = writer.Begin(2);
    for (const uint32_t kind : {5u, 7u, 9u, 10u, 11u}) {
      const auto metric = writer.Begin(2);
      writer.Bytes(1, "metric." + std::to_string(kind));
      const auto data = writer.Begin(kind);
      const size_t points = random.Next() % 4;
      for (size_t i = 0; i < points; ++i) point(kind, i);
      if (kind == 7 || kind == 9 || kind == 10) writer.Varint(2, 2);
      if (kind == 7) writer.Varint(3, 1);
      writer.End(data);
      writer.End(metric);
    }
    writer.End(scope);
    writer.End(resource);
  }
  return writer.Take();
}

// Spans of one or two services.
inline std::string SpanRequest(base::Random& random) {
  otlp::Writer writer;
  const size_t resources = 1 + random.Next() % 2;
  for (size_t r = 0; r < resources; ++r) {
    const auto resource = writer.Begin(1);
    const auto attributes = writer.Begin(1);
    otlp::PutText(writer, 1, "service.name", r == 0 ? "shop" : "bank");
    writer.End(attributes);
    const auto scope = writer.Begin(2);
    const size_t spans = random.Next() % 5;
    for (size_t i = 0; i < spans; ++i) {
      const auto span = writer.Begin(2);
      writer.Bytes(5, "GET /" + std::to_string(i));
      writer.Fixed64(7, 1'700'000'000'000'000'000);
      writer.Fixed64(8, 1'700'000'000'000'000'000 + random.Next() % 1'000'000'000);
      writer.End(span);
    }
    writer.End(scope);
    writer.End(resource);
  }
  return writer.Take();
}

// Starting and stopping in every order is harmless.
template <class Make>
void ExpectOrdersWork(Make make) {
  {
    auto component = make();
    component->Stop();
    component->Stop();
  }
  {
    auto component = make();
    ASSERT_TRUE(component->Start().has_value());
    component->Stop();
    component->Stop();
  }
  {
    auto component = make();
    ASSERT_TRUE(component->Start().has_value());
  }
}

// Several senders at once. What is given is looked at again afterwards: a batch belongs to the
// component, but the bytes under it are shared with other pipelines.
template <class Component>
int64_t SendFromThreads(Component& component, uint64_t seed) {
  constexpr size_t kThreads = 3, kRounds = 20;
  std::vector<std::thread> threads;
  std::vector<int64_t> sent(kThreads, 0);
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&component, &sent, seed, t] {
      base::Random random(seed + t);
      for (size_t round = 0; round < kRounds; ++round) {
        otlp::Batch batch = *otlp::DecodeMetrics(Request(random, round));
        const otlp::Batch twin = batch.Clone();
        const std::string before = otlp::EncodeMetrics(twin);
        sent[t] += static_cast<int64_t>(batch.point_count());
        (void)component.Consume(std::move(batch));
        EXPECT_EQ(otlp::EncodeMetrics(twin), before) << "shared bytes were changed, seed " << seed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t total = 0;
  for (const int64_t points : sent) total += points;
  return total;
}

}  // namespace contract

// `create`: a processor's factory function.
template <class Create>
void ExpectProcessorContract(Create create, std::string_view yaml,
                             uint64_t seed = base::RandomSeed()) {
  SCOPED_TRACE("contract of a processor, seed " + std::to_string(seed));
  {
    TestHost host;
    FakeConsumer next;
    contract::ExpectOrdersWork([&] {
      auto processor = host.Make(create, yaml, next);
      EXPECT_EQ(host.errors(), "");
      return processor;
    });
  }
  TestHost host;
  MoodyConsumer next(seed);
  auto processor = host.Make(create, yaml, next);
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(processor->Start().has_value());
  const int64_t sent = contract::SendFromThreads(*processor, seed);
  next.Calm();
  processor->Stop();
  // Nothing is lost without being counted, nothing is held back, nothing counted that did not come.
  EXPECT_EQ(host.Imbalance(), 0);
  EXPECT_EQ(host.Count("narthex_points_waiting"), 0);
  EXPECT_LE(host.Count("otelcol_processor_incoming_items"), sent);
  EXPECT_EQ(next.points(), host.Count("narthex_points_out"));
  (void)processor->Consume(GaugeBatch(1));  // Too late, and harmless.
  EXPECT_EQ(host.Count("narthex_points_waiting"), 0);
}

// `create`: an exporter's factory function.
template <class Create>
void ExpectExporterContract(Create create, std::string_view yaml,
                            uint64_t seed = base::RandomSeed()) {
  SCOPED_TRACE("contract of an exporter, seed " + std::to_string(seed));
  {
    TestHost host;
    contract::ExpectOrdersWork([&] {
      auto exporter = host.Make(create, yaml);
      EXPECT_EQ(host.errors(), "");
      return exporter;
    });
  }
  TestHost host;
  auto exporter = host.Make(create, yaml);
  ASSERT_EQ(host.errors(), "");
  ASSERT_TRUE(exporter->Start().has_value());
  const int64_t sent = contract::SendFromThreads(*exporter, seed);
  exporter->Stop();
  EXPECT_EQ(host.Imbalance(), 0);
  EXPECT_EQ(host.Count("narthex_points_waiting"), 0);
  EXPECT_LE(host.Count("narthex_points_in"), sent);
  (void)exporter->Consume(GaugeBatch(1));
  EXPECT_EQ(host.Count("narthex_points_waiting"), 0);
}

// The same for a connector that takes traces and gives metrics.
template <class Create>
void ExpectTracesToMetricsContract(Create create, std::string_view yaml,
                                   uint64_t seed = base::RandomSeed()) {
  SCOPED_TRACE("contract of a connector of traces, seed " + std::to_string(seed));
  TestHost host;
  MoodyConsumer next(seed);
  const ConnectorOutputs outputs{
      .pipelines = {{.id = "metrics", .metrics = &next}}, .metrics = &next, .passages = {}};
  contract::ExpectOrdersWork([&] {
    auto connector = host.Make(create, yaml, outputs);
    EXPECT_EQ(host.errors(), "");
    return connector;
  });
  auto connector = host.Make(create, yaml, outputs);
  Passage* passage = connector->passage(Signal::kTraces);
  ASSERT_NE(passage, nullptr);
  ASSERT_TRUE(connector->Start().has_value());
  constexpr size_t kThreads = 3, kRounds = 20;
  std::atomic<size_t> answers = 0;
  const auto pass = [&](std::string bytes) {
    passage->Pass({.signal = Signal::kTraces, .bytes = std::move(bytes)},
                  [&](const PassedAnswer&) { ++answers; });
  };
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(seed + t);
      for (size_t round = 0; round < kRounds; ++round) pass(contract::SpanRequest(random));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers, kThreads * kRounds) << "every request is answered, once";
  next.Calm();
  connector->Stop();
  EXPECT_GT(next.points(), 0);
  EXPECT_EQ(host.Imbalance(), 0);
  EXPECT_EQ(host.Count("narthex_points_waiting"), 0);
  EXPECT_EQ(next.points(), host.Count("narthex_points_out"));
  pass("");  // Too late, and harmless.
  EXPECT_EQ(answers, kThreads * kRounds + 1);
}

// `create`: a connector's factory function; `yaml` may send to the pipeline "metrics".
template <class Create>
void ExpectConnectorContract(Create create, std::string_view yaml) {
  {
    TestHost host;
    FakeConsumer next;
    const ConnectorOutputs outputs{
        .pipelines = {{.id = "metrics", .metrics = &next}}, .metrics = &next, .passages = {}};
    if (host.Make(create, yaml, outputs)->consumer() == nullptr) {
      return ExpectTracesToMetricsContract(create, yaml);
    }
  }
  // Seen from outside, its metrics go through it as through a processor.
  class Through final : public Processor {
   public:
    explicit Through(std::unique_ptr<Connector> connector) : connector_(std::move(connector)) {}
    base::Status Start() override { return connector_->Start(); }
    void Stop() override { connector_->Stop(); }
    base::Status Consume(otlp::Batch batch) override {
      return connector_->consumer()->Consume(std::move(batch));
    }

   private:
    const std::unique_ptr<Connector> connector_;
  };
  ExpectProcessorContract(
      [create](const CreateContext& context, Consumer& next) {
        const ConnectorOutputs outputs{
            .pipelines = {{.id = "metrics", .metrics = &next}}, .metrics = &next, .passages = {}};
        return std::make_unique<Through>(create(context, outputs));
      },
      yaml);
}

// `create`: the factory function of an extension or, with the stage behind it, of a receiver.
template <class Create, class... Next>
void ExpectStartStopContract(Create create, std::string_view yaml, Next&... next) {
  TestHost host;
  contract::ExpectOrdersWork([&] {
    auto component = host.Make(create, yaml, next...);
    EXPECT_EQ(host.errors(), "");
    return component;
  });
}

}  // namespace narthex::pipeline

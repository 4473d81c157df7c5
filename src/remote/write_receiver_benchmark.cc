#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>
#include <protozero/pbf_writer.hpp>

#include "compress/compress.h"
#include "remote/write_receiver.h"

namespace narthex::remote {
namespace {

// Takes everything and keeps nothing: what is measured is the receiver.
class Sink final : public storage::Appendable {
 public:
  std::unique_ptr<storage::Appender> OpenAppender() override {
    return std::make_unique<Batch>(series_);
  }

 private:
  class Batch final : public storage::Appender {
   public:
    explicit Batch(uint64_t& series) : series_(series) {}
    base::Result<storage::SeriesRef> Resolve(const model::Labels&) override { return ++series_; }
    storage::Appended Append(storage::SeriesRef, model::Timestamp, double v) override {
      benchmark::DoNotOptimize(v);
      return storage::Appended::kYes;
    }
    storage::Appended AppendHistogram(storage::SeriesRef, model::Timestamp,
                                      const model::IntegerHistogram&) override {
      return storage::Appended::kYes;
    }
    storage::Appended AppendHistogram(storage::SeriesRef, model::Timestamp,
                                      const model::FloatHistogram&) override {
      return storage::Appended::kYes;
    }
    storage::Appended AppendExemplar(storage::SeriesRef, const model::Exemplar&) override {
      return storage::Appended::kYes;
    }
    void SetMetadata(storage::SeriesRef, const model::Metadata&) override {}
    bool keeps_metadata() const override { return false; }
    base::Status Commit() override { return {}; }
    void Rollback() override {}

   private:
    uint64_t& series_;
  };

  uint64_t series_ = 0;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// What a node exporter has, of many hosts.
Labels LabelsOf(int series) {
  return {{"__name__", fmt::format("node_network_receive_bytes_total_{}", series % 200)},
          {"cluster", "production-eu-west"},
          {"device", fmt::format("eth{}", series % 8)},
          {"environment", "production"},
          {"instance", fmt::format("host-{}.example.com:9100", series / 200)},
          {"job", "node"},
          {"region", "eu-west-1"},
          {"team", "platform"}};
}

std::string Version1(int series, int64_t t) {
  std::string body;
  protozero::pbf_writer request(body);
  for (int i = 0; i < series; ++i) {
    protozero::pbf_writer message(request, 1);
    for (const auto& [name, value] : LabelsOf(i)) {
      protozero::pbf_writer label(message, 1);
      label.add_string(1, name);
      label.add_string(2, value);
    }
    protozero::pbf_writer sample(message, 2);
    sample.add_double(1, i);
    sample.add_int64(2, t);
  }
  return body;
}

std::string Version2(int series, int64_t t) {
  std::map<std::string, uint32_t> numbers = {{"", 0}};
  std::vector<std::string> symbols = {""};
  const auto number = [&](const std::string& text) {
    const auto [at, is_new] = numbers.emplace(text, static_cast<uint32_t>(symbols.size()));
    if (is_new) symbols.push_back(text);
    return at->second;
  };
  std::string messages;
  protozero::pbf_writer request(messages);
  for (int i = 0; i < series; ++i) {
    std::vector<uint32_t> refs;
    for (const auto& [name, value] : LabelsOf(i)) {
      refs.push_back(number(name));
      refs.push_back(number(value));
    }
    protozero::pbf_writer message(request, 5);
    message.add_packed_uint32(1, refs.begin(), refs.end());
    {
      protozero::pbf_writer sample(message, 2);
      sample.add_double(1, i);
      sample.add_int64(2, t);
    }
    protozero::pbf_writer metadata(message, 5);
    metadata.add_enum(1, 1);
    metadata.add_uint32(3, number(fmt::format("Bytes received, of kind {}.", i % 200)));
  }
  std::string body;
  protozero::pbf_writer table(body);
  for (const std::string& symbol : symbols) table.add_string(4, symbol);
  return body + messages;
}

// Items are samples of series that are known already, one of each series.
void KnownSeries(benchmark::State& state, WriteMessage message) {
  Sink sink;
  WriteReceiver receiver(sink, base::SystemClock(), {});
  const int series = static_cast<int>(state.range(0));
  const int64_t now = base::SystemClock().WallMs();
  const std::string body =
      message == WriteMessage::kVersion1 ? Version1(series, now) : Version2(series, now);
  net::HttpRequest request{.method = "POST", .body = compress::SnappyEncode(body)};
  request.headers.Set("Content-Type",
                      fmt::format("application/x-protobuf;proto={}", NameOf(message)));
  for (auto _ : state) {
    if (receiver.Handle(request).status != 204) state.SkipWithError("not taken");
  }
  if (receiver.statistics().samples == 0) state.SkipWithError("nothing taken");
  state.SetItemsProcessed(state.iterations() * series);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK_CAPTURE(KnownSeries, version_1, WriteMessage::kVersion1)->Arg(500)->Arg(10'000);
BENCHMARK_CAPTURE(KnownSeries, version_2, WriteMessage::kVersion2)->Arg(500)->Arg(10'000);

}  // namespace
}  // namespace narthex::remote

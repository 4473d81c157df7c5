// Our codec against libprotobuf's generated code, on random messages.

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "otlp/decode.h"
#include "otlp/encode.h"
#include "otlp/json.h"
#include "otlp/testing/oracle.h"

namespace narthex::otlp {
namespace {

// Random messages of every shape, sometimes with fields that nobody knows.
class Generator : private oracle::RandomValues {
 public:
  using RandomValues::RandomValues;

  oracle::Request Request() {
    oracle::Request request;
    for (uint64_t n = Count(3); n > 0; --n) Fill(*request.add_resource_metrics());
    MaybeUnknown(request);
    return request;
  }

 private:
  template <class Point>
  void FillCommon(Point& point) {
    FillAttributes(point.mutable_attributes());
    point.set_start_time_unix_nano(Big());
    point.set_time_unix_nano(Big());
    if (Chance()) point.set_flags(static_cast<uint32_t>(random_.Below(3)));
    MaybeUnknown(point);
  }
  template <class Point>
  void FillExemplars(Point& point) {
    for (uint64_t n = Count(2); n > 0; --n) {
      auto* exemplar = point.add_exemplars();
      exemplar->set_time_unix_nano(Big());
      Chance() ? exemplar->set_as_double(Number()) : exemplar->set_as_int(-5);
      exemplar->set_trace_id("0123456789abcdef");
      exemplar->set_span_id("01234567");
      FillAttributes(exemplar->mutable_filtered_attributes());
    }
  }
  template <class Point>
  void FillOptionals(Point& point) {
    point.set_count(Big());
    if (Chance()) point.set_sum(Number());
    if (Chance()) point.set_min(Number());
    if (Chance()) point.set_max(0);
  }

  void Fill(oracle::NumberDataPoint& point) {
    FillCommon(point);
    FillExemplars(point);
    if (Chance()) point.set_as_int(static_cast<int64_t>(Big()));
    if (Chance()) point.set_as_double(Number());
  }
  void Fill(oracle::HistogramDataPoint& point) {
    FillCommon(point);
    FillExemplars(point);
    FillOptionals(point);
    for (uint64_t n = Count(5); n > 0; --n) point.add_bucket_counts(Big());
    for (uint64_t n = Count(5); n > 0; --n) point.add_explicit_bounds(Number());
  }
  void Fill(oracle::ExponentialHistogramDataPoint& point) {
    FillCommon(point);
    FillExemplars(point);
    FillOptionals(point);
    point.set_scale(static_cast<int32_t>(random_.Below(40)) - 20);
    point.set_zero_count(Big());
    point.set_zero_threshold(Number());
    for (auto* buckets : {point.mutable_positive(), point.mutable_negative()}) {
      buckets->set_offset(static_cast<int32_t>(random_.Next()));
      for (uint64_t n = Count(5); n > 0; --n) buckets->add_bucket_counts(Big());
      MaybeUnknown(*buckets);
    }
  }
  void Fill(oracle::SummaryDataPoint& point) {
    FillCommon(point);
    point.set_count(Big());
    point.set_sum(Number());
    for (uint64_t n = Count(3); n > 0; --n) {
      auto* quantile = point.add_quantile_values();
      quantile->set_quantile(random_.NextDouble());
      quantile->set_value(Number());
    }
  }
  template <class Data>
  void FillPoints(Data& data) {
    for (uint64_t n = Count(3); n > 0; --n) Fill(*data.add_data_points());
    MaybeUnknown(data);
  }

  void Fill(oracle::Metric& metric) {
    metric.set_name(Word());
    metric.set_description(Word());
    metric.set_unit(Word());
    FillAttributes(metric.mutable_metadata());
    const auto temporality = static_cast<oracle::Temporality>(random_.Below(3));
    switch (random_.Below(6)) {
      case 0:
        FillPoints(*metric.mutable_gauge());
        break;
      case 1:
        FillPoints(*metric.mutable_sum());
        metric.mutable_sum()->set_aggregation_temporality(temporality);
        metric.mutable_sum()->set_is_monotonic(Chance());
        break;
      case 2:
        FillPoints(*metric.mutable_histogram());
        metric.mutable_histogram()->set_aggregation_temporality(temporality);
        break;
      case 3:
        FillPoints(*metric.mutable_exponential_histogram());
        metric.mutable_exponential_histogram()->set_aggregation_temporality(temporality);
        break;
      case 4:
        FillPoints(*metric.mutable_summary());
        break;
      default:
        break;
    }
    MaybeUnknown(metric);
  }
  void Fill(oracle::ScopeMetrics& scope) {
    if (Chance()) {
      scope.mutable_scope()->set_name(Word());
      scope.mutable_scope()->set_version(Word());
      FillAttributes(scope.mutable_scope()->mutable_attributes());
      scope.mutable_scope()->set_dropped_attributes_count(3);
    }
    for (uint64_t n = Count(3); n > 0; --n) Fill(*scope.add_metrics());
    scope.set_schema_url(Word());
    MaybeUnknown(scope);
  }
  void Fill(oracle::ResourceMetrics& resource) {
    if (Chance()) {
      FillAttributes(resource.mutable_resource()->mutable_attributes());
      resource.mutable_resource()->set_dropped_attributes_count(2);
    }
    for (uint64_t n = Count(2); n > 0; --n) Fill(*resource.add_scope_metrics());
    resource.set_schema_url(Word());
    MaybeUnknown(resource);
  }
};

// What the index says, as generated code would hold it. Exemplars stay in the raw bytes, which the
// round trips cover.
class Rebuilder {
 public:
  explicit Rebuilder(const Batch& batch) : batch_(batch) {}

  oracle::Request Run() {
    oracle::Request request;
    for (const ResourceMetrics& resource : batch_.resources) {
      auto& to = *request.add_resource_metrics();
      oracle::CopyAttributes(resource.attributes, to.mutable_resource()->mutable_attributes());
      to.set_schema_url(std::string(resource.schema_url));
      for (const Scope& scope : batch_.ScopesOf(resource)) Copy(scope, *to.add_scope_metrics());
    }
    return request;
  }

 private:
  template <class From, class To>
  void Common(const From& point, To& to) {
    oracle::CopyAttributes(point.attributes, to.mutable_attributes());
    to.set_start_time_unix_nano(point.start_ns);
    to.set_time_unix_nano(point.time_ns);
    to.set_flags(point.flags);
  }
  template <class From, class To>
  void Optionals(const From& point, To& to) {
    to.set_count(point.count);
    if (point.optionals.has_sum) to.set_sum(point.optionals.sum);
    if (point.optionals.has_min) to.set_min(point.optionals.min);
    if (point.optionals.has_max) to.set_max(point.optionals.max);
  }
  void Copy(const NumberPoint& point, oracle::NumberDataPoint& to) {
    Common(point, to);
    if (point.type == NumberPoint::Type::kInt) to.set_as_int(point.Int());
    if (point.type == NumberPoint::Type::kDouble) to.set_as_double(point.Double());
  }
  void Copy(const HistogramPoint& point, oracle::HistogramDataPoint& to) {
    Common(point, to);
    Optionals(point, to);
    for (size_t i = 0; i < point.bucket_counts.size(); ++i) {
      to.add_bucket_counts(point.bucket_counts.Uint(i));
    }
    for (size_t i = 0; i < point.explicit_bounds.size(); ++i) {
      to.add_explicit_bounds(point.explicit_bounds.Double(i));
    }
  }
  void Copy(const ExponentialBuckets& buckets, oracle::Buckets& to) {
    to.set_offset(buckets.offset);
    internal::Cursor counts(buckets.counts);
    while (!counts.empty()) to.add_bucket_counts(counts.ReadVarint());
  }
  void Copy(const ExponentialHistogramPoint& point, oracle::ExponentialHistogramDataPoint& to) {
    Common(point, to);
    Optionals(point, to);
    to.set_scale(point.scale);
    to.set_zero_count(point.zero_count);
    to.set_zero_threshold(point.zero_threshold);
    Copy(point.positive, *to.mutable_positive());
    Copy(point.negative, *to.mutable_negative());
  }
  void Copy(const SummaryPoint& point, oracle::SummaryDataPoint& to) {
    Common(point, to);
    to.set_count(point.count);
    to.set_sum(point.sum);
    // The fields have the number that SummaryDataPoint gives them.
    oracle::SummaryDataPoint quantiles;
    ASSERT_TRUE(quantiles.ParseFromString(std::string(point.quantiles)));
    to.mutable_quantile_values()->CopyFrom(quantiles.quantile_values());
  }
  template <class Points, class Data>
  void Points_(const Points& points, Data& data) {
    for (const auto& point : points) Copy(point, *data.add_data_points());
  }
  void Copy(const Metric& metric, oracle::Metric& to) {
    to.set_name(std::string(metric.name));
    to.set_description(std::string(metric.description));
    to.set_unit(std::string(metric.unit));
    oracle::CopyAttributes(metric.metadata, to.mutable_metadata());
    const auto temporality = static_cast<oracle::Temporality>(metric.temporality);
    switch (metric.kind) {
      case MetricKind::kNone:
        break;
      case MetricKind::kGauge:
        Points_(batch_.NumbersOf(metric), *to.mutable_gauge());
        break;
      case MetricKind::kSum:
        Points_(batch_.NumbersOf(metric), *to.mutable_sum());
        to.mutable_sum()->set_aggregation_temporality(temporality);
        to.mutable_sum()->set_is_monotonic(metric.is_monotonic);
        break;
      case MetricKind::kHistogram:
        Points_(batch_.HistogramsOf(metric), *to.mutable_histogram());
        to.mutable_histogram()->set_aggregation_temporality(temporality);
        break;
      case MetricKind::kExponentialHistogram:
        Points_(batch_.ExponentialsOf(metric), *to.mutable_exponential_histogram());
        to.mutable_exponential_histogram()->set_aggregation_temporality(temporality);
        break;
      case MetricKind::kSummary:
        Points_(batch_.SummariesOf(metric), *to.mutable_summary());
    }
  }
  void Copy(const Scope& scope, oracle::ScopeMetrics& to) {
    to.mutable_scope()->set_name(std::string(scope.name));
    to.mutable_scope()->set_version(std::string(scope.version));
    oracle::CopyAttributes(scope.attributes, to.mutable_scope()->mutable_attributes());
    to.set_schema_url(std::string(scope.schema_url));
    for (const Metric& metric : batch_.MetricsOf(scope)) Copy(metric, *to.add_metrics());
  }

  const Batch& batch_;
};

// Without what the index does not hold.
oracle::Request Normalised(oracle::Request request) {
  request.DiscardUnknownFields();
  oracle::Normalise(request, {"exemplars", "dropped_attributes_count"});
  return request;
}

Batch Decode(const std::string& bytes) {
  auto batch = DecodeMetrics(bytes);
  EXPECT_TRUE(batch.has_value()) << batch.error().message;
  return batch.has_value() ? *std::move(batch) : Batch();
}

oracle::Request Parse(const std::string& bytes) {
  oracle::Request request;
  EXPECT_TRUE(request.ParseFromString(bytes));
  return request;
}

constexpr uint64_t kRounds = 300;

TEST(Codec, IndexAgreesWithGeneratedCode) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    const oracle::Request request = Generator(seed, seed % 2 == 0).Request();
    const Batch batch = Decode(request.SerializeAsString());
    if (!oracle::Equal(Normalised(request), Normalised(Rebuilder(batch).Run()))) break;
  }
}

TEST(Codec, WhatIsNotTouchedGoesOutAsItCameIn) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    oracle::Request request = Generator(seed, true).Request();
    // What lies beside the resources has no record.
    request.GetReflection()->MutableUnknownFields(&request)->Clear();
    const Batch batch = Decode(request.SerializeAsString());
    if (!oracle::Equal(request, Parse(EncodeMetrics(batch)))) break;
  }
}

TEST(Codec, RecordsWithoutRawBytesAreWrittenAnew) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    oracle::Request request = Generator(seed, false).Request();
    Batch batch = Decode(request.SerializeAsString());
    for (ResourceMetrics& resource : batch.resources) resource.raw = {};
    for (Scope& scope : batch.scopes) scope.raw = {};
    for (Metric& metric : batch.metrics) metric.raw = {};
    if (!oracle::Equal(Normalised(request), Normalised(Parse(EncodeMetrics(batch))))) break;
  }
}

TEST(Codec, JsonRoundTripKeepsEverything) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    const oracle::Request request = Generator(seed, false).Request();
    const std::string json = EncodeMetricsJson(Decode(request.SerializeAsString()));
    const auto bytes = ProtobufFromJson(json);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message << "\n" << json;
    if (!oracle::Equal(request, Parse(*bytes))) break;
  }
}

TEST(Codec, TakesTheJsonThatProtobufWrites) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    // Its trace ids are base64, which OTLP's are not; hence without exemplars.
    const oracle::Request request = Normalised(Generator(seed, false).Request());
    for (const bool snake : {false, true}) {
      google::protobuf::util::JsonPrintOptions options;
      options.preserve_proto_field_names = snake;
      options.always_print_primitive_fields = snake;
      std::string json;
      ASSERT_TRUE(google::protobuf::util::MessageToJsonString(request, &json, options).ok());
      const auto bytes = ProtobufFromJson(json);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().message << "\n" << json;
      if (!oracle::Equal(request, Normalised(Parse(*bytes)))) return;
    }
  }
}

TEST(Codec, AppendAndTakeFirstKeepEveryPointOnce) {
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE(seed);
    oracle::Request both = Generator(seed, false).Request();
    const oracle::Request second = Generator(seed + 1000, false).Request();
    Batch batch = Decode(both.SerializeAsString());
    batch.Append(Decode(second.SerializeAsString()));
    both.MergeFrom(second);
    oracle::Equal(Normalised(both), Normalised(Rebuilder(batch).Run()));
    const size_t total = batch.point_count();
    // Whatever the cut: the parts have all points, in order, and encode to what they hold.
    std::vector<std::string> want, got;
    for (const NumberPoint& point : batch.numbers) want.emplace_back(point.raw);
    size_t taken = 0;
    for (size_t size = 1; batch.point_count() > 0; ++size) {
      const Batch head = batch.TakeFirst(size);
      ASSERT_EQ(head.point_count(), std::min(size, total - taken));
      taken += head.point_count();
      for (const NumberPoint& point : head.numbers) got.emplace_back(point.raw);
      ASSERT_EQ(Decode(EncodeMetrics(head)).point_count(), head.point_count());
    }
    ASSERT_EQ(taken, total);
    ASSERT_EQ(got, want);
  }
}

TEST(Codec, DamageIsAnErrorOrAnotherMessageButNeverACrash) {
  base::Random random(7);
  for (uint64_t seed = 0; seed < kRounds; ++seed) {
    std::string bytes = Generator(seed, true).Request().SerializeAsString();
    if (bytes.empty()) continue;
    for (int round = 0; round < 20; ++round) {
      std::string damaged = bytes;
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
      if (round % 3 == 0) damaged.resize(random.Below(damaged.size()));
      if (const auto batch = DecodeMetrics(damaged)) {
        (void)Rebuilder(*batch).Run();
        (void)EncodeMetricsJson(*batch);
      }
    }
  }
}

}  // namespace
}  // namespace narthex::otlp

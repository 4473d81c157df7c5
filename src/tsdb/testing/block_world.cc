#include "tsdb/testing/block_world.h"

#include <fmt/core.h>

#include <bit>
#include <limits>
#include <set>

namespace narthex::tsdb {

base::Result<BlockMeta> WriteBlock(base::FileSystem& files, const std::string& data_directory,
                                   const Content& content, WriteBlockOptions options) {
  std::set<std::string> symbols;
  BlockMeta meta = std::move(options.meta);
  const bool range_given = meta.min_time != 0 || meta.max_time != 0;
  if (!range_given) {
    meta.min_time = model::kTimestampMax;
    meta.max_time = model::kTimestampMin;
  }
  for (const auto& [labels, samples] : content) {
    for (const model::LabelView label : labels) {
      symbols.emplace(label.name);
      symbols.emplace(label.value);
    }
    if (samples.empty() || range_given) continue;
    meta.min_time = std::min(meta.min_time, samples.begin()->first);
    meta.max_time = std::max(meta.max_time, samples.rbegin()->first + 1);
  }
  ASSIGN_OR_RETURN(
      const std::unique_ptr<BlockWriter> writer,
      BlockWriter::Create(files, data_directory,
                          {.ulid = options.ulid, .segment_bytes = options.segment_bytes},
                          {symbols.begin(), symbols.end()}));
  for (const auto& [labels, samples] : content) {
    std::vector<chunk::XorChunk> chunks;
    std::vector<EncodedChunk> encoded;
    for (const auto& [t, v] : samples) {
      if (chunks.empty() || chunks.back().count() == options.samples_per_chunk) {
        chunks.emplace_back();
        encoded.push_back({.min = t});
      }
      chunks.back().Append(t, v);
      encoded.back().max = t;
    }
    for (size_t i = 0; i < chunks.size(); ++i) {
      encoded[i].samples = chunks[i].count();
      encoded[i].bytes = chunks[i].bytes();
    }
    RETURN_IF_ERROR(writer->AddSeries(labels, encoded));
  }
  return writer->Finish(std::move(meta));
}

base::Result<Content> ReadAll(const storage::SeriesSet& set, model::TimeRange range) {
  Content content;
  model::SampleColumns samples;
  for (size_t i = 0; i < set.size(); ++i) {
    RETURN_IF_ERROR(set.Read(i, range, samples));
    auto& series = content[set.labels(i)];
    for (size_t k = 0; k < samples.size(); ++k) series[samples.t[k]] = samples.v[k];
  }
  return content;
}

std::string Text(const Content& content) {
  std::string text;
  for (const auto& [labels, samples] : content) {
    for (const auto& [t, v] : samples) {
      text += fmt::format("{} {:016x} {}\n", labels.ToString(), std::bit_cast<uint64_t>(v), t);
    }
  }
  return text;
}

Content RandomContent(base::Random& random, int series, int samples, model::Timestamp begin) {
  constexpr double kSpecial[] = {0.0,
                                 -0.0,
                                 std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity(),
                                 std::numeric_limits<double>::denorm_min(),
                                 std::numeric_limits<double>::max()};
  Content content;
  while (content.size() < static_cast<size_t>(series)) {
    model::LabelsBuilder builder;
    builder.Set("__name__", fmt::format("metric_{}", random.Below(4)));
    builder.Set("instance", fmt::format("host-{}", random.Below(static_cast<uint64_t>(series))));
    if (random.Below(2) == 0) builder.Set("odd", fmt::format("\"ü\\\n{}", random.Below(3)));
    std::map<model::Timestamp, double> values;
    model::Timestamp t = begin;
    for (uint64_t left = random.Below(static_cast<uint64_t>(samples)) + 1; left > 0; --left) {
      t += 1 + static_cast<model::Timestamp>(random.Below(20'000));
      double v = static_cast<double>(random.Below(1000));
      if (random.Below(20) == 0) v = kSpecial[random.Below(std::size(kSpecial))];
      if (random.Below(30) == 0) v = model::StaleNan();
      values[t] = v;
    }
    content[builder.Build()] = std::move(values);
  }
  return content;
}

}  // namespace narthex::tsdb

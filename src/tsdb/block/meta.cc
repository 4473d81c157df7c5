#include "tsdb/block/meta.h"

#include "json/reader.h"
#include "json/writer.h"

namespace narthex::tsdb {

using base::Code;
using base::Fail;

namespace {

constexpr int64_t kVersion = 1;
constexpr char kFileName[] = "meta.json";

void Copy(json::Element element, json::Writer& writer) {
  switch (element.kind()) {
    case json::Kind::kNull:
      writer.Null();
      break;
    case json::Kind::kBool:
      writer.Bool(*element.Bool());
      break;
    case json::Kind::kNumber:
      if (const auto integer = element.Int()) {
        writer.Int(*integer);
      } else if (const auto large = element.Uint()) {
        writer.Uint(*large);
      } else {
        writer.Double(element.Double().value_or(0));
      }
      break;
    case json::Kind::kString:
      writer.String(*element.String());
      break;
    case json::Kind::kArray:
      writer.BeginArray();
      element.ForEachItem([&](json::Element item) {
        Copy(item, writer);
        return true;
      });
      writer.EndArray();
      break;
    case json::Kind::kObject:
      writer.BeginObject();
      element.ForEachMember([&](std::string_view name, json::Element value) {
        writer.Key(name);
        Copy(value, writer);
        return true;
      });
      writer.EndObject();
      break;
  }
}

// Adds the members of `object` that `known` does not name.
void TakeUnknown(json::Element object, std::initializer_list<std::string_view> known,
                 UnknownMembers& out) {
  object.ForEachMember([&](std::string_view name, json::Element value) {
    for (const std::string_view other : known) {
      if (name == other) return true;
    }
    json::Writer writer;
    Copy(value, writer);
    out.emplace_back(name, writer.Take());
    return true;
  });
}

void PutUnknown(const UnknownMembers& unknown, json::Writer& writer) {
  for (const auto& [name, value] : unknown) writer.Key(name).Raw(value);
}

// Upstream leaves zero members out.
void PutCount(std::string_view name, uint64_t value, json::Writer& writer) {
  if (value != 0) writer.Key(name).Uint(value);
}

base::Result<Ulid> ParseUlid(json::Element element) {
  const std::optional<std::string_view> text = element.String();
  const std::optional<Ulid> ulid = text ? Ulid::Parse(*text) : std::nullopt;
  if (!ulid) return Fail(Code::kDataLoss, "meta: \"{}\" is no ULID", text.value_or(""));
  return *ulid;
}

base::Result<int64_t> ParseTime(json::Element object, std::string_view name) {
  const std::optional<int64_t> time = object.Get(name).Int();
  if (!time) return Fail(Code::kDataLoss, "meta: {} is not a time", name);
  return *time;
}

BlockStats ParseStats(json::Element object) {
  const auto count = [&](std::string_view name) { return object.Get(name).Uint().value_or(0); };
  BlockStats stats{.samples = count("numSamples"),
                   .float_samples = count("numFloatSamples"),
                   .histogram_samples = count("numHistogramSamples"),
                   .series = count("numSeries"),
                   .chunks = count("numChunks"),
                   .tombstones = count("numTombstones")};
  TakeUnknown(object,
              {"numSamples", "numFloatSamples", "numHistogramSamples", "numSeries", "numChunks",
               "numTombstones"},
              stats.unknown);
  return stats;
}

base::Result<BlockCompaction> ParseCompaction(json::Element object) {
  BlockCompaction compaction;
  const int64_t level = object.Get("level").Int().value_or(0);
  if (level < 0 || level > 1000) return Fail(Code::kDataLoss, "meta: level {}", level);
  compaction.level = static_cast<int>(level);
  compaction.deletable = object.Get("deletable").Bool().value_or(false);
  compaction.failed = object.Get("failed").Bool().value_or(false);
  base::Status status;
  object.Get("sources").ForEachItem([&](json::Element item) {
    auto ulid = ParseUlid(item);
    if (ulid) {
      compaction.sources.push_back(*ulid);
    } else {
      status = std::unexpected(std::move(ulid).error());
    }
    return status.has_value();
  });
  object.Get("parents").ForEachItem([&](json::Element item) {
    auto ulid = ParseUlid(item.Get("ulid"));
    if (ulid) {
      compaction.parents.push_back(
          {*ulid, item.Get("minTime").Int().value_or(0), item.Get("maxTime").Int().value_or(0)});
    } else {
      status = std::unexpected(std::move(ulid).error());
    }
    return status.has_value();
  });
  RETURN_IF_ERROR(status);
  object.Get("hints").ForEachItem([&](json::Element item) {
    if (const auto hint = item.String()) compaction.hints.emplace_back(*hint);
    return true;
  });
  TakeUnknown(object, {"level", "sources", "deletable", "parents", "failed", "hints"},
              compaction.unknown);
  return compaction;
}

void PutCompaction(const BlockCompaction& compaction, json::Writer& writer) {
  writer.Key("compaction").BeginObject();
  writer.Key("level").Int(compaction.level);
  if (!compaction.sources.empty()) {
    writer.Key("sources").BeginArray();
    for (const Ulid& source : compaction.sources) writer.String(source.ToString());
    writer.EndArray();
  }
  if (compaction.deletable) writer.Key("deletable").Bool(true);
  if (!compaction.parents.empty()) {
    writer.Key("parents").BeginArray();
    for (const BlockParent& parent : compaction.parents) {
      writer.BeginObject();
      writer.Key("ulid").String(parent.ulid.ToString());
      writer.Key("minTime").Int(parent.min_time);
      writer.Key("maxTime").Int(parent.max_time);
      writer.EndObject();
    }
    writer.EndArray();
  }
  if (compaction.failed) writer.Key("failed").Bool(true);
  if (!compaction.hints.empty()) {
    writer.Key("hints").BeginArray();
    for (const std::string& hint : compaction.hints) writer.String(hint);
    writer.EndArray();
  }
  PutUnknown(compaction.unknown, writer);
  writer.EndObject();
}

// Compact JSON with a line per member and tabs, as upstream's files look.
std::string Indent(std::string_view json) {
  std::string out;
  size_t depth = 0;
  bool quoted = false;
  const auto new_line = [&] {
    out += '\n';
    out.append(depth, '\t');
  };
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      out += c;
      if (c == '\\') out += json[++i];
      if (c == '"') quoted = false;
      continue;
    }
    const bool empty = i + 1 < json.size() && (json[i + 1] == '}' || json[i + 1] == ']');
    if (c == '}' || c == ']') {
      --depth;
      if (json[i - 1] != '{' && json[i - 1] != '[') new_line();
    }
    out += c;
    if (c == '"') quoted = true;
    if (c == ':') out += ' ';
    if (c == '{' || c == '[') {
      ++depth;
      if (!empty) new_line();
    }
    if (c == ',') new_line();
  }
  return out;
}

}  // namespace

base::Result<BlockMeta> BlockMeta::Parse(std::string_view json) {
  auto document = json::Document::Parse(json);
  if (!document) return Fail(Code::kDataLoss, "meta: {}", document.error().message);
  const json::Element root = document->root();
  if (root.kind() != json::Kind::kObject) return Fail(Code::kDataLoss, "meta: no JSON object");
  const int64_t version = root.Get("version").Int().value_or(0);
  if (version != kVersion) {
    return Fail(Code::kUnimplemented, "meta: version {} is not known", version);
  }
  BlockMeta meta;
  ASSIGN_OR_RETURN(meta.ulid, ParseUlid(root.Get("ulid")));
  ASSIGN_OR_RETURN(meta.min_time, ParseTime(root, "minTime"));
  ASSIGN_OR_RETURN(meta.max_time, ParseTime(root, "maxTime"));
  if (meta.min_time > meta.max_time) return Fail(Code::kDataLoss, "meta: minTime after maxTime");
  meta.stats = ParseStats(root.Get("stats"));
  ASSIGN_OR_RETURN(meta.compaction, ParseCompaction(root.Get("compaction")));
  TakeUnknown(root, {"ulid", "minTime", "maxTime", "stats", "compaction", "version"}, meta.unknown);
  return meta;
}

std::string BlockMeta::ToJson() const {
  json::Writer writer;
  writer.BeginObject();
  writer.Key("ulid").String(ulid.ToString());
  writer.Key("minTime").Int(min_time);
  writer.Key("maxTime").Int(max_time);
  writer.Key("stats").BeginObject();
  PutCount("numSamples", stats.samples, writer);
  PutCount("numFloatSamples", stats.float_samples, writer);
  PutCount("numHistogramSamples", stats.histogram_samples, writer);
  PutCount("numSeries", stats.series, writer);
  PutCount("numChunks", stats.chunks, writer);
  PutCount("numTombstones", stats.tombstones, writer);
  PutUnknown(stats.unknown, writer);
  writer.EndObject();
  PutCompaction(compaction, writer);
  writer.Key("version").Int(kVersion);
  PutUnknown(unknown, writer);
  writer.EndObject();
  return Indent(writer.text());
}

base::Result<BlockMeta> ReadBlockMeta(base::FileSystem& files, const std::string& directory) {
  const std::string path = base::JoinPath(directory, kFileName);
  ASSIGN_OR_RETURN(const std::string json, base::ReadFile(files, path));
  base::Result<BlockMeta> meta = BlockMeta::Parse(json);
  if (!meta) return std::unexpected(std::move(meta).error().In(path));
  return meta;
}

base::Status WriteBlockMeta(base::FileSystem& files, const std::string& directory,
                            const BlockMeta& meta) {
  return base::WriteFileAtomically(files, base::JoinPath(directory, kFileName), meta.ToJson());
}

}  // namespace narthex::tsdb

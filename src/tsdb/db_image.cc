// The head image: written at a clean stop, taken over by the next start when everything that it
// stands for is as it was. docs/format/head-image.md.

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "tsdb/db.h"
#include "tsdb/head/image_file.h"

namespace narthex::tsdb {

using model::Timestamp;

namespace {

constexpr char kImageName[] = "head_image";
constexpr uint64_t kTailBytes = 4096;

std::unexpected<base::Error> Stale(std::string_view what) {
  return base::Fail(base::Code::kFailedPrecondition, "{}", what);
}

// One line per file below `directory`, without its own name. Absent is empty.
base::Status DescribeFiles(base::FileSystem& files, const std::string& root,
                           const std::string& directory, std::string& text) {
  const std::string path = base::JoinPath(root, directory);
  ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (!exists) return {};
  ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, files.List(path));
  for (const base::DirectoryEntry& entry : entries) {
    const std::string name = base::JoinPath(directory, entry.name);
    if (entry.is_directory) {
      RETURN_IF_ERROR(DescribeFiles(files, root, name, text));
      continue;
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<base::File> file,
                     files.Open(base::JoinPath(root, name), base::FileSystem::Mode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    ASSIGN_OR_RETURN(const std::string tail,
                     file->ReadAt(size - std::min(size, kTailBytes), kTailBytes));
    text += fmt::format("{} {} {:08x}\n", name, size, base::Crc32c(tail));
  }
  return {};
}

void PutLabels(std::string& out, const model::Labels& labels) {
  base::PutUvarint(out, labels.size());
  for (const model::LabelView label : labels) {
    base::PutUvarintString(out, label.name);
    base::PutUvarintString(out, label.value);
  }
}

base::Result<model::Labels> TakeLabels(base::ByteReader& reader) {
  std::vector<model::Label> labels;
  const uint64_t count = reader.ReadUvarint();
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view name = reader.ReadUvarintString();
    labels.push_back({std::string(name), std::string(reader.ReadUvarintString())});
  }
  if (!reader.ok()) return base::Fail(base::Code::kDataLoss, "head image: labels end early");
  return model::Labels::From(std::move(labels));
}

using OwnedExemplar = std::pair<model::Labels, model::Exemplar>;

base::Result<std::vector<OwnedExemplar>> DecodeExemplars(std::string_view bytes) {
  std::vector<OwnedExemplar> all;
  base::ByteReader reader(bytes);
  while (!reader.empty()) {
    ASSIGN_OR_RETURN(model::Labels series, TakeLabels(reader));
    ASSIGN_OR_RETURN(model::Labels own, TakeLabels(reader));
    const auto t = static_cast<Timestamp>(reader.ReadBigEndian<uint64_t>());
    const auto v = std::bit_cast<double>(reader.ReadBigEndian<uint64_t>());
    if (!reader.ok()) return base::Fail(base::Code::kDataLoss, "head image: exemplars end early");
    all.emplace_back(std::move(series), model::Exemplar{std::move(own), v, t});
  }
  return all;
}

base::Result<std::vector<HeadChunks::KnownFile>> DecodeChunkFiles(std::string_view bytes) {
  std::vector<HeadChunks::KnownFile> all;
  base::ByteReader reader(bytes);
  while (!reader.empty()) {
    const auto number = reader.ReadBigEndian<uint32_t>();
    const auto max_time = static_cast<Timestamp>(reader.ReadBigEndian<uint64_t>());
    if (!reader.ok() || (!all.empty() && number <= all.back().number)) {
      return base::Fail(base::Code::kDataLoss, "head image: chunk files in disorder");
    }
    all.push_back({number, max_time});
  }
  return all;
}

}  // namespace

std::string Db::ImagePath() const { return base::JoinPath(options_.directory, kImageName); }

base::Result<std::string> Db::FilesForImage() {
  std::string text;
  for (const char* const directory : {"chunks_head", "wal", "wbl"}) {
    RETURN_IF_ERROR(DescribeFiles(env_.files, options_.directory, directory, text));
  }
  Timestamp reach = model::kTimestampMin;
  for (const auto& block : *blocks()) {
    if (!block->is_late()) reach = std::max(reach, block->meta().max_time);
  }
  text += fmt::format("blocks {}\nmetadata {}\n", reach, options_.metadata_records ? 1 : 0);
  return text;
}

base::Result<bool> Db::LoadImage() {
  const std::string path = ImagePath();
  ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(path));
  if (!exists) return false;
  if (!options_.head_image) {
    // Nobody else may take it for the newest state later.
    if (!options_.read_only) RETURN_IF_ERROR(env_.files.Remove(path));
    return false;
  }
  const int64_t began = env_.clock.MonotonicNs();
  base::Status taken;
  {
    base::Result<std::unique_ptr<base::MappedFile>> mapping = env_.files.Map(path);
    taken = mapping ? TakeImage((*mapping)->bytes())
                    : base::Status(std::unexpected(std::move(mapping).error()));
  }
  if (taken) {
    replay_.image = ImageUse::kUsed;
    replay_.replayed_series = head_.statistics().series;
    replay_.replay_ms = (env_.clock.MonotonicNs() - began) / 1'000'000;
    log_.Info("tsdb", "took the head from its image",
              {{"series", replay_.replayed_series}, {"duration_ms", replay_.replay_ms}});
  } else {
    const bool stale = taken.error().code == base::Code::kFailedPrecondition;
    replay_.image = stale ? ImageUse::kStale : ImageUse::kDamaged;
    log_.Warn("tsdb", "the head image is not used; replaying the log",
              {{"cause", taken.error().message}});
  }
  // It is of no use any more: what is appended from here on is in the log alone.
  if (!options_.read_only) RETURN_IF_ERROR(env_.files.Remove(path));
  return taken.has_value();
}

base::Status Db::TakeImage(std::string_view bytes) {
  ASSIGN_OR_RETURN(const ImageFile file, ImageFile::Parse(bytes));
  ASSIGN_OR_RETURN(const std::string files, FilesForImage());
  if (files != file.section(ImageSection::kFiles)) {
    return Stale("the log, chunk files or blocks are not what they were at the stop");
  }
  ASSIGN_OR_RETURN(const std::vector<HeadChunks::KnownFile> known,
                   DecodeChunkFiles(file.section(ImageSection::kChunkFiles)));
  ASSIGN_OR_RETURN(const std::vector<OwnedExemplar> exemplars,
                   DecodeExemplars(file.section(ImageSection::kExemplars)));
  ASSIGN_OR_RETURN(
      std::unique_ptr<HeadChunks> chunks,
      HeadChunks::OpenKnown(env_.files, base::JoinPath(options_.directory, "chunks_head"),
                            options_.read_only, known));
  RETURN_IF_ERROR(head_.LoadImage(file));
  head_.UseChunkFiles(std::move(chunks));
  for (const auto& [series, exemplar] : exemplars) exemplars_.Add(series, exemplar);
  return {};
}

base::Status Db::SaveImage() {
  const std::string temporary = ImagePath() + ".tmp";
  RETURN_IF_ERROR(base::RemoveAll(env_.files, temporary));
  base::Status written = WriteImage(temporary);
  if (written) written = env_.files.Rename(temporary, ImagePath());
  // What is left of it would only take room.
  if (!written) (void)base::RemoveAll(env_.files, temporary);
  return written;
}

base::Status Db::WriteImage(const std::string& path) {
  const int64_t began = env_.clock.MonotonicNs();
  ASSIGN_OR_RETURN(const std::vector<HeadChunks::KnownFile> known,
                   head_.chunk_files().SyncForImage());
  ASSIGN_OR_RETURN(const std::string files, FilesForImage());
  ASSIGN_OR_RETURN(ImageWriter writer, ImageWriter::Create(env_.files, path));
  RETURN_IF_ERROR(writer.Begin(ImageSection::kFiles));
  RETURN_IF_ERROR(writer.Append(files));
  RETURN_IF_ERROR(head_.SaveImage(writer));
  std::string bytes;
  RETURN_IF_ERROR(writer.Begin(ImageSection::kChunkFiles));
  for (const auto& [number, max_time] : known) {
    base::PutBigEndian(bytes, number);
    base::PutBigEndian(bytes, static_cast<uint64_t>(max_time));
  }
  RETURN_IF_ERROR(writer.Append(bytes));
  bytes.clear();
  RETURN_IF_ERROR(writer.Begin(ImageSection::kExemplars));
  for (const auto& [series, exemplar] : exemplars_.All()) {
    PutLabels(bytes, series);
    PutLabels(bytes, exemplar.labels);
    base::PutBigEndian(bytes, static_cast<uint64_t>(*exemplar.timestamp));
    base::PutBigEndian(bytes, std::bit_cast<uint64_t>(exemplar.value));
  }
  RETURN_IF_ERROR(writer.Append(bytes));
  RETURN_IF_ERROR(writer.Finish());
  log_.Info("tsdb", "wrote the head image",
            {{"series", head_.statistics().series},
             {"bytes", writer.bytes()},
             {"duration_ms", (env_.clock.MonotonicNs() - began) / 1'000'000}});
  return {};
}

}  // namespace narthex::tsdb

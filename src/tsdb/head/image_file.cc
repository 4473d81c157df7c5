#include "tsdb/head/image_file.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "compress/compress.h"

namespace narthex::tsdb {
namespace {

constexpr uint32_t kMagic = 0x4E484932;  // "NHI2"
constexpr size_t kHeaderBytes = 4;
constexpr size_t kEntryBytes = 1 + 1 + 8 + 8 + 8 + 4;
constexpr size_t kFooterBytes = 4 + 4 + 4;
constexpr size_t kBlockBytes = 256 << 10;
// More would be damage that wants memory; the writer leaves such a block as it is.
constexpr uint64_t kRatioMax = 64;

std::unexpected<base::Error> Damaged(std::string_view cause) {
  return base::Fail(base::Code::kDataLoss, "head image: {}", cause);
}

// The content of a section in blocks.
base::Result<std::string> Inflate(std::string_view stored, uint64_t content) {
  if (content / kRatioMax > stored.size()) return Damaged("a section longer than it can be");
  std::string all;
  all.reserve(content);
  base::ByteReader reader(stored);
  while (!reader.empty()) {
    const auto raw = reader.ReadBigEndian<uint32_t>();
    const std::string_view bytes = reader.ReadBytes(reader.ReadBigEndian<uint32_t>());
    if (!reader.ok() || raw > kBlockBytes || raw > content - all.size()) {
      return Damaged("a bad block");
    }
    if (bytes.size() == raw) {
      all += bytes;
      continue;
    }
    const base::Result<std::string> inflated = compress::ZstdDecode(bytes, raw);
    if (!inflated || inflated->size() != raw) return Damaged("a bad block");
    all += *inflated;
  }
  if (all.size() != content) return Damaged("blocks are missing");
  return all;
}

}  // namespace

base::Result<ImageWriter> ImageWriter::Create(base::FileSystem& files, const std::string& path) {
  ASSIGN_OR_RETURN(BufferedFile file, BufferedFile::Create(files, path));
  ImageWriter writer(std::move(file));
  std::string header;
  base::PutBigEndian(header, kMagic);
  RETURN_IF_ERROR(writer.file_.Append(header));
  return writer;
}

base::Status ImageWriter::Begin(ImageSection section) {
  RETURN_IF_ERROR(WriteBlock());
  for (const Entry& entry : entries_) CHECK(entry.section != section);
  // Streams of bits do not become smaller.
  const bool blocks = section != ImageSection::kOpen;
  entries_.push_back({section, blocks, file_.offset(), 0, 0, 0});
  return {};
}

base::Status ImageWriter::Write(std::string_view bytes) {
  Entry& entry = entries_.back();
  entry.length += bytes.size();
  entry.crc = base::Crc32c(bytes, entry.crc);
  return file_.Append(bytes);
}

base::Status ImageWriter::WriteBlock() {
  if (block_.empty()) return {};
  const std::string packed = compress::ZstdEncode(block_);
  const bool pays = packed.size() < block_.size() && block_.size() / kRatioMax < packed.size();
  const std::string_view stored = pays ? packed : block_;
  std::string header;
  base::PutBigEndian(header, static_cast<uint32_t>(block_.size()));
  base::PutBigEndian(header, static_cast<uint32_t>(stored.size()));
  RETURN_IF_ERROR(Write(header));
  RETURN_IF_ERROR(Write(stored));
  block_.clear();
  return {};
}

base::Status ImageWriter::Append(std::string_view bytes) {
  Entry& entry = entries_.back();
  entry.content += bytes.size();
  if (!entry.blocks) return Write(bytes);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kBlockBytes - block_.size());
    block_ += part;
    bytes.remove_prefix(part.size());
    if (block_.size() == kBlockBytes) RETURN_IF_ERROR(WriteBlock());
  }
  return {};
}

base::Status ImageWriter::Finish() {
  RETURN_IF_ERROR(WriteBlock());
  std::string covered;
  base::PutBigEndian(covered, kMagic);
  for (const Entry& entry : entries_) {
    covered += static_cast<char>(entry.section);
    covered += static_cast<char>(entry.blocks ? 1 : 0);
    base::PutBigEndian(covered, entry.offset);
    base::PutBigEndian(covered, entry.length);
    base::PutBigEndian(covered, entry.content);
    base::PutBigEndian(covered, entry.crc);
  }
  base::PutBigEndian(covered, static_cast<uint32_t>(entries_.size()));
  std::string tail = covered.substr(kHeaderBytes);
  base::PutBigEndian(tail, base::Crc32c(covered));
  base::PutBigEndian(tail, kMagic);
  RETURN_IF_ERROR(file_.Append(tail));
  return file_.Flush();
}

base::Result<ImageFile> ImageFile::Parse(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kFooterBytes) return Damaged("too short");
  const char* const end = bytes.data() + bytes.size();
  if (base::LoadBigEndian<uint32_t>(bytes.data()) != kMagic ||
      base::LoadBigEndian<uint32_t>(end - 4) != kMagic) {
    return Damaged("it does not begin or end as one of a known version");
  }
  const auto count = base::LoadBigEndian<uint32_t>(end - kFooterBytes);
  const uint64_t room = bytes.size() - kHeaderBytes - kFooterBytes;
  if (count > kImageSectionMax || count * kEntryBytes > room) return Damaged("a bad directory");
  const uint64_t sections_end = kHeaderBytes + room - count * kEntryBytes;
  const std::string_view directory = bytes.substr(sections_end, count * kEntryBytes + 4);
  const uint32_t crc = base::Crc32c(directory, base::Crc32c(bytes.substr(0, kHeaderBytes)));
  if (crc != base::LoadBigEndian<uint32_t>(end - 8)) return Damaged("a damaged directory");
  ImageFile image;
  base::ByteReader reader(directory);
  uint64_t at = kHeaderBytes;
  image.inflated_.reserve(count);  // Views of them stay.
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t section = reader.ReadByte();
    const uint8_t packing = reader.ReadByte();
    const auto offset = reader.ReadBigEndian<uint64_t>();
    const auto length = reader.ReadBigEndian<uint64_t>();
    const auto content = reader.ReadBigEndian<uint64_t>();
    const auto section_crc = reader.ReadBigEndian<uint32_t>();
    if (section == 0 || section > kImageSectionMax || packing > 1 || offset != at ||
        length > sections_end - at || (packing == 0 && content != length)) {
      return Damaged("a bad directory");
    }
    std::string_view& found = image.sections_[section];
    if (found.data() != nullptr) return Damaged("a section twice");
    found = bytes.substr(offset, length);
    if (base::Crc32c(found) != section_crc) return Damaged("checksum mismatch");
    if (packing == 1) {
      ASSIGN_OR_RETURN(std::string inflated, Inflate(found, content));
      found = image.inflated_.emplace_back(std::move(inflated));
    }
    at += length;
  }
  return image;
}

}  // namespace narthex::tsdb

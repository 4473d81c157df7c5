#include "tsdb/head/image_file.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace narthex::tsdb {
namespace {

constexpr uint32_t kMagic = 0x4E484931;  // "NHI1"
constexpr size_t kHeaderBytes = 4;
constexpr size_t kEntryBytes = 1 + 8 + 8 + 4;
constexpr size_t kFooterBytes = 4 + 4 + 4;

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
  for (const Entry& entry : entries_) CHECK(entry.section != section);
  entries_.push_back({section, file_.offset(), 0, 0});
  return {};
}

base::Status ImageWriter::Append(std::string_view bytes) {
  Entry& entry = entries_.back();
  entry.length += bytes.size();
  entry.crc = base::Crc32c(bytes, entry.crc);
  return file_.Append(bytes);
}

base::Status ImageWriter::Finish() {
  std::string covered;
  base::PutBigEndian(covered, kMagic);
  for (const Entry& entry : entries_) {
    covered += static_cast<char>(entry.section);
    base::PutBigEndian(covered, entry.offset);
    base::PutBigEndian(covered, entry.length);
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
  const auto damaged = [](std::string_view cause) {
    return base::Fail(base::Code::kDataLoss, "head image: {}", cause);
  };
  if (bytes.size() < kHeaderBytes + kFooterBytes) return damaged("too short");
  const char* const end = bytes.data() + bytes.size();
  if (base::LoadBigEndian<uint32_t>(bytes.data()) != kMagic ||
      base::LoadBigEndian<uint32_t>(end - 4) != kMagic) {
    return damaged("it does not begin or end as one of a known version");
  }
  const auto count = base::LoadBigEndian<uint32_t>(end - kFooterBytes);
  const uint64_t room = bytes.size() - kHeaderBytes - kFooterBytes;
  if (count > kImageSectionMax || count * kEntryBytes > room) return damaged("a bad directory");
  const uint64_t sections_end = kHeaderBytes + room - count * kEntryBytes;
  const std::string_view directory = bytes.substr(sections_end, count * kEntryBytes + 4);
  const uint32_t crc = base::Crc32c(directory, base::Crc32c(bytes.substr(0, kHeaderBytes)));
  if (crc != base::LoadBigEndian<uint32_t>(end - 8)) return damaged("a damaged directory");
  ImageFile image;
  base::ByteReader reader(directory);
  uint64_t at = kHeaderBytes;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t section = reader.ReadByte();
    const auto offset = reader.ReadBigEndian<uint64_t>();
    const auto length = reader.ReadBigEndian<uint64_t>();
    const auto section_crc = reader.ReadBigEndian<uint32_t>();
    if (section == 0 || section > kImageSectionMax || offset != at || length > sections_end - at) {
      return damaged("a bad directory");
    }
    std::string_view& found = image.sections_[section];
    if (found.data() != nullptr) return damaged("a section twice");
    found = bytes.substr(offset, length);
    if (base::Crc32c(found) != section_crc) return damaged("checksum mismatch");
    at += length;
  }
  return image;
}

}  // namespace narthex::tsdb

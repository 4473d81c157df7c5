#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "tsdb/block/ulid.h"

namespace narthex::tsdb {

// Members of a JSON object that we do not know (Thanos adds some): name and JSON text, in order.
using UnknownMembers = std::vector<std::pair<std::string, std::string>>;

struct BlockStats {
  uint64_t samples = 0;
  uint64_t float_samples = 0;
  uint64_t histogram_samples = 0;
  uint64_t series = 0;
  uint64_t chunks = 0;
  uint64_t tombstones = 0;
  UnknownMembers unknown;
};

struct BlockParent {
  Ulid ulid;
  int64_t min_time = 0;
  int64_t max_time = 0;
};

// How a block came to be.
struct BlockCompaction {
  int level = 1;
  std::vector<Ulid> sources;  // Blocks cut from the head that are in it, itself at level 1.
  std::vector<BlockParent> parents;
  bool deletable = false;
  bool failed = false;             // Compacting it failed: not tried again.
  std::vector<std::string> hints;  // "from-out-of-order" and the like.
  UnknownMembers unknown;
};

// The content of meta.json: what a block is. A value. docs/format/block.md.
struct BlockMeta {
  Ulid ulid;
  int64_t min_time = 0;  // Of the block's range, in ms.
  int64_t max_time = 0;  // Not included.
  BlockStats stats;
  BlockCompaction compaction;
  UnknownMembers unknown;

  // Errors: kDataLoss for text that is no meta.json, kUnimplemented for a version that we do not
  // know.
  static base::Result<BlockMeta> Parse(std::string_view json);
  std::string ToJson() const;
};

inline constexpr std::string_view kHintOutOfOrder = "from-out-of-order";

// `directory` is the block's. Errors name the file.
base::Result<BlockMeta> ReadBlockMeta(base::FileSystem& files, const std::string& directory);
base::Status WriteBlockMeta(base::FileSystem& files, const std::string& directory,
                            const BlockMeta& meta);

}  // namespace narthex::tsdb

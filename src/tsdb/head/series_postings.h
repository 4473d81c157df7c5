#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "tsdb/head/series_index.h"

namespace narthex::tsdb {

// Of the index alone: kept out of its header for the map.
struct SeriesIndex::Postings {
  static uint64_t Key(SymbolId name, SymbolId value) { return uint64_t{name} << 32 | value; }

  boost::unordered_flat_map<uint64_t, PostingList> series;
  boost::unordered_flat_map<SymbolId, std::vector<SymbolId>> values;

  // nullptr where there is none.
  const PostingList* Find(SymbolId name, SymbolId value) const {
    const auto found = series.find(Key(name, value));
    return found == series.end() ? nullptr : &found->second;
  }
};

}  // namespace narthex::tsdb

#include "receivers/hostmetrics/scrapers.h"

#include <re2/re2.h>

#include <algorithm>

namespace narthex::receivers {

std::span<const HostScraper> HostScrapers() {
  static const HostScraper kScrapers[] = {
      {"cpu", kCpuMetrics, &ScrapeCpu},
      {"disk", kDiskMetrics, &ScrapeDisk},
      {"filesystem", kFilesystemMetrics, &ScrapeFilesystem},
      {"load", kLoadMetrics, &ScrapeLoad},
      {"memory", kMemoryMetrics, &ScrapeMemory},
      {"network", kNetworkMetrics, &ScrapeNetwork},
      {"paging", kPagingMetrics, &ScrapePaging},
      {"process", kProcessMetrics, &ScrapeProcess},
      {"processes", kProcessesMetrics, &ScrapeProcesses},
      {"system", kSystemMetrics, &ScrapeSystem},
  };
  return kScrapers;
}

bool NameFilter::Words::Match(std::string_view name) const {
  return std::ranges::find(strict, name) != strict.end() ||
         std::ranges::any_of(patterns, [&](const auto& pattern) {
           return RE2::PartialMatch({name.data(), name.size()}, *pattern);
         });
}

std::optional<NameFilter::Words> NameFilter::Read(const config::Node* node,
                                                  std::string_view list_key,
                                                  config::Diagnostics& diagnostics) {
  if (node == nullptr) return std::nullopt;
  Words words;
  std::string match_type;
  std::vector<std::string> names;
  config::MapReader reader(*node, diagnostics);
  reader.Read("match_type", match_type, "`strict` or `regexp`, which matches anywhere");
  reader.Read(list_key, names, "Their names");
  reader.Finish();
  if (names.empty()) reader.Report(list_key, "at least one has to be given");
  if (match_type == "strict") {
    words.strict = std::move(names);
  } else if (match_type == "regexp") {
    for (const std::string& name : names) {
      auto pattern = std::make_shared<const re2::RE2>(name, RE2::Quiet);
      if (!pattern->ok()) reader.Report(list_key, pattern->error());
      words.patterns.push_back(std::move(pattern));
    }
  } else {
    reader.Report("match_type", "must be strict or regexp");
  }
  return words;
}

void NameFilter::Include(const config::Node* node, std::string_view list_key,
                         config::Diagnostics& diagnostics) {
  include_ = Read(node, list_key, diagnostics);
}

void NameFilter::Exclude(const config::Node* node, std::string_view list_key,
                         config::Diagnostics& diagnostics) {
  exclude_ = Read(node, list_key, diagnostics);
}

bool NameFilter::Passes(std::string_view name) const {
  return (!include_.has_value() || include_->Match(name)) &&
         (!exclude_.has_value() || !exclude_->Match(name));
}

}  // namespace narthex::receivers

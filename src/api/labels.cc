#include <algorithm>
#include <charconv>
#include <set>

#include "api/handlers.h"
#include "json/writer.h"

namespace narthex::api {
namespace {

Answer ListOf(const std::vector<std::string>& values, size_t limit) {
  Answer answer;
  size_t count = values.size();
  if (limit > 0 && count > limit) {
    count = limit;
    answer.warnings.emplace_back(kTruncated);
  }
  json::Writer writer;
  writer.BeginArray();
  for (size_t i = 0; i < count; ++i) writer.String(values[i]);
  writer.EndArray();
  answer.data = writer.Take();
  return answer;
}

// The union over the selectors; everything when there is none.
template <class Find>
base::Result<std::vector<std::string>> Union(
    const std::vector<std::vector<model::Matcher>>& selectors, Find&& find) {
  if (selectors.empty()) return find(std::vector<model::Matcher>());
  std::set<std::string> all;
  for (const auto& matchers : selectors) {
    ASSIGN_OR_RETURN(std::vector<std::string> found, find(matchers));
    all.insert(std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  return std::vector<std::string>(all.begin(), all.end());
}

void AppendUtf8(std::string& out, uint32_t rune) {
  if (rune < 0x80) {
    out += static_cast<char>(rune);
    return;
  }
  const int tail = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
  constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[tail] | (rune >> (6 * tail)));
  for (int i = tail - 1; i >= 0; --i) {
    out += static_cast<char>(0x80 | ((rune >> (6 * i)) & 0x3F));
  }
}

// "U__my_2e_label" to "my.label": how names that are no identifiers travel in paths. What does not
// decode stands for itself.
std::string UnescapeName(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  for (size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const size_t end = name.find('_', i + 1);
    if (end == std::string_view::npos) return std::string(name);
    uint32_t rune = 0;
    const char* const last = name.data() + end;
    const auto parsed = std::from_chars(name.data() + i + 1, last, rune, 16);
    if (parsed.ec != std::errc() || parsed.ptr != last || rune > 0x10FFFF) {
      return std::string(name);
    }
    AppendUtf8(out, rune);
    i = end;
  }
  return out;
}

}  // namespace

base::Result<Answer> LabelNames(const ApiV1::Options& options, const Request& request) {
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  ASSIGN_OR_RETURN(const model::TimeRange range, TimeRangeParams(request));
  ASSIGN_OR_RETURN(const auto selectors, MatchParams(request));
  ASSIGN_OR_RETURN(const auto querier, options.storage.OpenQuerier(range));
  ASSIGN_OR_RETURN(const auto names, Union(selectors, [&](const auto& matchers) {
                     return querier->LabelNames(matchers);
                   }));
  return ListOf(names, limit);
}

base::Result<Answer> LabelValues(const ApiV1::Options& options, const Request& request) {
  constexpr std::string_view kBefore = "label/";
  constexpr std::string_view kBehind = "/values";
  const std::string_view path = request.path;
  ASSIGN_OR_RETURN(std::string name,
                   net::PercentDecode(
                       path.substr(kBefore.size(), path.size() - kBefore.size() - kBehind.size())));
  name = UnescapeName(name);
  if (name.empty() || !model::IsValidUtf8(name)) {
    std::string quoted;
    model::AppendQuoted(quoted, name);
    return base::Fail(base::Code::kInvalidArgument, "invalid label name: {}", quoted);
  }
  ASSIGN_OR_RETURN(const size_t limit, LimitParam(request));
  ASSIGN_OR_RETURN(const model::TimeRange range, TimeRangeParams(request));
  ASSIGN_OR_RETURN(const auto selectors, MatchParams(request));
  ASSIGN_OR_RETURN(const auto querier, options.storage.OpenQuerier(range));
  ASSIGN_OR_RETURN(const auto values, Union(selectors, [&](const auto& matchers) {
                     return querier->LabelValues(name, matchers);
                   }));
  return ListOf(values, limit);
}

}  // namespace narthex::api

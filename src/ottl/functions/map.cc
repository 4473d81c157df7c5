#include <algorithm>
#include <set>

#include "ottl/internal/function.h"

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;

base::Result<Any> Set(const Args& args) {
  ASSIGN_OR_RETURN(Any value, args.Get(1));
  if (!value.is_nil()) RETURN_IF_ERROR(args.Set(0, std::move(value)));
  return Any();
}

base::Result<Any> Append(const Args& args) {
  ASSIGN_OR_RETURN(Any target, args.Get(0));
  Any::Array list;
  if (auto* present = target.As<Any::Array>()) {
    list = std::move(*present);
  } else if (!target.is_nil()) {
    list.push_back(std::move(target));
  }
  if (!args.Has(1) && !args.Has(2)) {
    return Fail(Code::kInvalidArgument, "append: needs value or values");
  }
  if (args.Has(1)) {
    ASSIGN_OR_RETURN(Any value, args.Get(1));
    list.push_back(std::move(value));
  }
  if (args.Has(2)) {
    ASSIGN_OR_RETURN(const Any::Array values, args.List(2));
    list.insert(list.end(), values.begin(), values.end());
  }
  RETURN_IF_ERROR(args.Set(0, Any(std::move(list))));
  return Any();
}

// Gives the target what `change` makes of its map; a target that is nil is left alone.
template <class Change>
base::Result<Any> ChangeMap(const Args& args, Change change) {
  ASSIGN_OR_RETURN(Any target, args.Get(0));
  if (target.is_nil()) return Any();
  auto* map = target.As<Any::Map>();
  if (map == nullptr) return Fail(Code::kInvalidArgument, "the target is not a map");
  RETURN_IF_ERROR(change(*map));
  RETURN_IF_ERROR(args.Set(0, std::move(target)));
  return Any();
}

base::Result<Any> DeleteKey(const Args& args) {
  ASSIGN_OR_RETURN(const std::string key, args.Text(1));
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    otlp::Erase(map, key);
    return {};
  });
}

base::Result<Any> DeleteMatchingKeys(const Args& args) {
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(1));
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    std::erase_if(map,
                  [&](const auto& pair) { return re2::RE2::PartialMatch(pair.first, *pattern); });
    return {};
  });
}

base::Result<Any> KeepKeys(const Args& args) {
  ASSIGN_OR_RETURN(const std::vector<std::string> keys, args.Texts(1));
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    std::erase_if(
        map, [&](const auto& pair) { return std::ranges::find(keys, pair.first) == keys.end(); });
    return {};
  });
}

base::Result<Any> KeepMatchingKeys(const Args& args) {
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(1));
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    std::erase_if(map,
                  [&](const auto& pair) { return !re2::RE2::PartialMatch(pair.first, *pattern); });
    return {};
  });
}

base::Result<Any> DeleteIndex(const Args& args) {
  ASSIGN_OR_RETURN(Any::Array list, args.List(0));
  ASSIGN_OR_RETURN(const int64_t first, args.Int(1));
  ASSIGN_OR_RETURN(const int64_t last, args.IntOr(2, first + (first < INT64_MAX ? 1 : 0)));
  if (first < 0 || last < first || last > static_cast<int64_t>(list.size())) {
    return Fail(Code::kInvalidArgument, "delete_index: [{}, {}) is not within {} items", first,
                last, list.size());
  }
  list.erase(list.begin() + first, list.begin() + last);
  RETURN_IF_ERROR(args.Set(0, Any(std::move(list))));
  return Any();
}

// See flatten.
class Flattener {
 public:
  Flattener(int64_t depth_max, bool resolves) : depth_max_(depth_max), resolves_(resolves) {}

  void Take(const std::string& name, Any value, int64_t depth) {
    if (depth <= depth_max_) {
      if (auto* map = value.As<Any::Map>()) {
        for (auto& [key, item] : *map) Take(Joined(name, key), std::move(item), depth + 1);
        return;
      }
      if (auto* list = value.As<Any::Array>()) {
        for (size_t i = 0; i < list->size(); ++i) {
          Take(Joined(name, std::to_string(i)), std::move((*list)[i]), depth + 1);
        }
        return;
      }
    }
    std::string key = name;
    if (resolves_) {
      for (size_t i = 0; otlp::Find(out, key) != nullptr; ++i) {
        key = name + '.' + std::to_string(i);
      }
    }
    otlp::Put(out, key, std::move(value));
  }

  Any::Map out;

 private:
  static std::string Joined(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + '.' + key;
  }
  const int64_t depth_max_;
  const bool resolves_;
};

base::Result<Any> Flatten(const Args& args) {
  ASSIGN_OR_RETURN(const std::string prefix, args.TextOr(1, ""));
  ASSIGN_OR_RETURN(const int64_t depth, args.IntOr(2, INT64_MAX));
  ASSIGN_OR_RETURN(const bool resolves, args.BoolOr(3, false));
  if (depth < 0) return Fail(Code::kInvalidArgument, "flatten: depth must not be negative");
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    Flattener flattener(depth, resolves);
    flattener.Take(prefix, Any(std::move(map)), 0);
    map = std::move(flattener.out);
    return {};
  });
}

base::Result<Any> Limit(const Args& args) {
  ASSIGN_OR_RETURN(const int64_t limit, args.Int(1));
  ASSIGN_OR_RETURN(const std::vector<std::string> priority, args.Texts(2));
  if (limit < 0 || static_cast<size_t>(limit) < priority.size()) {
    return Fail(Code::kInvalidArgument, "limit: {} is less than there are priority keys", limit);
  }
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    const auto is_kept = [&](const std::string& key) {
      return std::ranges::find(priority, key) != priority.end();
    };
    size_t room = static_cast<size_t>(limit);
    for (const auto& [key, value] : map) room -= is_kept(key) ? 1 : 0;
    std::erase_if(map, [&](const auto& pair) {
      if (is_kept(pair.first)) return false;
      if (room == 0) return true;
      --room;
      return false;
    });
    return {};
  });
}

base::Result<Any> MergeMaps(const Args& args) {
  ASSIGN_OR_RETURN(const Any::Map source, args.Map(1));
  ASSIGN_OR_RETURN(const std::string strategy, args.TextOr(2, "upsert"));
  if (strategy != "insert" && strategy != "update" && strategy != "upsert") {
    return Fail(Code::kInvalidArgument, "merge_maps: \"{}\" is not insert, update or upsert",
                strategy);
  }
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    for (const auto& [key, value] : source) {
      const bool is_there = otlp::Find(map, key) != nullptr;
      if ((strategy == "insert" && is_there) || (strategy == "update" && !is_there)) continue;
      otlp::Put(map, key, value);
    }
    return {};
  });
}

base::Result<Any> TruncateAll(const Args& args) {
  ASSIGN_OR_RETURN(const int64_t limit, args.Int(1));
  if (limit < 0) return Fail(Code::kInvalidArgument, "truncate_all: {} is negative", limit);
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    for (auto& [key, value] : map) {
      auto* text = value.As<std::string>();
      if (text == nullptr || text->size() <= static_cast<size_t>(limit)) continue;
      // Not within a character of UTF-8.
      auto size = static_cast<size_t>(limit);
      while (size > 0 && (static_cast<unsigned char>((*text)[size]) & 0xc0) == 0x80) --size;
      text->resize(size);
    }
    return {};
  });
}

base::Result<Any> StringifyAll(const Args& args) {
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    for (auto& [key, value] : map) value = Any(otlp::Text(value));
    return {};
  });
}

base::Result<std::shared_ptr<const re2::RE2>> Glob(const Args& args, size_t i) {
  ASSIGN_OR_RETURN(const std::string glob, args.Text(i));
  auto pattern = std::make_shared<const re2::RE2>(PatternFromGlob(glob), re2::RE2::Quiet);
  if (!pattern->ok()) return Fail(Code::kInvalidArgument, "bad glob \"{}\"", glob);
  return pattern;
}

base::Result<Any> ReplaceMatch(const Args& args) {
  ASSIGN_OR_RETURN(const auto pattern, Glob(args, 1));
  ASSIGN_OR_RETURN(const std::string replacement, args.Text(2));
  ASSIGN_OR_RETURN(const Any target, args.Get(0));
  const auto* text = target.As<std::string>();
  if (text == nullptr || !re2::RE2::FullMatch(*text, *pattern)) return Any();
  RETURN_IF_ERROR(args.Set(0, Any(replacement)));
  return Any();
}

base::Result<Any> ReplaceAllMatches(const Args& args) {
  ASSIGN_OR_RETURN(const auto pattern, Glob(args, 1));
  ASSIGN_OR_RETURN(const std::string replacement, args.Text(2));
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    for (auto& [key, value] : map) {
      auto* text = value.As<std::string>();
      if (text != nullptr && re2::RE2::FullMatch(*text, *pattern)) *text = replacement;
    }
    return {};
  });
}

// Go's replacement template, `$1` and `${name}`, as RE2's `\1`.
base::Result<std::string> Rewrite(const re2::RE2& pattern, std::string_view replacement) {
  static const re2::RE2 kReference(R"(\$(?:\$|\{(\w+)\}|(\w+)))");
  std::string out;
  const auto put_literal = [&](std::string_view text) {
    for (const char c : text) out += c == '\\' ? std::string("\\\\") : std::string(1, c);
  };
  re2::StringPiece rest(replacement.data(), replacement.size()), groups[3];
  while (kReference.Match(rest, 0, rest.size(), re2::RE2::UNANCHORED, groups, 3)) {
    put_literal({rest.data(), static_cast<size_t>(groups[0].data() - rest.data())});
    const std::string name =
        groups[1].data() != nullptr ? groups[1].as_string() : groups[2].as_string();
    if (name.empty()) {
      out += '$';
    } else {
      const auto& named = pattern.NamedCapturingGroups();
      const auto found = named.find(name);
      int index = found != named.end() ? found->second : -1;
      if (index < 0 && name.size() == 1 && name[0] >= '0' && name[0] <= '9') index = name[0] - '0';
      // A group that the pattern lacks is empty text.
      if (index >= 0 && index <= std::min(9, pattern.NumberOfCapturingGroups())) {
        out += '\\' + std::to_string(index);
      }
    }
    rest.remove_prefix(static_cast<size_t>(groups[0].data() + groups[0].size() - rest.data()));
  }
  put_literal({rest.data(), rest.size()});
  return out;
}

base::Result<Any> ReplacePattern(const Args& args) {
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(1));
  ASSIGN_OR_RETURN(const std::string replacement, args.Text(2));
  ASSIGN_OR_RETURN(const std::string rewrite, Rewrite(*pattern, replacement));
  ASSIGN_OR_RETURN(Any target, args.Get(0));
  auto* text = target.As<std::string>();
  if (text == nullptr || re2::RE2::GlobalReplace(text, *pattern, rewrite) == 0) return Any();
  RETURN_IF_ERROR(args.Set(0, std::move(target)));
  return Any();
}

base::Result<Any> ReplaceAllPatterns(const Args& args) {
  ASSIGN_OR_RETURN(const std::string mode, args.Text(1));
  ASSIGN_OR_RETURN(const auto pattern, args.Pattern(2));
  ASSIGN_OR_RETURN(const std::string replacement, args.Text(3));
  ASSIGN_OR_RETURN(const std::string rewrite, Rewrite(*pattern, replacement));
  if (mode != "key" && mode != "value") {
    return Fail(Code::kInvalidArgument, "replace_all_patterns: \"{}\" is not key or value", mode);
  }
  return ChangeMap(args, [&](Any::Map& map) -> base::Status {
    Any::Map out;
    for (auto& [key, value] : map) {
      std::string name = key;
      if (mode == "key") {
        re2::RE2::GlobalReplace(&name, *pattern, rewrite);
      } else if (auto* text = value.As<std::string>()) {
        re2::RE2::GlobalReplace(text, *pattern, rewrite);
      }
      otlp::Put(out, name, std::move(value));
    }
    map = std::move(out);
    return {};
  });
}

constexpr Level kAny = Level::kResource;
constexpr Function kFunctions[] = {
    {"append", "&target value? values?", kAny, &Append, "Adds to a list."},
    {"delete_index", "&target startIndex endIndex?", kAny, &DeleteIndex, "Takes from a list."},
    {"delete_key", "&target key", kAny, &DeleteKey, "Takes one key out of a map."},
    {"delete_matching_keys", "&target pattern~", kAny, &DeleteMatchingKeys, "By pattern."},
    {"flatten", "&target prefix? depth? resolveConflicts?", kAny, &Flatten,
     "Moves what lies deeper to the top, under names with dots."},
    {"keep_keys", "&target keys", kAny, &KeepKeys, "Takes all other keys out of a map."},
    {"keep_matching_keys", "&target pattern~", kAny, &KeepMatchingKeys, "By pattern."},
    {"limit", "&target limit priority_keys", kAny, &Limit, "Keeps so many keys, these first."},
    {"merge_maps", "&target source strategy?", kAny, &MergeMaps, "insert, update or upsert."},
    {"replace_all_matches", "&target pattern replacement", kAny, &ReplaceAllMatches,
     "Replaces values that a glob matches."},
    {"replace_all_patterns", "&target mode regex~ replacement", kAny, &ReplaceAllPatterns,
     "Replaces in every key or value what the pattern matches."},
    {"replace_match", "&target pattern replacement", kAny, &ReplaceMatch,
     "Replaces text that a glob matches."},
    {"replace_pattern", "&target regex~ replacement", kAny, &ReplacePattern,
     "Replaces in a text what the pattern matches."},
    {"set", "&target value", kAny, &Set, "Gives the target a value; nil changes nothing."},
    {"stringify_all", "&target", kAny, &StringifyAll, "Makes text of every value."},
    {"truncate_all", "&target limit", kAny, &TruncateAll, "Cuts texts to so many bytes."},
};

}  // namespace

std::string PatternFromGlob(std::string_view glob) {
  std::string out = "(?s)";
  for (const char c : glob) {
    if (c == '*') {
      out += ".*";
    } else if (c == '?') {
      out += '.';
    } else {
      out += re2::RE2::QuoteMeta(re2::StringPiece(&c, 1));
    }
  }
  return out;
}

std::span<const Function> MapEditors() { return kFunctions; }

}  // namespace narthex::ottl

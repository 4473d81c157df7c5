#include <charconv>
#include <cmath>
#include <ctime>

#include "model/number.h"
#include "ottl/internal/function.h"

namespace narthex::ottl {
namespace {

using base::Code;
using base::Fail;
using otlp::Any;

base::Result<Any> String(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  return value.is_nil() ? Any() : Any(otlp::Text(value));
}

base::Result<Any> Int(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  if (value.As<int64_t>() != nullptr) return value;
  if (const auto* boolean = value.As<bool>()) return Any(int64_t{*boolean});
  if (const auto* real = value.As<double>()) {
    // What does not fit is nil, as text that is no number is.
    if (!(*real >= -0x1p63 && *real < 0x1p63)) return Any();
    return Any(static_cast<int64_t>(*real));
  }
  if (const auto* text = value.As<std::string>()) {
    int64_t whole = 0;
    const char* last = text->data() + text->size();
    const auto result = std::from_chars(text->data(), last, whole);
    if (result.ec == std::errc() && result.ptr == last) return Any(whole);
  }
  return Any();
}

base::Result<Any> Double(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  if (value.As<double>() != nullptr) return value;
  if (const auto* whole = value.As<int64_t>()) return Any(static_cast<double>(*whole));
  if (const auto* boolean = value.As<bool>()) return Any(*boolean ? 1.0 : 0.0);
  if (const auto* text = value.As<std::string>()) {
    if (const auto real = model::ParseFloat(*text)) return Any(*real);
  }
  return Any();
}

base::Result<Any> Bool(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  if (value.As<bool>() != nullptr) return value;
  if (const auto* whole = value.As<int64_t>()) return Any(*whole != 0);
  if (const auto* real = value.As<double>()) return Any(*real != 0);
  if (const auto* text = value.As<std::string>()) {
    if (*text == "true" || *text == "True" || *text == "TRUE" || *text == "1" || *text == "t") {
      return Any(true);
    }
    if (*text == "false" || *text == "False" || *text == "FALSE" || *text == "0" || *text == "f") {
      return Any(false);
    }
  }
  return Any();
}

base::Result<Any> ParseInt(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const int64_t radix, args.Int(1));
  if (radix < 2 || radix > 36) {
    return Fail(Code::kInvalidArgument, "ParseInt: the base must be within 2 and 36");
  }
  int64_t whole = 0;
  const char* last = text.data() + text.size();
  const auto result = std::from_chars(text.data(), last, whole, static_cast<int>(radix));
  if (result.ec != std::errc() || result.ptr != last) {
    return Fail(Code::kInvalidArgument, "ParseInt: \"{}\" is not a number of base {}", text, radix);
  }
  return Any(whole);
}

base::Result<Any> Len(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  size_t size = 0;
  if (const auto* text = value.As<std::string>()) {
    size = text->size();
  } else if (const auto* bytes = value.As<Any::Bytes>()) {
    size = bytes->data.size();
  } else if (const auto* list = value.As<Any::Array>()) {
    size = list->size();
  } else if (const auto* map = value.As<Any::Map>()) {
    size = map->size();
  } else {
    return Fail(Code::kInvalidArgument, "Len: neither text, a list nor a map");
  }
  return Any(static_cast<int64_t>(size));
}

template <class T>
base::Result<Any> Is(const Args& args) {
  ASSIGN_OR_RETURN(const Any value, args.Get(0));
  return Any(value.As<T>() != nullptr);
}

base::Result<Any> Index(const Args& args) {
  ASSIGN_OR_RETURN(const Any source, args.Get(0));
  ASSIGN_OR_RETURN(const Any value, args.Get(1));
  if (const auto* text = source.As<std::string>()) {
    const auto* word = value.As<std::string>();
    if (word == nullptr) return Fail(Code::kInvalidArgument, "Index: expected text");
    const size_t at = text->find(*word);
    return Any(at == text->npos ? int64_t{-1} : static_cast<int64_t>(at));
  }
  const auto* list = source.As<Any::Array>();
  if (list == nullptr) return Fail(Code::kInvalidArgument, "Index: neither text nor a list");
  for (size_t i = 0; i < list->size(); ++i) {
    if ((*list)[i] == value) return Any(static_cast<int64_t>(i));
  }
  return Any(int64_t{-1});
}

base::Result<Any> ContainsValue(const Args& args) {
  ASSIGN_OR_RETURN(const Any::Array list, args.List(0));
  ASSIGN_OR_RETURN(const Any value, args.Get(1));
  for (const Any& item : list) {
    if (item == value) return Any(true);
  }
  return Any(false);
}

const Any* Along(const Any& item, const std::vector<std::string>& path) {
  const Any* at = &item;
  for (const std::string& key : path) {
    const auto* map = at->As<Any::Map>();
    at = map != nullptr ? otlp::Find(*map, key) : nullptr;
    if (at == nullptr) return nullptr;
  }
  return at;
}

base::Result<Any> SliceToMap(const Args& args) {
  ASSIGN_OR_RETURN(const Any::Array list, args.List(0));
  std::vector<std::string> key_path, value_path;
  if (args.Has(1)) {
    ASSIGN_OR_RETURN(key_path, args.Texts(1));
  }
  if (args.Has(2)) {
    ASSIGN_OR_RETURN(value_path, args.Texts(2));
  }
  Any::Map map;
  for (size_t i = 0; i < list.size(); ++i) {
    std::string key = std::to_string(i);
    if (!key_path.empty()) {
      const Any* found = Along(list[i], key_path);
      const auto* text = found != nullptr ? found->As<std::string>() : nullptr;
      if (text == nullptr) return Fail(Code::kInvalidArgument, "SliceToMap: item {} has no key", i);
      key = *text;
    }
    const Any* value = Along(list[i], value_path);
    if (value == nullptr) {
      return Fail(Code::kInvalidArgument, "SliceToMap: item {} has no value", i);
    }
    otlp::Put(map, key, *value);
  }
  return Any(std::move(map));
}

// Times are nanoseconds since the epoch, durations nanoseconds.
base::Result<Any> Now(const Args& args) {
  if (args.scene().clock == nullptr) return Fail(Code::kFailedPrecondition, "Now: no clock");
  return Any(args.scene().clock->WallNs());
}

base::Result<Any> Time(const Args& args) {
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  ASSIGN_OR_RETURN(const std::string format, args.Text(1));
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), format.c_str(), &parts);
  if (end == nullptr || *end != '\0') {
    return Fail(Code::kInvalidArgument, "Time: \"{}\" is not of the form \"{}\"", text, format);
  }
  const int64_t offset_s = parts.tm_gmtoff;
  parts.tm_gmtoff = 0;
  const int64_t unix_s = ::timegm(&parts) - offset_s;
  if (std::abs(unix_s) > INT64_MAX / 1'000'000'000) {
    return Fail(Code::kOutOfRange, "Time: \"{}\" is out of range", text);
  }
  return Any(unix_s * 1'000'000'000);
}

base::Result<Any> Duration(const Args& args) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  ASSIGN_OR_RETURN(const std::string text, args.Text(0));
  std::string_view rest = text;
  const bool is_negative = rest.starts_with('-');
  if (is_negative) rest.remove_prefix(1);
  double total = 0;
  bool is_sound = !rest.empty();
  while (is_sound && !rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const auto number = model::ParseFloat(rest.substr(0, digits));
    rest.remove_prefix(digits);
    const std::string_view unit =
        rest.substr(0, std::min(rest.find_first_of("0123456789."), rest.size()));
    rest.remove_prefix(unit.size());
    is_sound = false;
    for (const auto& [name, ns] : kUnits) {
      if (name != unit || !number.has_value()) continue;
      total += *number * ns;
      is_sound = true;
    }
  }
  if (!is_sound || !(total < 9.2e18)) {
    return Fail(Code::kInvalidArgument, "Duration: \"{}\" is not a duration", text);
  }
  return Any(static_cast<int64_t>(is_negative ? -total : total));
}

template <int64_t Unit>
base::Result<Any> Whole(const Args& args) {
  ASSIGN_OR_RETURN(const int64_t ns, args.Int(0));
  return Any(ns / Unit);
}
template <int64_t Unit>
base::Result<Any> Real(const Args& args) {
  ASSIGN_OR_RETURN(const int64_t ns, args.Int(0));
  return Any(static_cast<double>(ns) / static_cast<double>(Unit));
}

base::Result<Any> HasAttrKey(const Args& args) {
  ASSIGN_OR_RETURN(const std::string key, args.Text(0));
  return Any(args.scene().AnyPointHas(key, nullptr));
}
base::Result<Any> HasAttr(const Args& args) {
  ASSIGN_OR_RETURN(const std::string key, args.Text(0));
  ASSIGN_OR_RETURN(const std::string text, args.Text(1));
  const Any value(text);
  return Any(args.scene().AnyPointHas(key, &value));
}

base::Result<Any> IdOf(const Args& args, size_t size) {
  ASSIGN_OR_RETURN(Any value, args.Get(0));
  if (auto* bytes = value.As<Any::Bytes>(); bytes != nullptr && bytes->data.size() == size) {
    return value;
  }
  const auto* digits = value.As<std::string>();
  Any::Bytes id;
  if (digits != nullptr && digits->size() == 2 * size) {
    for (size_t i = 0; i < 2 * size; i += 2) {
      uint8_t byte = 0;
      const char* const last = digits->data() + i + 2;
      if (std::from_chars(digits->data() + i, last, byte, 16).ptr != last) break;
      id.data += static_cast<char>(byte);
    }
  }
  if (id.data.size() == size) return Any(std::move(id));
  return Fail(Code::kInvalidArgument, "an id of {} bytes or {} hexadecimal digits is expected",
              size, 2 * size);
}

base::Result<Any> SpanId(const Args& args) { return IdOf(args, 8); }
base::Result<Any> TraceId(const Args& args) { return IdOf(args, 16); }

constexpr Level kAny = Level::kResource;
constexpr Function kFunctions[] = {
    {"Bool", "target", kAny, &Bool, "True or false; nil where it is neither."},
    {"ContainsValue", "target item", kAny, &ContainsValue, "Whether the list has it."},
    {"Double", "target", kAny, &Double, "A number; nil where it is none."},
    {"Duration", "duration", kAny, &Duration, "Nanoseconds of \"1h30m\"."},
    {"HasAttrKeyOnDatapoint", "key", Level::kMetric, &HasAttrKey, "Whether a point has it."},
    {"HasAttrOnDatapoint", "key value", Level::kMetric, &HasAttr, "Whether a point has it so."},
    {"Hours", "value", kAny, &Real<3'600'000'000'000>, "Of a duration."},
    {"Index", "source value", kAny, &Index, "Where it is first; -1 for nowhere."},
    {"Int", "target", kAny, &Int, "A whole number; nil where it is none."},
    {"IsBool", "value", kAny, &Is<bool>, "Whether it is true or false."},
    {"IsDouble", "value", kAny, &Is<double>, "Whether it is a floating-point number."},
    {"IsInt", "value", kAny, &Is<int64_t>, "Whether it is an integer."},
    {"IsList", "value", kAny, &Is<Any::Array>, "Whether it is a list."},
    {"IsMap", "value", kAny, &Is<Any::Map>, "Whether it is a map."},
    {"IsString", "value", kAny, &Is<std::string>, "Whether it is text."},
    {"Len", "target", kAny, &Len, "Bytes, items or members."},
    {"Minutes", "value", kAny, &Real<60'000'000'000>, "Of a duration."},
    {"Now", "", kAny, &Now, "The present time."},
    {"ParseInt", "target base", kAny, &ParseInt, "An integer written to that base."},
    {"Seconds", "value", kAny, &Real<1'000'000'000>, "Of a duration."},
    {"SliceToMap", "target key_path? value_path?", kAny, &SliceToMap, "A map of a list's items."},
    {"SpanID", "value", kAny, &SpanId, "Eight bytes, of bytes or hexadecimal digits."},
    {"String", "value", kAny, &String, "The value as text."},
    {"Time", "time format", kAny, &Time, "A time written in the form of strptime."},
    {"TraceID", "value", kAny, &TraceId, "Sixteen bytes, of bytes or hexadecimal digits."},
    {"UnixMicro", "time", kAny, &Whole<1'000>, "Microseconds since the epoch."},
    {"UnixMilli", "time", kAny, &Whole<1'000'000>, "Milliseconds since the epoch."},
    {"UnixNano", "time", kAny, &Whole<1>, "Nanoseconds since the epoch."},
    {"UnixSeconds", "time", kAny, &Whole<1'000'000'000>, "Seconds since the epoch."},
};

}  // namespace

std::span<const Function> ValueFunctions() { return kFunctions; }

}  // namespace narthex::ottl

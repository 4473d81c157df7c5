#pragma once

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "base/random.h"
#include "otlp.pb.h"
#include "otlp/value.h"

namespace narthex::otlp::oracle {

// libprotobuf's generated code as an independent opinion: random messages, and ways to compare.

// The parts that every message is made of. One thread at a time.
class RandomValues {
 public:
  // `with_unknown`: sometimes with fields that nobody knows.
  explicit RandomValues(uint64_t seed, bool with_unknown) : random_(seed), unknown_(with_unknown) {}

 protected:
  uint64_t Count(uint64_t max) { return random_.Below(max + 1); }
  bool Chance() { return random_.Below(2) == 0; }
  std::string Word() {
    static constexpr const char* kWords[] = {
        "", "a", "http.method", "GET", "österreich", "service.name", "with \"quotes\"\n\\"};
    if (random_.Below(20) == 0) return std::string(random_.Below(300), 'x');
    return kWords[random_.Below(std::size(kWords))];
  }
  double Number() {
    switch (random_.Below(8)) {
      case 0:
        return 0;
      case 1:
        return -1.5;
      case 2:
        return std::numeric_limits<double>::infinity();
      case 3:
        return std::nan("");
      case 4:
        return static_cast<double>(random_.Next());
      default:
        return random_.NextDouble();
    }
  }
  uint64_t Big() { return Chance() ? random_.Below(200) : random_.Next(); }

  template <class Message>
  void MaybeUnknown(Message& message) {
    if (!unknown_ || random_.Below(4) != 0) return;
    auto* fields = message.GetReflection()->MutableUnknownFields(&message);
    fields->AddVarint(500, random_.Next());
    fields->AddLengthDelimited(17, Word());
    fields->AddFixed32(18, 7);
    fields->AddFixed64(19, 8);
  }

  void Fill(AnyValue& value, int depth = 0) {
    switch (random_.Below(depth < 4 ? 8 : 6)) {
      case 0:
        value.set_string_value(Word());
        break;
      case 1:
        value.set_bool_value(Chance());
        break;
      case 2:
        value.set_int_value(static_cast<int64_t>(random_.Next()));
        break;
      case 3:
        value.set_double_value(Number());
        break;
      case 4:
        value.set_bytes_value(Word());
        break;
      case 5:
        break;  // Empty.
      case 6: {
        auto* array = value.mutable_array_value();
        for (uint64_t n = Count(3); n > 0; --n) Fill(*array->add_values(), depth + 1);
        break;
      }
      default: {
        auto* list = value.mutable_kvlist_value();
        for (uint64_t n = Count(3); n > 0; --n) {
          auto* item = list->add_values();
          item->set_key(Word());
          if (Chance()) Fill(*item->mutable_value(), depth + 1);
        }
      }
    }
    MaybeUnknown(value);
  }
  template <class Repeated>
  void FillAttributes(Repeated* attributes) {
    for (uint64_t n = Count(4); n > 0; --n) {
      auto* item = attributes->Add();
      item->set_key(Word());
      if (random_.Below(5) != 0) Fill(*item->mutable_value());
      MaybeUnknown(*item);
    }
  }

  base::Random random_;
  const bool unknown_;
};

// What views over a request say, as generated code holds it.
template <class Repeated>
void CopyAttributes(std::string_view fields, Repeated* to);

inline void CopyValue(const otlp::AnyValue& value, oracle::AnyValue& to) {
  switch (value.kind()) {
    case otlp::AnyValue::Kind::kEmpty:
      break;
    case otlp::AnyValue::Kind::kString:
      to.set_string_value(std::string(value.bytes()));
      break;
    case otlp::AnyValue::Kind::kBool:
      to.set_bool_value(value.Bool());
      break;
    case otlp::AnyValue::Kind::kInt:
      to.set_int_value(value.Int());
      break;
    case otlp::AnyValue::Kind::kDouble:
      to.set_double_value(value.Double());
      break;
    case otlp::AnyValue::Kind::kBytes:
      to.set_bytes_value(std::string(value.bytes()));
      break;
    case otlp::AnyValue::Kind::kArray: {
      auto* array = to.mutable_array_value();
      Values values(value.bytes());
      while (const auto item = values.Next()) CopyValue(*item, *array->add_values());
      break;
    }
    case otlp::AnyValue::Kind::kMap:
      CopyAttributes(value.bytes(), to.mutable_kvlist_value()->mutable_values());
  }
}
template <class Repeated>
void CopyAttributes(std::string_view fields, Repeated* to) {
  KeyValues reader(fields);
  while (const auto item = reader.Next()) {
    auto* pair = to->Add();
    pair->set_key(std::string(item->key));
    CopyValue(item->value, *pair->mutable_value());
  }
}

// Takes the fields of those names, and the difference between an empty message and none, out of
// `message` and everything below it.
inline void Normalise(google::protobuf::Message& message,
                      std::initializer_list<const char*> names) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  for (const char* name : names) {
    if (const auto* field = descriptor->FindFieldByName(name)) {
      reflection->ClearField(&message, field);
    }
  }
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field->is_repeated()) {
      for (int j = 0; j < reflection->FieldSize(message, field); ++j) {
        Normalise(*reflection->MutableRepeatedMessage(&message, field, j), names);
      }
    } else if (reflection->HasField(message, field)) {
      auto* inner = reflection->MutableMessage(&message, field);
      Normalise(*inner, names);
      const bool is_oneof = field->containing_oneof() != nullptr;
      if (!is_oneof && inner->ByteSizeLong() == 0) reflection->ClearField(&message, field);
    }
  }
}

// Fails the test where they differ. NaN is NaN.
inline bool Equal(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  google::protobuf::util::MessageDifferencer differencer;
  std::string report;
  differencer.ReportDifferencesToString(&report);
  google::protobuf::util::DefaultFieldComparator comparator;
  comparator.set_treat_nan_as_equal(true);
  differencer.set_field_comparator(&comparator);
  const bool equal = differencer.Compare(a, b);
  EXPECT_TRUE(equal) << report;
  return equal;
}

}  // namespace narthex::otlp::oracle

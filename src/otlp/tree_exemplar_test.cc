#include "otlp/tree_exemplar.h"

#include <gtest/gtest.h>

#include "otlp/writer.h"

namespace narthex::otlp {
namespace {

TEST(TreeExemplar, NothingIsLostOnTheWay) {
  TreeExemplar exemplar{.attributes = {{"user", Any("ann")}, {"n", Any(int64_t{7})}},
                        .time_ns = 5,
                        .value = {},
                        .trace_id = "0123456789abcdef",
                        .span_id = "01234567"};
  for (const auto& value :
       {std::variant<std::monostate, int64_t, double>(), {int64_t{-3}}, {0.5}}) {
    exemplar.value = value;
    const TreeExemplar read = TreeExemplar::From(exemplar.Encode());
    EXPECT_EQ(read.attributes, exemplar.attributes);
    EXPECT_EQ(read.time_ns, 5u);
    EXPECT_EQ(read.value, value);
    EXPECT_EQ(read.trace_id, exemplar.trace_id);
    EXPECT_EQ(read.span_id, exemplar.span_id);
  }
  EXPECT_EQ(TreeExemplar().Encode(), "");
}

TEST(TreeExemplar, TheLastValueCounts) {
  Writer writer;
  writer.Double(3, 0.5);
  writer.Fixed64(6, 9);
  EXPECT_EQ(std::get<int64_t>(TreeExemplar::From(writer.Take()).value), 9);
}

}  // namespace
}  // namespace narthex::otlp

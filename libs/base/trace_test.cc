#include "libs/base/trace.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace fettle::base {
namespace {

// The example of the recommendation.
constexpr char kHeader[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, ReadsAndWritesTheExample) {
  const auto context = ParseTraceparent(kHeader);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(context->flags, 1);
  EXPECT_EQ(FormatTraceparent(*context), kHeader);
}

TEST(Traceparent, ALaterVersionMayHaveMore) {
  const std::string later = std::string("cc") + (kHeader + 2);
  EXPECT_TRUE(ParseTraceparent(later).has_value());
  EXPECT_TRUE(ParseTraceparent(later + "-what-the-future-holds").has_value());
  EXPECT_FALSE(ParseTraceparent(later + ".what").has_value());
}

TEST(Traceparent, RefusesEverythingElse) {
  for (const char* header : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
                             "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                             "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                             "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                             "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
                             "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(ParseTraceparent(header).has_value()) << header;
  }
}

TEST(Trace, AChildKeepsTheTraceAndHasItsOwnSpan) {
  TraceContext parent = *ParseTraceparent(kHeader);
  parent.flags = 0xFF;
  const TraceContext child = ChildOf(parent);
  EXPECT_EQ(child.trace_id, parent.trace_id);
  EXPECT_NE(child.span_id, parent.span_id);
  EXPECT_EQ(child.flags, 1) << "only the flag that version 00 knows is passed on";
  parent.flags = 0;
  EXPECT_EQ(ChildOf(parent).flags, 0);
}

TEST(Trace, NewOnesAreValidAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const TraceContext context = NewTrace();
    EXPECT_EQ(ParseTraceparent(FormatTraceparent(context)), context);
    EXPECT_TRUE(seen.insert(context.trace_id).second);
  }
}

TEST(ChildTraceparent, BeginsATraceWhereNoneCame) {
  EXPECT_EQ(ParseTraceparent(ChildTraceparent(kHeader))->trace_id,
            "4bf92f3577b34da6a3ce929d0e0e4736");
  for (const char* header : {"", "nonsense"}) {
    EXPECT_TRUE(ParseTraceparent(ChildTraceparent(header)).has_value());
  }
  EXPECT_NE(ChildTraceparent(""), ChildTraceparent(""));
}

}  // namespace
}  // namespace fettle::base

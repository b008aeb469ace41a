#include "libs/base/uuid.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace fettle::base {
namespace {

const absl::Time kTime = absl::FromUnixMillis(1742203800123);

TEST(Uuid, AcceptsTheCanonicalFormInEitherCase) {
  EXPECT_TRUE(IsUuid("0195a3c4-57fb-7c3d-8a1e-0123456789ab"));
  EXPECT_TRUE(IsUuid("0195A3C4-57FB-7C3D-8A1E-0123456789AB"));
}

TEST(Uuid, RefusesEverythingElse) {
  for (const char* text :
       {"", "0195a3c4-57fb-7c3d-8a1e-0123456789a", "0195a3c4-57fb-7c3d-8a1e-0123456789abc",
        "0195a3c457fb7c3d8a1e0123456789ab", "{0195a3c4-57fb-7c3d-8a1e-0123456789a}",
        "0195a3c4-57fb-7c3d-8a1e-0123456789ag", "0195a3c45-7fb-7c3d-8a1e-0123456789ab",
        "0195a3c4-57fb-7c3d-8a1e 0123456789ab"}) {
    EXPECT_FALSE(IsUuid(text)) << text;
    EXPECT_EQ(UuidToBytes(text), "") << text;
  }
}

TEST(Uuid, BytesAndBackGiveTheLowerCaseForm) {
  const std::string bytes = UuidToBytes("0195A3C4-57FB-7C3D-8A1E-0123456789AB");
  EXPECT_EQ(bytes, std::string("\x01\x95\xA3\xC4\x57\xFB\x7C\x3D\x8A\x1E\x01\x23\x45\x67\x89\xAB"));
  EXPECT_EQ(UuidFromBytes(bytes), "0195a3c4-57fb-7c3d-8a1e-0123456789ab");
  EXPECT_EQ(UuidFromBytes(bytes.substr(1)), "");
  EXPECT_EQ(UuidFromBytes(bytes + "x"), "");
}

TEST(IdSource, MakesVersion7OfTheGivenMillisecond) {
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x123456789}}) {
    const std::string id = IdSource(kTime, seed).Next();
    ASSERT_TRUE(IsUuid(id)) << id;
    const std::string bytes = UuidToBytes(id);
    uint64_t milliseconds = 0;
    for (int i = 0; i < 6; ++i) {
      milliseconds = milliseconds << 8 | static_cast<unsigned char>(bytes[i]);
    }
    EXPECT_EQ(milliseconds, 1742203800123u);
    EXPECT_EQ(static_cast<unsigned char>(bytes[6]) >> 4, 7);
    EXPECT_EQ(static_cast<unsigned char>(bytes[8]) >> 6, 2);
  }
}

TEST(IdSource, IsAValueOfTimeAndSeed) {
  IdSource a(kTime, 42);
  IdSource b(kTime, 42);
  IdSource other_seed(kTime, 43);
  for (int i = 0; i < 100; ++i) {
    const std::string id = a.Next();
    EXPECT_EQ(id, b.Next());
    EXPECT_NE(id, other_seed.Next());
  }
}

TEST(IdSource, AscendsWithinOneMillisecond) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    IdSource ids(kTime, seed);
    std::string last = ids.Next();
    for (int i = 0; i < 1000; ++i) {
      std::string next = ids.Next();
      ASSERT_LT(last, next) << "seed " << seed;
      last = std::move(next);
    }
  }
}

TEST(IdSource, SourcesOfOneMillisecondDoNotMeet) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    IdSource ids(kTime, seed);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(seen.insert(ids.Next()).second);
  }
}

TEST(IdSource, LaterMillisecondsSortLater) {
  EXPECT_LT(IdSource(kTime, ~uint64_t{0}).Next(),
            IdSource(kTime + absl::Milliseconds(1), 0).Next());
}

TEST(IdSource, StaysWithinTheTimesThatTheFormatHolds) {
  EXPECT_TRUE(IdSource(absl::InfinitePast(), 1).Next().starts_with("00000000-0000-7"));
  EXPECT_TRUE(IdSource(absl::InfiniteFuture(), 1).Next().starts_with("ffffffff-ffff-7"));
}

}  // namespace
}  // namespace fettle::base

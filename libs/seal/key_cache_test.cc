#include "libs/seal/key_cache.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/clock.h"

namespace fettle::seal {
namespace {

class KeyCacheTest : public testing::Test {
 protected:
  static std::shared_ptr<const PersonKey> Key(const std::string& person_id, int32_t version = 1) {
    return std::make_shared<const PersonKey>(MakePersonKey(person_id, version));
  }

  base::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  KeyCache cache_{{.key_age_max = absl::Minutes(5), .key_entries_max = 3}, &clock_};
};

TEST_F(KeyCacheTest, FindsWhatWasPut) {
  EXPECT_EQ(cache_.Find("a"), nullptr);
  const auto key = Key("a");
  cache_.Put(key);
  EXPECT_EQ(cache_.Find("a"), key);
  EXPECT_EQ(cache_.Find("b"), nullptr);
}

TEST_F(KeyCacheTest, NewVersionTakesThePlace) {
  cache_.Put(Key("a", 1));
  cache_.Put(Key("a", 2));
  EXPECT_EQ(cache_.size(), 1u);
  EXPECT_EQ(cache_.Find("a")->version, 2);
}

TEST_F(KeyCacheTest, DroppedKeyEndsWithItsLastUser) {
  std::weak_ptr<const PersonKey> alive;
  {
    const auto key = Key("a");
    alive = key;
    cache_.Put(key);
    cache_.Drop("a");
    cache_.Drop("never put");
    EXPECT_EQ(cache_.Find("a"), nullptr);
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TEST_F(KeyCacheTest, KeyIsGoneAtItsAgeEvenIfNobodyAsksForIt) {
  std::weak_ptr<const PersonKey> alive;
  {
    const auto key = Key("a");
    alive = key;
    cache_.Put(key);
  }
  clock_.Advance(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_NE(cache_.Find("a"), nullptr);  // being used makes no younger
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(cache_.Find("b"), nullptr);
  EXPECT_TRUE(alive.expired());
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(KeyCacheTest, PuttingAgainStartsTheAgeAgain) {
  const auto key = Key("a");
  cache_.Put(key);
  clock_.Advance(absl::Minutes(4));
  cache_.Put(key);
  clock_.Advance(absl::Minutes(4));
  EXPECT_EQ(cache_.Find("a"), key);
}

TEST_F(KeyCacheTest, OldestMakesRoom) {
  for (const char* person_id : {"a", "b", "c"}) cache_.Put(Key(person_id));
  cache_.Put(Key("a"));  // now the youngest
  cache_.Put(Key("d"));
  EXPECT_EQ(cache_.size(), 3u);
  EXPECT_EQ(cache_.Find("b"), nullptr);
  EXPECT_NE(cache_.Find("a"), nullptr);
  EXPECT_NE(cache_.Find("d"), nullptr);
}

TEST_F(KeyCacheTest, ThreadsShareOneCache) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([this, &wrong, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string person_id(1, static_cast<char>('a' + i % 5));
        const auto key = cache_.Find(person_id);
        if (key == nullptr) {
          cache_.Put(Key(person_id));
        } else {
          wrong[t] += key->person_id != person_id || key->key.size() != kPersonKeyBytes;
        }
        if (i % 7 == 0) cache_.Drop(person_id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
  EXPECT_LE(cache_.size(), 3u);
}

}  // namespace
}  // namespace fettle::seal

#include "services/gateway/http/pages.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/gateway/http/assets.h"

namespace fettle::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "<script>alert('x')</script>\"&";

// Whatever is shown is text: no page lets what it shows become markup.
TEST(Pages, EscapeWhatTheyShow) {
  for (const http::Response& page :
       {StartPage({{kHostile, kHostile, kHostile}}, kHostile, ""), StartPage({}, "", kHostile),
        JourneyPage(kHostile, {{kHostile, kHostile, kHostile}}),
        SignInPage(401, kHostile, kHostile), ProblemPage(404, kHostile, kHostile)}) {
    EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
    EXPECT_THAT(page.body, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
  }
}

TEST(Pages, LoadNothingFromElsewhere) {
  const http::Response page = StartPage({}, "", "");
  EXPECT_THAT(page.body, Not(HasSubstr("://")));
  const auto policy = std::ranges::find(page.headers, "Content-Security-Policy",
                                        &std::pair<std::string, std::string>::first);
  ASSERT_NE(policy, page.headers.end());
  EXPECT_THAT(policy->second, HasSubstr("default-src 'none'"));
}

// What a browser shows already is not sent again, and what it does not show is.
TEST(Pages, ALivePartThatIsShownIsNotSentAgain) {
  const http::Response page = StartPage({{"People referred", "1,204", ""}}, "", "");
  EXPECT_THAT(page.body, HasSubstr("<script src=\"/assets/fettle-live.js\" defer></script>"));
  const auto tag =
      std::ranges::find(page.headers, "ETag", &std::pair<std::string, std::string>::first);
  ASSERT_NE(tag, page.headers.end());
  const std::string version = tag->second.substr(3, tag->second.size() - 4);
  EXPECT_THAT(page.body, HasSubstr("data-live=\"10\" data-live-version=\"" + version + "\""));
  const http::Request request{"GET", "/", {{"If-None-Match", tag->second}}, ""};
  const http::Response shown = UnlessShown(request, page);
  EXPECT_EQ(shown.status, 304);
  EXPECT_EQ(shown.body, "");
  EXPECT_TRUE(IsShown(request, version));
  for (const http::Response& other : {StartPage({{"People referred", "1,205", ""}}, "", ""),
                                      SignInPage(401, "", "/"), ProblemPage(200, "", "")}) {
    EXPECT_NE(UnlessShown(request, other).status, 304);
  }
  EXPECT_EQ(UnlessShown({"GET", "/", {}, ""}, page).status, 200);
  EXPECT_THAT(SignInPage(401, "", "").body, Not(HasSubstr("<script")));
}

TEST(Assets, TheScriptOfThePagesIsThereWithoutFiles) {
  const http::Response script = Assets().Get(kLiveScriptName);
  EXPECT_EQ(script.status, 200);
  EXPECT_EQ(script.content_type, "text/javascript; charset=utf-8");
  EXPECT_THAT(script.body, HasSubstr("data-live"));
  EXPECT_EQ(Assets().Get("other.js").status, 404);
}

TEST(Assets, TheDirectoryMayHoldAsManyAsItSays) {
  const std::filesystem::path directory =
      std::filesystem::path(::testing::TempDir()) / absl::StrCat("assets-", getpid());
  std::filesystem::create_directories(directory);
  const auto add = [&](int i) { std::ofstream(directory / absl::StrCat(i, ".css")) << "x"; };
  for (int i = 0; i < 500; ++i) add(i);
  const auto loaded = Assets::Load(directory);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->Get("499.css").status, 200);
  add(500);
  EXPECT_EQ(Assets::Load(directory).status().code(), absl::StatusCode::kInvalidArgument);
  std::filesystem::remove_all(directory);
}

TEST(Pages, ShowFiguresAndSteps) {
  EXPECT_THAT(
      StartPage({{"People referred", "1,204", "since April"}}, "as of now", "").body,
      ::testing::AllOf(HasSubstr("People referred"), HasSubstr("1,204"), HasSubstr("as of now")));
  EXPECT_THAT(
      JourneyPage("id-1", {{"09:30", "Referral submitted", "RND"}}).body,
      ::testing::AllOf(HasSubstr("id-1"), HasSubstr("Referral submitted"), HasSubstr("09:30")));
  EXPECT_EQ(SignInPage(401, "", "/").status, 401);
}

}  // namespace
}  // namespace fettle::gateway

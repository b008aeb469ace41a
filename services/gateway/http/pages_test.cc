#include "services/gateway/http/pages.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

#include "services/gateway/fields.h"

#include "gtest/gtest.h"

namespace fettle::gateway {
namespace {

TEST(FormField, Decodes) {
  EXPECT_EQ(FormField("token=a.b%2Fc+d&next=%2Fjourneys%2F1", "next"), "/journeys/1");
  EXPECT_EQ(FormField("token=a.b%2Fc+d&next=x", "token"), "a.b/c d");
  EXPECT_EQ(FormField("xtoken=1&tokens=2", "token"), "");
  EXPECT_EQ(FormField("token=%zz%4", "token"), "%zz%4");
  EXPECT_EQ(FormField("", "token"), "");
}

TEST(CookieValue, FindsItsName) {
  http::Request request;
  EXPECT_EQ(CookieValue(request, "a"), "");
  request.headers = {{"Cookie", "b=2; a=1; aa=3"}};
  EXPECT_EQ(CookieValue(request, "a"), "1");
  EXPECT_EQ(CookieValue(request, "aa"), "3");
  EXPECT_EQ(CookieValue(request, "c"), "");
}

}  // namespace
}  // namespace fettle::gateway

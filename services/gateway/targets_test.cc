#include "services/gateway/targets.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::gateway {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(
number_policy = "lenient"
[[service]]
dos_service_id = "2000011147"
service_id = "11111111-1111-4111-8111-111111111111"
organisation = "RYE"
name = "Link workers"
[[partner]]
organisation = "RND"
number_policy = "strict"
intake = "complete"
)";

TEST(Targets, FindsServicesAndPartners) {
  const auto targets = Targets::Parse(kGood, "file");
  ASSERT_TRUE(targets.ok()) << targets.status();
  ASSERT_NE(targets->Find("2000011147"), nullptr);
  EXPECT_EQ(targets->Find("2000011147")->organisation(), "RYE");
  EXPECT_EQ(targets->Find("2"), nullptr);
  EXPECT_EQ(targets->PartnerOf("RND").number_policy, person::v1::NUMBER_POLICY_STRICT);
  EXPECT_EQ(targets->PartnerOf("RND").intake, referral::v1::INTAKE_BARS_COMPLETE);
  EXPECT_EQ(targets->PartnerOf("XXX").number_policy, person::v1::NUMBER_POLICY_LENIENT);
  EXPECT_EQ(targets->PartnerOf("XXX").intake, referral::v1::INTAKE_BARS_INCOMPLETE_ALLOWED);
}

// INV-4: nobody is lenient by accident.
TEST(Targets, IsStrictUnlessTold) {
  EXPECT_EQ(Targets::Parse("", "file")->PartnerOf("RND").number_policy,
            person::v1::NUMBER_POLICY_STRICT);
}

TEST(Targets, NamesTheLineOfAFault) {
  const std::pair<const char*, const char*> faults[] = {
      {"a = ", "file:1"},
      {"\nnumber_policies = 'strict'", "file:2: unknown key number_policies"},
      {"number_policy = 'loose'", "number_policy: expected strict or lenient"},
      {"service = 5", "expected [[service]]"},
      {"[[service]]\nname = 'x'", "service_id"},
      {"[[service]]\nname='x'\ndos_service_id='1'\nservice_id='1'\norganisation='RYE'", "UUID"},
      {"[[partner]]\norganisation = 'x'", "ODS code"},
      {"[[partner]]\norganisation = 'RND'\n[[partner]]\norganisation = 'RND'", "file:3"},
  };
  for (const auto& [text, expected] : faults) {
    const auto targets = Targets::Parse(text, "file");
    ASSERT_FALSE(targets.ok()) << text;
    EXPECT_THAT(std::string(targets.status().message()), HasSubstr(expected)) << text;
  }
  EXPECT_THAT(std::string(Targets::Load("no/such/file").status().message()),
              HasSubstr("no/such/file"));
}

}  // namespace
}  // namespace fettle::gateway

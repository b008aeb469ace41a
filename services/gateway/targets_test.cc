#include "services/gateway/targets.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fettle::gateway {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"(
number_policy = "lenient"
reply_service_id = "2000099999"
[[service]]
dos_service_id = "2000011147"
service_id = "11111111-1111-4111-8111-111111111111"
organisation = "RYE"
name = "Link workers"
[[partner]]
organisation = "RND"
number_policy = "strict"
intake = "complete"
endpoint = "https://partner.example/FHIR/R4"
token_file = "rnd.token"
ca_file = "rnd.pem"
)";

TEST(Targets, FindsServicesAndPartners) {
  const auto targets = Targets::Parse(kGood, "file");
  ASSERT_TRUE(targets.ok()) << targets.status();
  ASSERT_NE(targets->Find("2000011147"), nullptr);
  EXPECT_EQ(targets->Find("2000011147")->organisation(), "RYE");
  EXPECT_EQ(targets->Find("2"), nullptr);
  EXPECT_EQ(targets->PartnerOf("RND").number_policy, person::v1::NUMBER_POLICY_STRICT);
  EXPECT_EQ(targets->PartnerOf("RND").intake, referral::v1::INTAKE_BARS_COMPLETE);
  EXPECT_EQ(targets->PartnerOf("RND").endpoint, "https://partner.example/FHIR/R4");
  EXPECT_EQ(targets->PartnerOf("RND").token_file, "rnd.token");
  EXPECT_EQ(targets->PartnerOf("RND").ca_file, "rnd.pem");
  EXPECT_EQ(targets->PartnerOf("XXX").endpoint, "");
  EXPECT_EQ(targets->reply_service_id(), "2000099999");
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
      {"[[partner]]\norganisation = 'RND'\nendpoint = 'x.example'", "https://"},
      {"[[partner]]\norganisation = 'RND'\nendpoint = 'https://x.example'", "reply_service_id"},
      {"[[partner]]\norganisation = 'RND'\ntoken_file = 5", "token_file"},
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

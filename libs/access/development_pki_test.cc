#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "libs/access/issuer.h"
#include "libs/access/token.h"
#include "libs/base/clock.h"

// Goal: what deploy/pki/make-development-pki makes is what the services take. Method: run it, and
// read its files with our own readers and with openssl.
namespace fettle::access {
namespace {

class DevelopmentPkiTest : public testing::Test {
 protected:
  DevelopmentPkiTest()
      : folder_(testing::TempDir() + "development_pki_" + std::to_string(getpid())) {
    std::filesystem::remove_all(folder_);
  }
  ~DevelopmentPkiTest() override { std::filesystem::remove_all(folder_); }

  static bool Run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  }
  bool Make(const std::string& services) {
    return Run(std::string(FETTLE_MAKE_PKI) + " '" + folder_ + "' " + services);
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string Content(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name)).rdbuf();
    return text.str();
  }
  unsigned Mode(const std::string& name) const {
    struct stat status;
    return stat(Path(name).c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
  }
  bool Verifies(const std::string& name) const {
    return Run("openssl verify -x509_strict -verify_hostname localhost -CAfile " + Path("ca.crt") +
               " -purpose sslserver " + Path(name)) &&
           Run("openssl verify -x509_strict -verify_ip 127.0.0.1 -CAfile " + Path("ca.crt") +
               " -purpose sslclient " + Path(name));
  }

  const std::string folder_;
};

TEST_F(DevelopmentPkiTest, MakesWhatServicesTake) {
  ASSERT_TRUE(Make(""));
  for (const std::string service :
       {"person", "referral", "training", "budget", "audit", "analytics", "gateway", "cli"}) {
    EXPECT_TRUE(Verifies(service + ".crt")) << service;
    EXPECT_EQ(Mode(service + ".key"), 0600u) << service;
    EXPECT_TRUE(Run("openssl x509 -noout -ext subjectAltName -in " + Path(service + ".crt") +
                    " | grep -q 'URI:spiffe://fettle/" + service + "$'"))
        << service;
  }
  EXPECT_EQ(Mode("ca.key"), 0600u);
  EXPECT_EQ(Mode("issuer.jwk"), 0600u);

  const base::SystemClock clock;
  TokenOptions options;
  options.issuer = kDevelopmentIssuer;
  options.audience = kDevelopmentAudience;
  const auto verifier = TokenVerifier::Load(Path("jwks.json"), options, &clock);
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  const auto issuer_key = crypto::JwsKey::Load(Path("issuer.jwk"));
  ASSERT_TRUE(issuer_key.ok()) << issuer_key.status();
  Claims claims;
  claims.subject = "dev-user";
  claims.organisation = "RR8";
  claims.role = "link_worker";
  claims.purpose = "direct_care";
  const auto token = MintToken(*issuer_key, kDevelopmentIssuer, kDevelopmentAudience, claims,
                               clock.Now(), absl::Minutes(5));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ((*verifier)->Verify("Bearer " + *token).status(), absl::OkStatus());
}

TEST_F(DevelopmentPkiTest, KeepsWhatIsGoodAndMendsTheRest) {
  ASSERT_TRUE(Make("person audit"));
  const std::string ca = Content("ca.crt"), person = Content("person.crt");
  const std::string audit_key = Content("audit.key"), issuer = Content("issuer.jwk");

  ASSERT_TRUE(Make("person audit"));
  EXPECT_EQ(Content("ca.crt"), ca);
  EXPECT_EQ(Content("person.crt"), person);
  EXPECT_EQ(Content("issuer.jwk"), issuer);

  // A key that is not its certificate's, and a lost public set.
  std::ofstream(Path("person.key")) << audit_key;
  std::filesystem::remove(Path("jwks.json"));
  ASSERT_TRUE(Make("person audit"));
  EXPECT_EQ(Content("ca.crt"), ca);
  EXPECT_NE(Content("person.crt"), person);
  EXPECT_EQ(Content("audit.key"), audit_key);
  EXPECT_NE(Content("issuer.jwk"), issuer);

  // Certificates of a CA that is gone are worth nothing.
  std::filesystem::remove(Path("ca.crt"));
  ASSERT_TRUE(Make("person audit"));
  EXPECT_NE(Content("ca.crt"), ca);
  EXPECT_TRUE(Verifies("person.crt"));
  EXPECT_TRUE(Verifies("audit.crt"));
  EXPECT_NE(Content("audit.key"), audit_key);
}

TEST_F(DevelopmentPkiTest, RefusesNamesThatAreNoService) {
  for (const std::string name : {"../x", "ca", "A", "'a b'", "a/b", "'*'"}) {
    EXPECT_FALSE(Make(name)) << name;
  }
  EXPECT_FALSE(Run(FETTLE_MAKE_PKI));
}

}  // namespace
}  // namespace fettle::access

#include "libs/access/issuer.h"
#include "libs/base/status.h"
#include "libs/crypto/jose.h"
#include "services/cli/command.h"

namespace fettle::cli {

void AddToken(CLI::App& app, Connection& connection, int& code) {
  struct Options {
    std::string subject = "anna.link-worker", organisation = "A1001", role = "link_worker",
                purpose = "direct-care", issuer = std::string(access::kDevelopmentIssuer),
                audience = std::string(access::kDevelopmentAudience), key;
    int64_t minutes = 480;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "token", "Make a token with the development issuer's key (HOME/pki/issuer.jwk)");
  command->add_option("--subject", options->subject, "User id; of the role person, their id")
      ->capture_default_str();
  command->add_option("--organisation", options->organisation, "ODS code; none of the role person")
      ->capture_default_str();
  command
      ->add_option("--role", options->role,
                   "referrer, link_worker, occupational_therapist, commissioner, finance, trainer, "
                   "administrator, integrator, auditor, analyst or person")
      ->capture_default_str();
  command->add_option("--purpose", options->purpose, "Why they ask")->capture_default_str();
  command->add_option("--issuer", options->issuer, "Claim iss")->capture_default_str();
  command->add_option("--audience", options->audience, "Claim aud")->capture_default_str();
  command->add_option("--minutes", options->minutes, "Valid for, minutes")
      ->check(CLI::Range(1, 1'440))
      ->capture_default_str();
  command->add_option("--key", options->key, "Private JWK of the issuer");
  command->callback([&connection, &code, options] {
    const std::string path =
        options->key.empty() ? connection.home + "/pki/issuer.jwk" : options->key;
    absl::StatusOr<crypto::JwsKey> key = crypto::JwsKey::Load(path);
    if (!key.ok()) {
      code = ShowError(connection, key.status());
      return;
    }
    access::Claims claims;
    claims.subject = options->subject;
    claims.role = options->role;
    if (claims.role != access::kPersonRole) claims.organisation = options->organisation;
    claims.purpose = options->purpose;
    absl::StatusOr<std::string> token =
        access::MintToken(*key, options->issuer, options->audience, claims, absl::Now(),
                          absl::Minutes(options->minutes));
    if (!token.ok()) {
      code = ShowError(connection, token.status());
      return;
    }
    if (connection.json) {
      std::printf("{\"token\": \"%s\"}\n", token->c_str());
    } else {
      std::printf("%s\n", token->c_str());
    }
  });
}

}  // namespace fettle::cli

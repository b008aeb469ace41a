// The services that partners may address, and what we ask of each partner: a file, because both are
// agreed on paper before the first message.
#ifndef FETTLE_SERVICES_GATEWAY_TARGETS_H_
#define FETTLE_SERVICES_GATEWAY_TARGETS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "fettle/person/v1/person_types.pb.h"
#include "fettle/referral/v1/referral_types.pb.h"

namespace fettle::gateway {

struct Partner {
  // INV-4.
  person::v1::NumberPolicy number_policy = person::v1::NUMBER_POLICY_STRICT;
  referral::v1::Intake intake = referral::v1::INTAKE_BARS_INCOMPLETE_ALLOWED;
  // Where messages of ours go, the address below which `/$process-message` is; empty: nowhere.
  std::string endpoint;
  // The bearer token that the partner takes from us, and the authorities of its certificate. The
  // token is read at each message, so that it can be renewed.
  std::string token_file, ca_file;
};

// Read once, then shared by all threads.
class Targets {
 public:
  // A TOML file; see deploy's targets.toml for one with comments:
  //
  //   number_policy = "strict"          # for partners without a line of their own
  //   reply_service_id = "2000099999"   # dos-service-id to which responses to us are addressed
  //   [[service]]
  //   dos_service_id = "2000011147"     # what NHSD-Target-Identifier names
  //   service_id = "…"                  # UUID, what a referral names
  //   organisation = "RYE"              # ODS code of who runs it
  //   name = "Link workers of Overtown"
  //   [[partner]]
  //   organisation = "RND"              # ODS code in the partner's token
  //   number_policy = "lenient"         # or strict
  //   intake = "incomplete_allowed"     # or complete
  //   endpoint = "https://…/FHIR/R4"    # the last three may be left out
  //   token_file = "/etc/fettle/rnd.token"
  //   ca_file = "/etc/fettle/rnd.pem"
  //
  // INVALID_ARGUMENT naming the line: not TOML, an unknown or missing key, a value of the wrong
  // form, an entry twice. NOT_FOUND: no such file.
  static absl::StatusOr<Targets> Load(const std::string& path);
  static absl::StatusOr<Targets> Parse(const std::string& text, const std::string& path);

  // Null when it is none of ours.
  const referral::v1::ReceivingService* Find(const std::string& dos_service_id) const;
  const Partner& PartnerOf(const std::string& organisation) const;
  const std::string& reply_service_id() const { return reply_service_id_; }

 private:
  std::map<std::string, referral::v1::ReceivingService> services_;
  std::map<std::string, Partner> partners_;
  Partner default_partner_;
  std::string reply_service_id_;
};

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_TARGETS_H_

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "libs/base/status.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

namespace rv1 = referral::v1;

// The value of an enum by its name without the enum's prefix; else what `option` takes.
absl::StatusOr<int> EnumValue(const google::protobuf::EnumDescriptor& type,
                              const std::string& option, const std::string& name) {
  // NONE_KNOWN of RISK_KIND_UNSPECIFIED, RISK_KIND_NONE_KNOWN, ...
  const std::string prefix(absl::StripSuffix(type.value(0)->name(), "UNSPECIFIED"));
  std::string accepted;
  for (int i = 1; i < type.value_count(); ++i) {
    const std::string known = type.value(i)->name().substr(prefix.size());
    if (known == name) return type.value(i)->number();
    accepted += (accepted.empty() ? "" : ", ") + known;
  }
  return absl::InvalidArgumentError(option + ": expected one of " + accepted);
}

// What the referrer must have said is an option without a default: nobody else can know it.
struct Submission {
  std::string person, service, service_organisation, referrer, referring_service, organisation,
      contact, date, reason, consent, source = "108161000000109", priority = "ROUTINE", words;
  std::vector<std::string> risks;
};

absl::StatusOr<rv1::SubmitReferralRequest> RequestOf(const Submission& given) {
  rv1::SubmitReferralRequest request;
  request.set_request_id(NewId());
  request.set_person_id(given.person);
  request.mutable_service()->set_service_id(given.service);
  request.mutable_service()->set_organisation(given.service_organisation);
  rv1::ReferralDetails& details = *request.mutable_details();
  details.mutable_referrer()->mutable_name()->set_text(given.referrer);
  details.mutable_referrer()->set_service(given.referring_service);
  details.mutable_referrer()->set_organisation(given.organisation);
  details.mutable_referrer()->mutable_contact()->set_text(given.contact);
  details.set_referral_date(given.date);
  details.set_source_code(given.source);
  details.mutable_reason()->set_code(given.reason);
  details.mutable_reason()->mutable_text()->set_text(given.words);
  FETTLE_ASSIGN_OR_RETURN(const int priority,
                          EnumValue(*rv1::Priority_descriptor(), "--priority", given.priority));
  details.set_priority(static_cast<rv1::Priority>(priority));
  FETTLE_ASSIGN_OR_RETURN(const int consent,
                          EnumValue(*rv1::Consent_descriptor(), "--consent", given.consent));
  details.set_consent(static_cast<rv1::Consent>(consent));
  for (const std::string& text : given.risks) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    FETTLE_ASSIGN_OR_RETURN(const int kind,
                            EnumValue(*rv1::RiskKind_descriptor(), "--risk", parts.first));
    rv1::Risk& risk = *details.add_risks();
    risk.set_kind(static_cast<rv1::RiskKind>(kind));
    if (!parts.second.empty()) risk.mutable_description()->set_text(parts.second);
  }
  request.set_intake(rv1::INTAKE_DIRECT);
  return request;
}

}  // namespace

void AddReferralCommands(CLI::App& app, Connection& connection, int& code) {
  auto submit = std::make_shared<Submission>();
  CLI::App* command = app.add_subcommand("submit", "Refer a person to a service");
  command->add_option("--person", submit->person, "Id of the person")->required();
  command->add_option("--service", submit->service, "Id of the service (UUID)")->required();
  command
      ->add_option("--service-organisation", submit->service_organisation,
                   "ODS code of the organisation that runs the service")
      ->required();
  command->add_option("--referrer", submit->referrer, "Name of the referrer")->required();
  command
      ->add_option("--referring-service", submit->referring_service,
                   "The service that the referrer works for, in words")
      ->required();
  command->add_option("--organisation", submit->organisation, "Referrer's ODS code")->required();
  command->add_option("--contact", submit->contact, "How to reach the referrer")->required();
  command->add_option("--date", submit->date, "Date of the referral, YYYY-MM-DD")->required();
  command->add_option("--reason", submit->reason, "Reason code, for example LONELINESS")
      ->required();
  command
      ->add_option("--risk", submit->risks,
                   "A risk that was considered: NONE_KNOWN, or TO_SELF, TO_OTHERS, FROM_OTHERS, "
                   "ENVIRONMENT or OTHER, with =WORDS behind it; may be repeated")
      ->required()
      ->allow_extra_args(false);
  command
      ->add_option("--consent", submit->consent,
                   "What the person agreed to: DIRECT_CARE_INFORMED or EXPLICIT")
      ->required();
  command->add_option("--priority", submit->priority, "ROUTINE or URGENT")->capture_default_str();
  command->add_option("--words", submit->words, "The reason in words, at most 150 characters");
  command->add_option("--source", submit->source, "SNOMED CT code of who refers")
      ->capture_default_str();
  command->callback([&connection, &code, submit] {
    const absl::StatusOr<rv1::SubmitReferralRequest> request = RequestOf(*submit);
    code = request.ok() ? Show(connection, Call(connection, *request))
                        : ShowError(connection, request.status());
  });

  auto id = std::make_shared<std::string>();
  command = app.add_subcommand("show", "Show a referral");
  command->add_option("referral", *id, "Id of the referral")->required();
  command->callback([&connection, &code, id] {
    rv1::GetReferralRequest request;
    request.set_referral_id(*id);
    code = Show(connection, Call(connection, request));
  });

  struct List {
    std::string worker, status, page_token;
    int32_t page_size = 50;
  };
  auto list = std::make_shared<List>();
  command = app.add_subcommand("list", "List the referrals of your organisation");
  command->add_option("--worker", list->worker, "Only those of this worker (user id)");
  command->add_option("--status", list->status, "Only those in this state, for example SUBMITTED");
  command->add_option("--page-size", list->page_size, "Referrals per page")
      ->check(CLI::Range(1, 200))
      ->capture_default_str();
  command->add_option("--page-token", list->page_token, "The next_page_token of the page before");
  command->callback([&connection, &code, list] {
    rv1::ListReferralsRequest request;
    request.set_worker_id(list->worker);
    rv1::ReferralStatus status = rv1::REFERRAL_STATUS_UNSPECIFIED;
    if (!list->status.empty() &&
        !rv1::ReferralStatus_Parse("REFERRAL_STATUS_" + list->status, &status)) {
      code = ShowError(connection,
                       absl::InvalidArgumentError(
                           "--status: expected a state, for example SUBMITTED or IN_TRIAGE"));
      return;
    }
    request.set_status(status);
    request.mutable_page()->set_page_size(list->page_size);
    request.mutable_page()->set_page_token(list->page_token);
    code = Show(connection, Call(connection, request));
  });
}

}  // namespace fettle::cli

#include "fettle/referral/v1/referral_service.pb.h"
#include "services/cli/command.h"

namespace fettle::cli {

namespace rv1 = referral::v1;

void AddReferralCommands(CLI::App& app, Connection& connection, int& code) {
  struct Submit {
    std::string person, service, service_organisation, referrer, organisation, contact, date,
        reason, source = "108161000000109", words;
  };
  auto submit = std::make_shared<Submit>();
  CLI::App* command = app.add_subcommand("submit", "Refer a person to a service");
  command->add_option("--person", submit->person, "Id of the person")->required();
  command->add_option("--service", submit->service, "Id of the service (UUID)")->required();
  command
      ->add_option("--service-organisation", submit->service_organisation,
                   "ODS code of the organisation that runs the service")
      ->required();
  command->add_option("--referrer", submit->referrer, "Name of the referrer")->required();
  command->add_option("--organisation", submit->organisation, "Referrer's ODS code")->required();
  command->add_option("--contact", submit->contact, "How to reach the referrer")->required();
  command->add_option("--date", submit->date, "Date of the referral, YYYY-MM-DD")->required();
  command->add_option("--reason", submit->reason, "Reason code, for example LONELINESS")
      ->required();
  command->add_option("--words", submit->words, "The reason in words, at most 150 characters");
  command->add_option("--source", submit->source, "SNOMED CT code of who refers")
      ->capture_default_str();
  command->callback([&connection, &code, submit] {
    rv1::SubmitReferralRequest request;
    request.set_request_id(NewId());
    request.set_person_id(submit->person);
    request.mutable_service()->set_service_id(submit->service);
    request.mutable_service()->set_organisation(submit->service_organisation);
    rv1::ReferralDetails& details = *request.mutable_details();
    details.mutable_referrer()->mutable_name()->set_text(submit->referrer);
    details.mutable_referrer()->set_service("Referring service");
    details.mutable_referrer()->set_organisation(submit->organisation);
    details.mutable_referrer()->mutable_contact()->set_text(submit->contact);
    details.set_referral_date(submit->date);
    details.set_source_code(submit->source);
    details.set_priority(rv1::PRIORITY_ROUTINE);
    details.mutable_reason()->set_code(submit->reason);
    details.mutable_reason()->mutable_text()->set_text(submit->words);
    details.add_risks()->set_kind(rv1::RISK_KIND_NONE_KNOWN);
    details.set_consent(rv1::CONSENT_DIRECT_CARE_INFORMED);
    request.set_intake(rv1::INTAKE_DIRECT);
    code = Show(connection, Call(connection, request));
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
      code = ShowError(absl::InvalidArgumentError(
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

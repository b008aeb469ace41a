#include "fettle/person/v1/person_service.pb.h"
#include "fettle/referral/v1/referral_service.pb.h"
#include "fettle/training/v1/training_service.pb.h"
#include "libs/access/issuer.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/jose.h"
#include "libs/nhs/nhs_number.h"
#include "services/cli/command.h"

namespace fettle::cli {
namespace {

namespace pv1 = person::v1;
namespace rv1 = referral::v1;
namespace tv1 = training::v1;

constexpr char kNamespace[] = "5b1f6c2e-7d0a-5c1b-9a53-0f0a4a1e7b11";
constexpr char kServiceId[] = "3d7a2f60-53a4-5c2f-8a0e-6f0c5e1b2a10";

struct Place {
  const char* ods_code;
  const char* name;
  pv1::OrganisationKind kind;
  const char* icb;
};

// A synthetic region. RND, RYE and G82080 are the organisations of the published BaRS examples.
constexpr Place kPlaces[] = {
    {"QWO", "West Moor Integrated Care Board", pv1::ORGANISATION_KIND_ICB, "QWO"},
    {"QHM", "North Fell Integrated Care Board", pv1::ORGANISATION_KIND_ICB, "QHM"},
    {"A1001", "Overtown Surgery", pv1::ORGANISATION_KIND_GP_PRACTICE, "QWO"},
    {"A1002", "Beckside Practice", pv1::ORGANISATION_KIND_GP_PRACTICE, "QWO"},
    {"A1003", "Fellgate Health Centre", pv1::ORGANISATION_KIND_GP_PRACTICE, "QHM"},
    {"G82080", "Brightside Surgery", pv1::ORGANISATION_KIND_GP_PRACTICE, "QWO"},
    {"RND", "Moor Ambulance Trust", pv1::ORGANISATION_KIND_NHS_TRUST, "QWO"},
    {"RYE", "Overtown Community Services", pv1::ORGANISATION_KIND_NHS_TRUST, "QWO"},
    {"SVC01", "Overtown Link Workers", pv1::ORGANISATION_KIND_VCSE, "QWO"},
    {"LA100", "Overtown Council", pv1::ORGANISATION_KIND_LOCAL_AUTHORITY, "QWO"},
};

constexpr const char* kFirstNames[] = {"Ada",   "Ben",   "Cora",  "Dev",
                                       "Elsie", "Farid", "Grace", "Hugo"};
constexpr const char* kFamilyNames[] = {"Example", "Sample", "Specimen", "Placeholder"};

// Valid numbers of the range that is never issued, in order.
std::vector<std::string> TestNumbers(int count) {
  std::vector<std::string> numbers;
  for (int64_t number = 9'991'000'000; static_cast<int>(numbers.size()) < count; ++number) {
    const std::string text = std::to_string(number);
    if (nhs::IsValidNhsNumber(text)) numbers.push_back(text);
  }
  return numbers;
}

class Seeder {
 public:
  explicit Seeder(const Connection& connection) : connection_(connection) {}

  absl::Status Run(int people) {
    FETTLE_RETURN_IF_ERROR(Places());
    FETTLE_RETURN_IF_ERROR(Directory());
    FETTLE_RETURN_IF_ERROR(Training());
    FETTLE_RETURN_IF_ERROR(People(people));
    if (connection_.json) {
      std::printf(
          "{\"organisations\": %zu, \"services\": 1, \"practitioners\": 1, \"courses\": 1, "
          "\"people\": %d,"
          " \"referrals\": %d}\n",
          std::size(kPlaces), people, people);
    }
    return absl::OkStatus();
  }

 private:
  // How far it is; with --json the totals at the end are all that is said.
  void Say(const std::string& line) {
    if (connection_.json) return;
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  // The same seed again is the same request: nothing happens twice.
  static std::string RequestId(const std::string& what) { return crypto::UuidV5(kNamespace, what); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> As(
      const char* role, const char* organisation, const google::protobuf::Message& request) {
    std::string& token = tokens_[std::string(role) + organisation];
    if (token.empty()) {
      FETTLE_ASSIGN_OR_RETURN(const crypto::JwsKey key,
                              crypto::JwsKey::Load(connection_.home + "/pki/issuer.jwk"));
      access::Claims claims;
      claims.subject = "seed";
      claims.organisation = organisation;
      claims.role = role;
      claims.purpose = "synthetic-data";
      FETTLE_ASSIGN_OR_RETURN(
          token, access::MintToken(key, access::kDevelopmentIssuer, access::kDevelopmentAudience,
                                   claims, absl::Now(), absl::Hours(1)));
    }
    Connection connection = connection_;
    connection.token = token;
    return Call(connection, request);
  }

  absl::Status Places() {
    Say(base::Concat("organisations: ", std::size(kPlaces)));
    for (const Place& place : kPlaces) {
      pv1::RegisterOrganisationRequest request;
      request.set_request_id(RequestId(std::string("organisation/") + place.ods_code));
      pv1::Organisation& organisation = *request.mutable_organisation();
      organisation.set_ods_code(place.ods_code);
      organisation.set_name(place.name);
      organisation.set_kind(place.kind);
      organisation.set_start_date("2010-04-01");
      organisation.set_icb(place.icb);
      FETTLE_RETURN_IF_ERROR(As("administrator", "QWO", request));
    }
    return absl::OkStatus();
  }

  absl::Status Directory() {
    Say("directory: one service");
    rv1::RegisterServiceRequest request;
    request.set_request_id(RequestId("service"));
    request.set_service_id(kServiceId);
    request.set_organisation("SVC01");
    rv1::ServiceDescription& description = *request.mutable_description();
    description.set_name("Overtown Link Workers");
    description.set_kind(rv1::SERVICE_KIND_SOCIAL_PRESCRIBING);
    description.set_what("Time to talk about what matters to you, and company on the way to it");
    description.set_where("At the surgery, at home, or where you like to be");
    description.set_for_whom("Adults");
    description.set_opening("Monday to Friday, 9 to 5");
    description.set_target_wait_days(14);
    rv1::StageLimits& limits = *description.mutable_stage_limits();
    limits.set_triage_days(5);
    limits.set_information_days(7);
    limits.set_first_contact_days(14);
    limits.set_last_contact_days(28);
    limits.set_plan_days(42);
    limits.set_review_days(28);
    rv1::EligibilityRules& rules = *request.mutable_eligibility();
    rules.set_in_force_from("2019-04-01");
    rules.set_age_min(18);
    return As("administrator", "QWO", request).status();
  }

  absl::Status Training() {
    Say("training: one practitioner, one course");
    tv1::RegisterLearnerRequest learner;
    learner.set_request_id(RequestId("learner"));
    learner.set_practitioner_id("olive.ot");
    learner.set_occupation_code("R0950");
    FETTLE_RETURN_IF_ERROR(As("trainer", "SVC01", learner));
    tv1::RecordEmploymentRequest employment;
    employment.set_request_id(RequestId("employment"));
    employment.set_practitioner_id("olive.ot");
    employment.mutable_employment()->set_organisation("SVC01");
    employment.mutable_employment()->set_start_date("2019-04-01");
    FETTLE_RETURN_IF_ERROR(As("trainer", "SVC01", employment));
    tv1::RegisterCourseRequest course;
    course.set_request_id(RequestId("course"));
    course.mutable_course()->set_course_code("PHB-CORE");
    course.mutable_course()->set_course_version(1);
    course.mutable_course()->set_title("Personal health budgets");
    course.mutable_course()->add_capabilities("PERSONAL_HEALTH_BUDGETS");
    FETTLE_RETURN_IF_ERROR(As("administrator", "QWO", course));
    tv1::AccreditProgrammeRequest programme;
    programme.set_request_id(RequestId("programme"));
    programme.set_programme_code("PHB-PROGRAMME");
    programme.set_course_code("PHB-CORE");
    programme.set_course_version(1);
    programme.set_provider("Moor Institute of Personalised Care");
    programme.mutable_period()->set_start_date("2019-01-01");
    programme.mutable_period()->set_end_date("2039-12-31");
    FETTLE_RETURN_IF_ERROR(As("administrator", "QWO", programme));
    tv1::RecordCompletionRequest completion;
    completion.set_request_id(RequestId("completion"));
    completion.set_practitioner_id("olive.ot");
    completion.set_course_code("PHB-CORE");
    completion.set_course_version(1);
    completion.set_programme_code("PHB-PROGRAMME");
    completion.set_completion_date("2024-05-14");
    return As("trainer", "SVC01", completion).status();
  }

  absl::Status People(int people) {
    const std::vector<std::string> numbers = TestNumbers(people);
    const std::string today = base::LondonDate(absl::Now());
    for (int i = 0; i < people; ++i) {
      const Place& practice = kPlaces[2 + i % 3];
      pv1::EnsurePersonRequest person;
      person.set_request_id(RequestId("person/" + numbers[i]));
      pv1::Demographics& demographics = *person.mutable_demographics();
      demographics.mutable_nhs_number()->set_text(numbers[i]);
      demographics.mutable_first_name()->set_text(kFirstNames[i % std::size(kFirstNames)]);
      demographics.mutable_family_name()->set_text(kFamilyNames[i % std::size(kFamilyNames)]);
      demographics.mutable_birth_date()->set_text(base::AddDays("1935-01-01", i * 397 % 25'000));
      person.set_nhs_number_status(pv1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
      person.set_number_policy(pv1::NUMBER_POLICY_STRICT);
      person.set_gp_practice(practice.ods_code);
      FETTLE_ASSIGN_OR_RETURN(auto registered, As("referrer", practice.ods_code, person));
      const std::string& id =
          static_cast<const pv1::EnsurePersonResponse&>(*registered).person_id();

      rv1::SubmitReferralRequest request;
      request.set_request_id(RequestId("referral/" + numbers[i]));
      request.set_person_id(id);
      request.mutable_service()->set_service_id(kServiceId);
      request.mutable_service()->set_organisation("SVC01");
      request.mutable_service()->set_name("Overtown Link Workers");
      rv1::ReferralDetails& details = *request.mutable_details();
      details.mutable_referrer()->mutable_name()->set_text("Dr Seed");
      details.mutable_referrer()->set_service(practice.name);
      details.mutable_referrer()->set_organisation(practice.ods_code);
      details.mutable_referrer()->mutable_contact()->set_text("0113 496 0000");
      details.set_referral_date(today);
      details.set_source_code("108161000000109");
      details.set_priority(i % 5 == 0 ? rv1::PRIORITY_URGENT : rv1::PRIORITY_ROUTINE);
      details.mutable_reason()->set_code(i % 2 == 0 ? "LONELINESS" : "MONEY_ADVICE");
      details.add_risks()->set_kind(rv1::RISK_KIND_NONE_KNOWN);
      details.set_consent(rv1::CONSENT_DIRECT_CARE_INFORMED);
      request.set_intake(rv1::INTAKE_DIRECT);
      FETTLE_ASSIGN_OR_RETURN(auto submitted, As("referrer", practice.ods_code, request));
      const std::string& referral =
          static_cast<const rv1::SubmitReferralResponse&>(*submitted).referral_id();
      if (i % 3 != 0) FETTLE_RETURN_IF_ERROR(Start(referral, today));
      if ((i + 1) % 10 == 0 || i + 1 == people) {
        Say(base::Concat("people and referrals: ", i + 1, " of ", people));
      }
    }
    return absl::OkStatus();
  }

  // Two of three are taken on, so that the measures have something to show.
  absl::Status Start(const std::string& referral, const std::string& today) {
    rv1::StartTriageRequest triage;
    triage.set_request_id(RequestId("triage/" + referral));
    triage.set_referral_id(referral);
    FETTLE_RETURN_IF_ERROR(As("link_worker", "SVC01", triage));
    rv1::AcceptReferralRequest accept;
    accept.set_request_id(RequestId("accept/" + referral));
    accept.set_referral_id(referral);
    FETTLE_RETURN_IF_ERROR(As("link_worker", "SVC01", accept));
    rv1::StartReferralRequest start;
    start.set_request_id(RequestId("start/" + referral));
    start.set_referral_id(referral);
    start.set_worker_id("wendy");
    start.set_first_contact_date(today);
    return As("link_worker", "SVC01", start).status();
  }

  const Connection& connection_;
  std::map<std::string, std::string> tokens_;
};

}  // namespace

void AddSeed(CLI::App& app, Connection& connection, int& code) {
  auto people = std::make_shared<int>(30);
  CLI::App* command = app.add_subcommand(
      "seed", "Fill a fresh system with a small synthetic region; may be repeated");
  command->add_option("--people", *people, "People, each with a referral")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->callback([&connection, &code, people] {
    const absl::Status status = Seeder(connection).Run(*people);
    if (!status.ok()) code = ShowError(connection, status);
  });
}

}  // namespace fettle::cli

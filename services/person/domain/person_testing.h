// What the tests of the registry's rules share: a practice and its board, and requests as they
// leave the door.
#ifndef FETTLE_SERVICES_PERSON_DOMAIN_PERSON_TESTING_H_
#define FETTLE_SERVICES_PERSON_DOMAIN_PERSON_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/base/decide_testing.h"
#include "services/person/domain/person_rules.h"

namespace fettle::person {

inline constexpr char kOne[] = "0196d5a0-0001-7000-8000-000000000001";
inline constexpr char kTwo[] = "0196d5a0-0001-7000-8000-000000000002";
inline constexpr char kThree[] = "0196d5a0-0001-7000-8000-000000000003";

class PersonTest : public base::DomainTest<PersonRules> {
 protected:
  PersonTest() {
    journal.caller = {"gp", false, "A1001", "referrer", "care"};
    EXPECT_THAT(journal.When(Organisation("QWO", v1::ORGANISATION_KIND_ICB)), base::IsDone());
    EXPECT_THAT(journal.When(Organisation("A1001", v1::ORGANISATION_KIND_GP_PRACTICE)),
                base::IsDone());
  }

  static v1::RegisterOrganisationRequest Organisation(const std::string& code,
                                                      v1::OrganisationKind kind) {
    v1::RegisterOrganisationRequest request;
    request.mutable_organisation()->set_ods_code(code);
    request.mutable_organisation()->set_name("Place " + code);
    request.mutable_organisation()->set_kind(kind);
    request.mutable_organisation()->set_start_date("2010-01-01");
    request.mutable_organisation()->set_icb("QWO");
    return request;
  }

  // As it leaves the door: digests in place of what they blind.
  static v1::EnsurePersonRequest Ensure(const std::string& id, const std::string& number,
                                        const std::string& born = "born-1") {
    v1::EnsurePersonRequest request;
    request.set_new_person_id(id);
    request.set_number_policy(v1::NUMBER_POLICY_STRICT);
    request.set_nhs_number_status(v1::NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED);
    request.set_gp_practice("A1001");
    v1::Demographics& person = *request.mutable_demographics();
    person.mutable_first_name()->set_text("Ada");
    person.mutable_family_name()->set_text("Example");
    if (!born.empty()) {
      person.mutable_birth_date()->set_text("1959-05-04");
      request.mutable_digests()->set_birth_date(born);
    }
    request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
    if (!number.empty()) {
      person.mutable_nhs_number()->set_text(number);
      request.mutable_digests()->set_nhs_number("digest of " + number);
      request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_PASSED);
    }
    return request;
  }

  static v1::UpdatePersonRequest Update(const std::string& id) {
    v1::UpdatePersonRequest request;
    request.set_person_id(id);
    request.set_number_policy(v1::NUMBER_POLICY_STRICT);
    request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_ABSENT);
    return request;
  }
  static v1::UpdatePersonRequest ChangeNumber(const std::string& id, const std::string& number) {
    v1::UpdatePersonRequest request = Update(id);
    request.mutable_demographics()->mutable_nhs_number()->set_text(number);
    request.mutable_digests()->set_nhs_number("digest of " + number);
    request.mutable_digests()->set_number_check(v1::NUMBER_CHECK_PASSED);
    return request;
  }
  static v1::MergePersonsRequest Merge(const std::string& surviving, const std::string& merged) {
    v1::MergePersonsRequest request;
    request.set_surviving_person_id(surviving);
    request.set_merged_person_id(merged);
    return request;
  }
  static v1::RecordDeathRequest Death(const std::string& id, const std::string& date) {
    v1::RecordDeathRequest request;
    request.set_person_id(id);
    request.set_death_date(date);
    request.set_notification(v1::DEATH_NOTIFICATION_INFORMAL);
    return request;
  }
  static v1::RestrictPersonRequest Restrict(const std::string& id) {
    v1::RestrictPersonRequest request;
    request.set_person_id(id);
    return request;
  }

  static v1::EnsurePersonRequest LookAlike(const std::string& id, const std::string& number) {
    v1::EnsurePersonRequest request = Ensure(id, number);
    request.mutable_demographics()->mutable_postcode()->set_text("LS1 4AP");
    v1::MatchDigests& match = *request.mutable_digests()->mutable_match();
    match.set_first_name("Ada");
    match.set_family_name("Example");
    match.set_postcode("LS1 4AP");
    return request;
  }
  std::vector<std::string> DuplicatesOf(const std::string& id) {
    v1::FindPossibleDuplicatesRequest request;
    request.set_person_id(id);
    return IdsOf(request);
  }
  // Who would be taken for whom the request would register.
  std::vector<std::string> LikeWhom(const v1::EnsurePersonRequest& unknown) {
    v1::FindPossibleDuplicatesRequest request;
    *request.mutable_demographics() = unknown.demographics();
    *request.mutable_digests() = unknown.digests();
    return IdsOf(request);
  }
  std::vector<std::string> IdsOf(const v1::FindPossibleDuplicatesRequest& request) {
    std::vector<std::string> ids;
    auto answer = journal.Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    if (!answer.ok()) return ids;
    for (const auto& duplicate : answer->duplicates()) ids.push_back(duplicate.person_id());
    return ids;
  }

  v1::GetPersonResponse Get(const std::string& id) {
    v1::GetPersonRequest request;
    request.set_person_id(id);
    auto answer = journal.Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(v1::GetPersonResponse());
  }
  common::v1::PersonContext ContextOf(const std::string& id) {
    v1::GetPersonContextRequest request;
    request.add_person_ids(id);
    auto answer = journal.Ask(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->people(0).context() : common::v1::PersonContext();
  }
  const v1::Person& Of(const std::string& id) { return journal.StateOf(id)->person(); }
  std::optional<std::string> FoundBy(const std::string& number) {
    return journal.Holder(kNumberIndex, base::Key({"digest of " + number}));
  }
};

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_DOMAIN_PERSON_TESTING_H_

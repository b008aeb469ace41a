// The rules of the registry: who a person is and which organisations exist. Pure functions; see
// libs/base/decide.h.
#ifndef FETTLE_SERVICES_PERSON_DOMAIN_PERSON_RULES_H_
#define FETTLE_SERVICES_PERSON_DOMAIN_PERSON_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/person/v1/person_events.pb.h"
#include "fettle/person/v1/person_service.pb.h"
#include "fettle/person/v1/person_state.pb.h"
#include "libs/base/decide.h"

namespace fettle::person {

// Numbers of the indices, never reused.
enum PersonIndex : int {
  // Unique. Digest of an NHS number -> the person who holds it now, or who stands for the one who
  // held it (INV-8).
  kNumberIndex = 1,
  // Unique. ODS code -> organisation.
  kOrganisationIndex = 2,
  // Kind -> organisations, by name and code; kind 0 is all of them.
  kKindIndex = 3,
  // All people who claim a number that another holds, and those who claim one number, the oldest
  // record first.
  kConflictIndex = 4,
  // Unique. Name, birth date, postcode and place -> person. Places, because a decision reads
  // unique entries alone.
  kMatchIndex = 5,
  // Parent, network or ICB -> its organisations, by name and code.
  kMemberIndex = 6,
};

// The day lies in its validity period (INV-10).
bool IsValidOn(const v1::Organisation& organisation, std::string_view date);

struct PersonRules {
  using Event = v1::PersonEvent;
  using State = v1::PersonState;
  static constexpr std::string_view kService = "person";
  static constexpr int64_t kCodeVersion = 2;

  static base::Reads ReadsOf(const v1::EnsurePersonRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::UpdatePersonRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::MergePersonsRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RecordDeathRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::WithdrawDeathRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::RestrictPersonRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::LiftRestrictionRequest& request, const base::View& view);
  static base::Reads ReadsOf(const v1::ResolveNumberConflictRequest& request,
                             const base::View& view);
  static base::Reads ReadsOf(const v1::RegisterOrganisationRequest& request,
                             const base::View& view);
  static base::Reads ReadsOf(const v1::LoadOrganisationsRequest& request, const base::View& view);

  // Only whose key seals the words: the registry asks nobody else.
  static base::Questions QuestionsOf(const v1::EnsurePersonRequest& request,
                                     const base::View& view);
  static base::Questions QuestionsOf(const v1::UpdatePersonRequest& request,
                                     const base::View& view);
  // The others have no private words.
  template <class Request>
  static base::Questions QuestionsOf(const Request&, const base::View&) {
    return {};
  }

  template <class Response>
  using Decided = absl::StatusOr<base::Decision<Response>>;
  static Decided<v1::EnsurePersonResponse> Decide(const base::View& view,
                                                  const v1::EnsurePersonRequest& request,
                                                  const base::Context& context);
  static Decided<v1::UpdatePersonResponse> Decide(const base::View& view,
                                                  const v1::UpdatePersonRequest& request,
                                                  const base::Context& context);
  static Decided<v1::MergePersonsResponse> Decide(const base::View& view,
                                                  const v1::MergePersonsRequest& request,
                                                  const base::Context& context);
  static Decided<v1::RecordDeathResponse> Decide(const base::View& view,
                                                 const v1::RecordDeathRequest& request,
                                                 const base::Context& context);
  static Decided<v1::WithdrawDeathResponse> Decide(const base::View& view,
                                                   const v1::WithdrawDeathRequest& request,
                                                   const base::Context& context);
  static Decided<v1::RestrictPersonResponse> Decide(const base::View& view,
                                                    const v1::RestrictPersonRequest& request,
                                                    const base::Context& context);
  static Decided<v1::LiftRestrictionResponse> Decide(const base::View& view,
                                                     const v1::LiftRestrictionRequest& request,
                                                     const base::Context& context);
  static Decided<v1::ResolveNumberConflictResponse> Decide(
      const base::View& view, const v1::ResolveNumberConflictRequest& request,
      const base::Context& context);
  static Decided<v1::RegisterOrganisationResponse> Decide(
      const base::View& view, const v1::RegisterOrganisationRequest& request,
      const base::Context& context);
  static Decided<v1::LoadOrganisationsResponse> Decide(const base::View& view,
                                                       const v1::LoadOrganisationsRequest& request,
                                                       const base::Context& context);

  static void Evolve(State& state, const Event& event);
  static std::vector<base::Entry> Index(const State& state);
  static std::vector<base::Timer> Timers(const State&) { return {}; }
  static std::vector<base::Entry> Facts(const Event&) { return {}; }
  static std::vector<std::string> Subjects(const State& state);
  static int64_t Pence(const Event&) { return 0; }

  static absl::StatusOr<v1::GetPersonResponse> Answer(const base::Snapshot& snapshot,
                                                      const v1::GetPersonRequest& request,
                                                      const base::Context& context);
  static absl::StatusOr<v1::FindPersonByNhsNumberResponse> Answer(
      const base::Snapshot& snapshot, const v1::FindPersonByNhsNumberRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::GetPersonContextResponse> Answer(
      const base::Snapshot& snapshot, const v1::GetPersonContextRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::ListNumberConflictsResponse> Answer(
      const base::Snapshot& snapshot, const v1::ListNumberConflictsRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::FindPossibleDuplicatesResponse> Answer(
      const base::Snapshot& snapshot, const v1::FindPossibleDuplicatesRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::GetOrganisationResponse> Answer(
      const base::Snapshot& snapshot, const v1::GetOrganisationRequest& request,
      const base::Context& context);
  static absl::StatusOr<v1::ListOrganisationsResponse> Answer(
      const base::Snapshot& snapshot, const v1::ListOrganisationsRequest& request,
      const base::Context& context);
};

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_DOMAIN_PERSON_RULES_H_

// What the functions of the registry share.
#ifndef FETTLE_SERVICES_PERSON_DOMAIN_PERSON_COMMON_H_
#define FETTLE_SERVICES_PERSON_DOMAIN_PERSON_COMMON_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "libs/base/decide.h"
#include "services/person/domain/person_rules.h"

namespace fettle::person {

// Merges of merges that are followed; MergePersons makes no longer chain.
inline constexpr int kMergeHopsMax = 16;
// NHS numbers that lead to one record, and numbers that its history holds.
inline constexpr int kNumbersMax = 20;
// Records that were merged into one.
inline constexpr int kMergedPersonsMax = 20;
inline constexpr int kContextPeopleMax = 200;
// Successors of successors that are followed.
inline constexpr int kSuccessionHopsMax = 8;
// Records with one name, birth date and postcode that are told of each other. A further one is told
// of these, and they not of it.
inline constexpr int kMatchSlots = 4;

absl::Status PersonNotFound();

// Null when the stream is not a person's.
const v1::Person* PersonOf(const base::View::Stream* stream);
const v1::Person* PersonIn(const base::View& view, const std::string& id);

std::string NumberKey(const v1::Digests& digests);
// Key of all number conflicts in kConflictIndex.
std::string ConflictsKey();

// Key of those who claim the number.
std::string ClaimsKey(const v1::Digests& digests);
// Key of the place in kMatchIndex; empty when name, birth date and postcode are not all there.
std::string MatchKey(const v1::Digests& digests, int slot);

// The record names a valid number that it does not hold.
bool ClaimsNumber(const v1::Person& person);

// The number that the record has now.
v1::NumberPeriod CurrentNumber(const v1::Person& person);

// "All kinds" is kind 0.
std::string KindKey(int kind);

// The words are there, sealed or not yet.
bool IsThere(const common::v1::SealedText& words);

// The detail is among what is removed.
bool IsRemoved(const google::protobuf::RepeatedField<int>& removed, v1::RemovableDetail detail);

// The fields of `to` that `from` sets are taken out of `to`, at any depth; lists as a whole.
void RemoveWhatIsSet(google::protobuf::Message& to, const google::protobuf::Message& from);

}  // namespace fettle::person

#endif  // FETTLE_SERVICES_PERSON_DOMAIN_PERSON_COMMON_H_

#include "libs/base/decide.h"

#include <initializer_list>

#include "libs/base/check.h"
#include "libs/base/status.h"

namespace fettle::base {
namespace {

absl::Status Stale() {
  return Refuse(absl::StatusCode::kAborted, "EVIDENCE_STALE",
                "the record changed while the facts for this decision were gathered; try again");
}

}  // namespace

std::string Key(std::initializer_list<std::string_view> parts) {
  std::string key;
  for (std::string_view part : parts) {
    const std::string packed = UuidToBytes(part);
    const std::string_view bytes = packed.empty() ? part : packed;
    // Length first, with a bit that tells a packed UUID from 16 bytes of other text; seven bits a
    // byte.
    uint64_t length = bytes.size() << 1 | (packed.empty() ? 0 : 1);
    for (; length > 0x7F; length >>= 7) key.push_back(static_cast<char>(length | 0x80));
    key.push_back(static_cast<char>(length));
    key.append(bytes);
  }
  return key;
}

const View::Stream* View::Find(std::string_view stream_id) const {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end() && probing_) {
    missed_ = true;
    return nullptr;
  }
  FETTLE_CHECK(it != streams_.end(), "a decision looks only at streams that reads() named");
  return it->second.version == 0 ? nullptr : &it->second;
}

std::optional<std::string> View::Holder(int index, std::string_view key) const {
  const auto it = holders_.find({index, std::string(key)});
  if (it == holders_.end() && probing_) {
    missed_ = true;
    return std::nullopt;
  }
  FETTLE_CHECK(it != holders_.end(), "a decision looks only at entries that reads() named");
  return it->second;
}

absl::Status CheckEvidence(const Questions& questions, const Evidence& evidence) {
  for (const std::string& id : questions.people) {
    const common::v1::PersonContext* person = evidence.Person(id);
    if (person == nullptr || person->person_id() != id) return Stale();
  }
  for (const Questions::CompetenceQuestion& question : questions.competences) {
    if (evidence.CompetenceOf(question) == nullptr) return Stale();
  }
  for (const Questions::OrganisationQuestion& question : questions.organisations) {
    if (evidence.Organisation(question) == nullptr) return Stale();
  }
  const bool has_words = evidence.has_words || !evidence.sealed_for.empty();
  if (has_words && evidence.sealed_for != questions.seal_for) return Stale();
  return absl::OkStatus();
}

}  // namespace fettle::base

#include "services/referral/domain/referral_common.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/referral/domain/transitions.h"

namespace fettle::referral {
namespace {

constexpr absl::Duration kClockSkewMax = absl::Minutes(5);
// Role of a partner's system.
constexpr std::string_view kIntegrator = "integrator";

struct DetailItem {
  std::string_view name;
  std::string_view field;
  bool (*is_there)(const v1::ReferralDetails&);
};

// INV-22, the part of it that a referral holds itself; names, birth date and practice are the
// person service's.
constexpr DetailItem kDetailItems[] = {
    {"referral_date", "details.referral_date",
     [](const v1::ReferralDetails& details) { return !details.referral_date().empty(); }},
    {"referrer_name", "details.referrer.name",
     [](const v1::ReferralDetails& details) { return HasWords(details.referrer().name()); }},
    {"referrer_service", "details.referrer.service",
     [](const v1::ReferralDetails& details) { return !details.referrer().service().empty(); }},
    {"referrer_organisation", "details.referrer.organisation",
     [](const v1::ReferralDetails& details) { return !details.referrer().organisation().empty(); }},
    {"referrer_contact", "details.referrer.contact",
     [](const v1::ReferralDetails& details) { return HasWords(details.referrer().contact()); }},
    {"risks", "details.risks",
     [](const v1::ReferralDetails& details) { return details.risks_size() > 0; }},
    {"consent", "details.consent",
     [](const v1::ReferralDetails& details) {
       return details.consent() != v1::CONSENT_UNSPECIFIED;
     }},
};

const DetailItem* FindDetailItem(std::string_view name) {
  const auto it = std::ranges::find(kDetailItems, name, &DetailItem::name);
  return it == std::end(kDetailItems) ? nullptr : &*it;
}

absl::Status NotAllowed(std::string_view whose) {
  return base::Refuse(absl::StatusCode::kPermissionDenied, "ORGANISATION_MAY_NOT_DO_THIS",
                      base::Concat("only the ", whose, " organisation of the referral may do this"),
                      {{"organisation", std::string(whose)}});
}

}  // namespace

std::string OpenKey(std::string_view person_id, std::string_view service_id) {
  return base::Key({person_id, service_id});
}

std::string MessageKey(std::string_view request_id, std::string_view correlation_id) {
  return base::Key({request_id, correlation_id});
}

std::string CaseKey(std::string_view correlation_id) { return base::Key({correlation_id}); }

std::string CaseNumberKey(std::string_view organisation, std::string_view case_number) {
  return base::Key({organisation, case_number});
}

std::string OrganisationKey(std::string_view organisation, v1::ReferralStatus status) {
  return base::Key({organisation, StatusName(status)});
}

std::string CaseloadKey(std::string_view organisation, std::string_view worker_id) {
  return base::Key({organisation, worker_id});
}

std::string DueKey() { return base::Key({"DUE"}); }

std::string FailedKey(std::string_view organisation) { return base::Key({"FAILED", organisation}); }

std::string ServiceKey(std::string_view organisation, v1::ServiceKind kind) {
  return base::Key({organisation, v1::ServiceKind_Name(kind)});
}

std::string PersonKey(std::string_view person_id) { return base::Key({person_id}); }

std::string WorkerKey(std::string_view organisation, std::string_view worker_id,
                      v1::ReferralStatus status) {
  return base::Key({organisation, worker_id, StatusName(status)});
}

std::string_view StatusName(v1::ReferralStatus status) {
  std::string_view name = v1::ReferralStatus_Name(status);
  name.remove_prefix(std::string_view("REFERRAL_STATUS_").size());
  return name;
}

bool IsFuture(std::string_view date, const base::Context& context) {
  return date > base::LondonDate(context.time + kClockSkewMax);
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string DateOf(const google::protobuf::Timestamp& time) {
  return base::LondonDate(TimeOf(time));
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const absl::Duration since = time - absl::UnixEpoch();
  timestamp.set_seconds(absl::ToInt64Seconds(absl::Floor(since, absl::Seconds(1))));
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(since - absl::Floor(since, absl::Seconds(1)))));
  return timestamp;
}

std::string NewestFirst(std::string_view referral_id) {
  std::string bytes = base::UuidToBytes(referral_id);
  for (char& byte : bytes) byte = static_cast<char>(~byte);
  return bytes;
}

absl::Status CheckDate(std::string_view field, std::string_view date, std::string_view earliest,
                       std::string_view since, const base::Context& context) {
  if (IsFuture(date, context)) {
    return base::InvalidField(field, "DATE_IN_FUTURE", "today or earlier");
  }
  if (date < earliest) {
    return base::InvalidField(field, "DATE_TOO_EARLY", since);
  }
  return absl::OkStatus();
}

bool IsSocialPrescribing(const v1::ReceivingService& service) {
  return service.kind() == v1::SERVICE_KIND_UNSPECIFIED ||
         service.kind() == v1::SERVICE_KIND_SOCIAL_PRESCRIBING;
}

bool IsReferrer(const v1::ReferralState& state, const base::Caller& caller) {
  return caller.organisation == state.referring_organisation();
}

bool IsReceiver(const v1::ReferralState& state, const base::Caller& caller) {
  return caller.organisation == state.service().organisation() &&
         state.status() != v1::REFERRAL_STATUS_DRAFT;
}

bool IsShownToPerson(const v1::ReferralState& state) {
  return state.status() != v1::REFERRAL_STATUS_DRAFT &&
         state.status() != v1::REFERRAL_STATUS_ENTERED_IN_ERROR;
}

absl::Status ReferralNotFound() {
  return base::Refuse(absl::StatusCode::kNotFound, "REFERRAL_NOT_FOUND",
                      "no referral of your organisation has this id");
}

absl::StatusOr<const v1::ReferralState*> FindReferral(const base::View& view,
                                                      const std::string& referral_id,
                                                      const base::Caller& caller) {
  const auto* state = view.StateOf<v1::ReferralState>(referral_id);
  // The streams of caseloads and signposts have no referral in them.
  if (state == nullptr || state->referral_id().empty() ||
      (!IsReferrer(*state, caller) && !IsReceiver(*state, caller))) {
    return ReferralNotFound();
  }
  return state;
}

absl::Status RequireReferrer(const v1::ReferralState& state, const base::Caller& caller) {
  return IsReferrer(state, caller) ? absl::OkStatus() : NotAllowed("referring");
}

absl::Status RequireReceiver(const v1::ReferralState& state, const base::Caller& caller) {
  // The author of a draft may hear that it is one; RequireMayBecome says so.
  return caller.organisation == state.service().organisation() ? absl::OkStatus()
                                                               : NotAllowed("receiving");
}

absl::Status RequireMayBecome(const v1::ReferralState& state, v1::ReferralStatus status) {
  if (MayBecome(state.status(), status)) return absl::OkStatus();
  const std::string_view from = StatusName(state.status());
  const std::string_view to = StatusName(status);
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED",
                      base::Concat("a referral that is ", from, " cannot become ", to),
                      {{"from", std::string(from)}, {"to", std::string(to)}});
}

absl::Status RequireChange(const v1::ReferralState& state, v1::ReferralStatus from,
                           v1::ReferralStatus to) {
  if (state.status() == from) return absl::OkStatus();
  return base::Refuse(
      absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED",
      base::Concat("this leads from ", StatusName(from), " to ", StatusName(to),
                   "; the referral is ", StatusName(state.status())),
      {{"from", std::string(StatusName(state.status()))}, {"to", std::string(StatusName(to))}});
}

absl::Status RequireUnderWay(const v1::ReferralState& state) {
  if (state.status() != v1::REFERRAL_STATUS_DRAFT && !IsTerminal(state.status())) {
    return absl::OkStatus();
  }
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "REFERRAL_NOT_UNDER_WAY",
                      "this is recorded of a referral that was submitted and is not closed",
                      {{"status", std::string(StatusName(state.status()))}});
}

absl::Status RequireRoom(std::string_view items, int size, int size_max) {
  if (size < size_max) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kFailedPrecondition, "TOO_MANY_RECORDED",
                      base::Concat("a referral keeps ", size_max, " ", items, " at most"),
                      {{"items", std::string(items)}, {"max", base::Concat(size_max)}});
}

absl::Status RequireOrganisation(const base::Caller& caller) {
  if (!caller.organisation.empty()) return absl::OkStatus();
  return base::Refuse(absl::StatusCode::kPermissionDenied, "CALLER_WITHOUT_ORGANISATION",
                      "this is done by somebody of an organisation");
}

base::Reads ReadsWithCaseload(const std::string& referral_id, const std::string& worker_id,
                              const base::View& view) {
  base::Reads reads;
  reads.streams = {referral_id, DeliveryQueueId(referral_id)};
  if (worker_id.empty() || !view.Has(referral_id)) return reads;
  if (const auto* state = view.StateOf<v1::ReferralState>(referral_id)) {
    reads.unique.emplace_back(kCaseloadIndex,
                              CaseloadKey(state->service().organisation(), worker_id));
  }
  return reads;
}

void CountCaseload(const v1::ReferralState& referral, const std::string& worker_id,
                   const base::View& view, const base::Context& context,
                   std::vector<base::NewEvent>& events) {
  if (std::ranges::find(referral.workers(), worker_id) != referral.workers().end()) return;
  const std::string& organisation = referral.service().organisation();
  const std::optional<std::string> stream =
      view.Holder(kCaseloadIndex, CaseloadKey(organisation, worker_id));
  int before = 0;
  if (stream) {
    const v1::Caseload& caseload = view.StateOf<v1::ReferralState>(*stream)->caseload();
    const std::string since = base::AddMonths(context.today, -12);
    for (int i = 0; i < caseload.dates_size(); ++i) {
      if (caseload.dates(i) > since) before += caseload.counts(i);
    }
  }
  const std::string id = stream ? *stream : context.ids->Next();
  auto event = std::make_unique<v1::ReferralEvent>();
  v1::CaseloadCounted& counted = *event->mutable_caseload_counted();
  counted.set_organisation(organisation);
  counted.set_worker_id(worker_id);
  counted.set_referral_id(referral.referral_id());
  counted.set_date(context.today);
  counted.set_rolling_count(before + 1);
  events.push_back({id, std::move(event)});
  const int limit =
      referral.terms().worker_caseload() > 0 ? referral.terms().worker_caseload() : kCaseloadMax;
  if (before != limit) return;  // above the limit it was raised already
  auto warning = std::make_unique<v1::ReferralEvent>();
  v1::CaseloadWarningRaised& raised = *warning->mutable_caseload_warning_raised();
  raised.set_organisation(organisation);
  raised.set_worker_id(worker_id);
  raised.set_rolling_count(before + 1);
  raised.set_limit(limit);
  events.push_back({id, std::move(warning)});
}

absl::Status CheckPartnerMessage(const v1::PartnerMessage& message, const base::View& view,
                                 const base::Context& context) {
  if (context.caller.role != kIntegrator) {
    return base::Refuse(absl::StatusCode::kPermissionDenied, "PARTNER_MESSAGE_FROM_INTEGRATOR_ONLY",
                        "partner_message: only a partner's system, with the role integrator, "
                        "brings messages");
  }
  const std::optional<std::string> holder =
      view.Holder(kMessageIndex, MessageKey(message.request_id(), message.correlation_id()));
  if (holder) {
    std::map<std::string, std::string> metadata;
    if (FindReferral(view, *holder, context.caller).ok()) metadata = {{"referral_id", *holder}};
    return base::Refuse(absl::StatusCode::kAlreadyExists, "PARTNER_MESSAGE_ALREADY_TAKEN",
                        "partner_message: a message with this request_id and correlation_id was "
                        "taken; a newer version has a new request_id",
                        std::move(metadata));
  }
  if (!message.last_updated().empty() && !base::ParseInstant(message.last_updated()).ok()) {
    return base::InvalidField("partner_message.last_updated", "INSTANT_NOT_READABLE",
                              "an instant, YYYY-MM-DDThh:mm:ss with Z or an offset");
  }
  return absl::OkStatus();
}

namespace {

// By the instant of the partner's record; some partners leave it where it was and move that of the
// message alone.
bool IsOlder(const v1::PartnerMessage& message, const v1::PartnerMessage& known) {
  const absl::StatusOr<absl::Time> updated = base::ParseInstant(message.last_updated());
  const absl::StatusOr<absl::Time> known_updated = base::ParseInstant(known.last_updated());
  if (!updated.ok() || !known_updated.ok()) return false;
  if (*updated != *known_updated) return *updated < *known_updated;
  const absl::StatusOr<absl::Time> sent = base::ParseInstant(message.bundle_last_updated());
  const absl::StatusOr<absl::Time> known_sent = base::ParseInstant(known.bundle_last_updated());
  return sent.ok() && known_sent.ok() && *sent < *known_sent;
}

}  // namespace

absl::Status CheckPartnerMessageOfCase(const v1::PartnerMessage& message,
                                       const v1::ReferralState& state, const base::View& view,
                                       const base::Context& context) {
  FETTLE_RETURN_IF_ERROR(CheckPartnerMessage(message, view, context));
  for (const v1::PartnerMessage& known : state.partner_messages()) {
    if (IsOlder(message, known)) {
      return base::Refuse(absl::StatusCode::kFailedPrecondition, "PARTNER_MESSAGE_OUTDATED",
                          "partner_message.last_updated: a message of this case with a later "
                          "instant was taken before");
    }
  }
  return absl::OkStatus();
}

common::v1::PersonContext Recorded(common::v1::PersonContext person, const std::string& today) {
  if (person.restricted()) person.clear_gp_practice();
  if (person.age_years() < 0) return person;
  while (base::IsDate(person.next_birthday()) && person.next_birthday() <= today) {
    person.set_age_years(person.age_years() + 1);
    person.set_next_birthday(base::AddMonths(person.next_birthday(), 12));
  }
  person.set_age_date(today);
  return person;
}

std::string Joined(const std::vector<std::string>& items) { return absl::StrJoin(items, ", "); }

void MergeDetails(v1::ReferralDetails& into, const v1::ReferralDetails& from) {
  if (from.has_reason()) into.clear_reason();
  if (from.risks_size() > 0) into.clear_risks();
  into.MergeFrom(from);
}

std::vector<std::string> MissingDetails(const v1::ReferralDetails& details,
                                        bool organisation_valid) {
  std::vector<std::string> missing;
  for (const DetailItem& item : kDetailItems) {
    const bool unknown = item.name == "referrer_organisation" && !organisation_valid;
    if (unknown || !item.is_there(details)) missing.emplace_back(item.name);
  }
  return missing;
}

bool IsDetailItem(std::string_view name) { return FindDetailItem(name) != nullptr; }

std::string FieldOfItem(std::string_view name) {
  const DetailItem* item = FindDetailItem(name);
  return item != nullptr ? std::string(item->field) : base::Concat("person.", name);
}

}  // namespace fettle::referral

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "services/person/domain/person_common.h"

namespace fettle::person {
namespace {

using base::Key;

// As the rule of the field says.
constexpr int kSuccessorsMax = 8;

// What a rule refuses of an organisation, by the field's name in it.
struct Fault {
  std::string field, reason, accepted;
};

// What is known of a code: null when it is not.
using Lookup = std::function<const v1::Organisation*(const std::string& ods_code)>;

std::optional<Fault> FaultOf(const v1::Organisation& organisation, const std::string& today,
                             const Lookup& known) {
  const std::string& own = organisation.ods_code();
  if (!organisation.end_date().empty() && organisation.end_date() < organisation.start_date()) {
    return Fault{"end_date", "ENDS_BEFORE_START", "a date not before start_date"};
  }
  const auto is = [&](const std::string& code, v1::OrganisationKind kind) {
    const v1::Organisation* found = known(code);
    return found != nullptr && found->kind() == kind;
  };
  if (!organisation.icb().empty() && organisation.icb() != own &&
      !is(organisation.icb(), v1::ORGANISATION_KIND_ICB)) {
    return Fault{"icb", "ICB_NOT_KNOWN", "the ODS code of a registered integrated care board"};
  }
  if (!organisation.parent().empty() &&
      (organisation.parent() == own || known(organisation.parent()) == nullptr)) {
    return Fault{"parent", "PARENT_NOT_KNOWN", "the ODS code of another registered organisation"};
  }
  if (!organisation.primary_care_network().empty() &&
      !is(organisation.primary_care_network(), v1::ORGANISATION_KIND_PRIMARY_CARE_NETWORK)) {
    return Fault{"primary_care_network", "NETWORK_NOT_KNOWN",
                 "the ODS code of a registered primary care network"};
  }
  for (const std::string& successor : organisation.successors()) {
    if (successor == own || known(successor) == nullptr) {
      return Fault{"successors", "SUCCESSOR_NOT_KNOWN",
                   "the ODS codes of other registered organisations"};
    }
  }
  if (organisation.has_patient_list() && organisation.kind() != v1::ORGANISATION_KIND_GP_PRACTICE) {
    return Fault{"patient_list", "NOT_A_PRACTICE", "a patient list of a GP practice alone"};
  }
  if (organisation.patient_list().date() > today) {
    return Fault{"patient_list.date", "DATE_IN_FUTURE", "a date not after today"};
  }
  return std::nullopt;
}

std::string KeyOf(const std::string& ods_code) { return Key({ods_code}); }

const v1::Organisation* OrganisationIn(const base::View& view, const std::string& ods_code) {
  const std::optional<std::string> stream = view.Holder(kOrganisationIndex, KeyOf(ods_code));
  const auto* state = stream.has_value() ? view.StateOf<v1::PersonState>(*stream) : nullptr;
  return state == nullptr ? nullptr : &state->organisation();
}

bool Same(const v1::Organisation& a, const v1::Organisation& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

// All codes that an organisation names.
void AddCodes(const v1::Organisation& organisation, std::set<std::string>& codes) {
  codes.insert({organisation.ods_code(), organisation.icb(), organisation.parent(),
                organisation.primary_care_network()});
  codes.insert(organisation.successors().begin(), organisation.successors().end());
  codes.erase("");
}

base::Reads ReadsOfCodes(const std::set<std::string>& codes) {
  base::Reads reads;
  for (const std::string& code : codes) reads.unique.emplace_back(kOrganisationIndex, KeyOf(code));
  return reads;
}

// Lines of a file, taken one after another over what is known.
class Loading {
 public:
  Loading(const base::View& view, const std::string& today) : view_(view), today_(today) {}

  std::optional<Fault> Take(const v1::OrganisationLine& line) {
    switch (line.fact_case()) {
      case v1::OrganisationLine::kOrganisation:
        return Take(line.organisation());
      case v1::OrganisationLine::kMembership:
        return Take(line.membership());
      case v1::OrganisationLine::kSuccession:
        return Take(line.succession());
      case v1::OrganisationLine::kPatientList:
        return Take(line.patient_list());
      default:
        return Fault{"fact", "LINE_EMPTY",
                     "an organisation, a membership, a succession or a patient list"};
    }
  }

  int added() const { return added_; }
  int changed() const { return static_cast<int>(taken_.size()) - added_; }
  int unchanged() const { return unchanged_; }
  // The organisations that are another now, by code.
  const std::map<std::string, v1::Organisation>& taken() const { return taken_; }

 private:
  std::optional<Fault> Take(v1::Organisation organisation) {
    if (const v1::Organisation* before = Known(organisation.ods_code())) {
      if (organisation.primary_care_network().empty()) {
        organisation.set_primary_care_network(before->primary_care_network());
      }
      if (organisation.successors().empty()) {
        *organisation.mutable_successors() = before->successors();
      }
      if (!organisation.has_patient_list() && before->has_patient_list() &&
          organisation.kind() == v1::ORGANISATION_KIND_GP_PRACTICE) {
        *organisation.mutable_patient_list() = before->patient_list();
      }
    }
    return Put(std::move(organisation));
  }

  std::optional<Fault> Take(const v1::NetworkMembership& membership) {
    const v1::Organisation* practice = Known(membership.ods_code());
    if (practice == nullptr) return NotKnown();
    v1::Organisation after = *practice;
    const std::string& network = membership.primary_care_network();
    if (membership.end_date().empty() || membership.end_date() >= today_) {
      after.set_primary_care_network(network);
    } else if (after.primary_care_network() == network) {
      after.clear_primary_care_network();
    }
    return Put(std::move(after));
  }

  std::optional<Fault> Take(const v1::Succession& succession) {
    const v1::Organisation* closed = Known(succession.ods_code());
    if (closed == nullptr) return NotKnown();
    v1::Organisation after = *closed;
    const auto& successors = after.successors();
    if (std::find(successors.begin(), successors.end(), succession.successor()) ==
        successors.end()) {
      if (after.successors_size() >= kSuccessorsMax) {
        return Fault{"successor", "TOO_MANY_SUCCESSORS",
                     absl::StrCat("at most ", kSuccessorsMax, " of one organisation")};
      }
      after.add_successors(succession.successor());
    }
    return Put(std::move(after));
  }

  std::optional<Fault> Take(const v1::PatientListOfPractice& list) {
    const v1::Organisation* practice = Known(list.ods_code());
    if (practice == nullptr) return NotKnown();
    if (list.patient_list().date() < practice->patient_list().date()) {
      return Fault{
          "patient_list.date", "PATIENT_LIST_OUTDATED",
          absl::StrCat("not before the one that is known, of ", practice->patient_list().date())};
    }
    v1::Organisation after = *practice;
    *after.mutable_patient_list() = list.patient_list();
    return Put(std::move(after));
  }

  static Fault NotKnown() {
    return {"ods_code", "ORGANISATION_NOT_KNOWN", "the ODS code of a registered organisation"};
  }

  const v1::Organisation* Known(const std::string& ods_code) const {
    const auto it = taken_.find(ods_code);
    return it == taken_.end() ? OrganisationIn(view_, ods_code) : &it->second;
  }

  std::optional<Fault> Put(v1::Organisation organisation) {
    std::optional<Fault> fault =
        FaultOf(organisation, today_, [this](const std::string& code) { return Known(code); });
    if (fault.has_value()) return fault;
    const v1::Organisation* before = Known(organisation.ods_code());
    if (before != nullptr && Same(*before, organisation)) {
      ++unchanged_;
      return std::nullopt;
    }
    if (before == nullptr) ++added_;
    const std::string code = organisation.ods_code();
    taken_.insert_or_assign(code, std::move(organisation));
    return std::nullopt;
  }

  const base::View& view_;
  const std::string& today_;
  std::map<std::string, v1::Organisation> taken_;
  int added_ = 0;
  int unchanged_ = 0;
};

void AddEvent(std::vector<base::NewEvent>& events, const base::View& view,
              const base::Context& context, const v1::Organisation& organisation) {
  auto event = std::make_unique<v1::PersonEvent>();
  const std::optional<std::string> stream =
      view.Holder(kOrganisationIndex, KeyOf(organisation.ods_code()));
  *(stream.has_value() ? event->mutable_organisation_updated()->mutable_organisation()
                       : event->mutable_organisation_registered()->mutable_organisation()) =
      organisation;
  events.push_back({stream.has_value() ? *stream : context.ids->Next(), std::move(event)});
}

}  // namespace

bool IsValidOn(const v1::Organisation& organisation, std::string_view date) {
  return organisation.start_date() <= date &&
         (organisation.end_date().empty() || date <= organisation.end_date());
}

base::Reads PersonRules::ReadsOf(const v1::RegisterOrganisationRequest& request,
                                 const base::View& view) {
  std::set<std::string> codes;
  AddCodes(request.organisation(), codes);
  base::Reads reads = ReadsOfCodes(codes);
  // expected_version speaks of the organisation that the code leads to.
  const std::string key = KeyOf(request.organisation().ods_code());
  if (view.HasKey(kOrganisationIndex, key)) {
    if (std::optional<std::string> stream = view.Holder(kOrganisationIndex, key)) {
      reads.streams.push_back(*stream);
    }
  }
  return reads;
}

base::Reads PersonRules::ReadsOf(const v1::LoadOrganisationsRequest& request,
                                 const base::View& view) {
  std::set<std::string> codes;
  for (const v1::OrganisationLine& line : request.lines()) {
    AddCodes(line.organisation(), codes);
    codes.insert({line.membership().ods_code(), line.membership().primary_care_network(),
                  line.succession().ods_code(), line.succession().successor(),
                  line.patient_list().ods_code()});
  }
  codes.erase("");
  // What an organisation has from other files stays, so its rules are asked again.
  for (const std::string& code : std::set<std::string>(codes)) {
    if (!view.HasKey(kOrganisationIndex, KeyOf(code))) continue;
    if (const v1::Organisation* known = OrganisationIn(view, code)) AddCodes(*known, codes);
  }
  return ReadsOfCodes(codes);
}

PersonRules::Decided<v1::RegisterOrganisationResponse> PersonRules::Decide(
    const base::View& view, const v1::RegisterOrganisationRequest& request,
    const base::Context& context) {
  const v1::Organisation& organisation = request.organisation();
  if (const std::optional<Fault> fault =
          FaultOf(organisation, context.today,
                  [&](const std::string& code) { return OrganisationIn(view, code); })) {
    return base::InvalidField("organisation." + fault->field, fault->reason, fault->accepted);
  }
  base::Decision<v1::RegisterOrganisationResponse> decision;
  const v1::Organisation* known = OrganisationIn(view, organisation.ods_code());
  if (known == nullptr || !Same(*known, organisation)) {
    AddEvent(decision.events, view, context, organisation);
  }
  return decision;
}

PersonRules::Decided<v1::LoadOrganisationsResponse> PersonRules::Decide(
    const base::View& view, const v1::LoadOrganisationsRequest& request,
    const base::Context& context) {
  base::Decision<v1::LoadOrganisationsResponse> decision;
  Loading loading(view, context.today);
  for (const v1::OrganisationLine& line : request.lines()) {
    const std::optional<Fault> fault = loading.Take(line);
    if (!fault.has_value()) continue;
    v1::LineRefusal& refusal = *decision.response.add_refusals();
    refusal.set_line(line.line());
    refusal.set_field(fault->field);
    refusal.set_reason(fault->reason);
    refusal.set_accepted(fault->accepted);
  }
  for (const auto& [code, organisation] : loading.taken()) {
    AddEvent(decision.events, view, context, organisation);
  }
  decision.response.set_added(loading.added());
  decision.response.set_changed(loading.changed());
  decision.response.set_unchanged(loading.unchanged());
  return decision;
}

}  // namespace fettle::person

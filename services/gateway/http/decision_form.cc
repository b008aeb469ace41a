// The form of a shared decision (PRSB Shared Decision Making). A decision is recorded whole, also
// when it is looked at again.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/gateway/http/form_parts.h"
#include "services/gateway/http/form_rows.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Texts = google::protobuf::RepeatedPtrField<common::v1::SealedText>;

const Group kOptions = {"option", {"what", "for", "against"}, {}, 5};

Field OptionField(FieldKind kind, int row, const char* part, const char* path, std::string label,
                  const char* hint, std::string needed) {
  return {.kind = kind,
          .name = RowName(kOptions, row, part),
          .path = absl::StrCat("decision.options[", row - 1, "].", path),
          .label = std::move(label),
          .hint = hint,
          .needed = std::move(needed)};
}

std::vector<Field> DecisionFields(const rv1::Referral&, const FormValues& values) {
  std::vector<Field> fields = {{.kind = FieldKind::kHidden, .name = "number"},
                               {.kind = FieldKind::kText,
                                .name = "subject",
                                .path = "decision.subject",
                                .label = "What is to be decided?",
                                .hint = "300 characters at most.",
                                .needed = "Enter what is to be decided"},
                               {.kind = FieldKind::kWords,
                                .name = "matters",
                                .path = "decision.what_matters",
                                .label = "What matters to the person here?",
                                .hint = "In their own words. 1,000 characters at most.",
                                .needed = "Enter what matters to the person here"},
                               {.kind = FieldKind::kHeading,
                                .label = "Options",
                                .hint = "To do nothing is an option too. Record the decision to "
                                        "get room for more, up to 5."}};
  for (int row = 1; row <= ShownRows(kOptions, values); ++row) {
    const std::string option = absl::StrCat("Option ", row);
    fields.push_back(OptionField(FieldKind::kText, row, "what", "description", option,
                                 "200 characters at most.",
                                 absl::StrCat("Enter what option ", row, " is")));
    fields.push_back(OptionField(FieldKind::kWords, row, "for", "benefits",
                                 absl::StrCat(option, ": what speaks for it"),
                                 "Each benefit on a line of its own, 4 at most.",
                                 absl::StrCat("Enter what speaks for option ", row)));
    fields.push_back(OptionField(FieldKind::kWords, row, "against", "risks",
                                 absl::StrCat(option, ": what speaks against it"),
                                 "Each risk on a line of its own, 4 at most.",
                                 absl::StrCat("Enter what speaks against option ", row)));
  }
  fields.push_back({.kind = FieldKind::kHeading, .label = "The decision"});
  fields.push_back({.kind = FieldKind::kRadios,
                    .name = "status",
                    .path = "decision.status",
                    .label = "How does it stand?",
                    .needed = "Select how it stands",
                    .options = {{"DECISION_STATUS_IN_PROGRESS", "Not decided yet"},
                                {"DECISION_STATUS_VALID", "Agreed"},
                                {"DECISION_STATUS_CANCELLED", "Taken back"}}});
  fields.push_back({.kind = FieldKind::kWords,
                    .name = "decision",
                    .path = "decision.decision",
                    .label = "What was decided, and why?",
                    .hint = "500 characters at most."});
  fields.push_back({.kind = FieldKind::kText,
                    .name = "tool",
                    .path = "decision.decision_tool",
                    .label = "What helped to decide?",
                    .hint = "For example, the name of a leaflet."});
  fields.push_back(
      DateField("review", "decision.planned_review_date", "Day to look at it again", ""));
  return fields;
}

int NumberOf(const FormValues& values) {
  int number = 0;
  return absl::SimpleAtoi(values.Get("number"), &number) ? number : 0;
}

// Each on a line of its own.
std::string LinesOf(const Texts& texts) {
  std::string lines;
  for (const auto& text : texts) {
    absl::StrAppend(&lines, lines.empty() ? "" : "\n",
                    absl::StrReplaceAll(text.text(), {{"\n", " "}}));
  }
  return lines;
}

void PrefillDecision(const WorkContext& context, FormValues& values) {
  const auto& known = context.referral.care().decisions();
  const auto decision = std::ranges::find(known, NumberOf(values), &rv1::SharedDecision::number);
  if (decision == known.end()) {
    values.Set("number", "");
    values.Set("status", NameOfValue(rv1::DECISION_STATUS_IN_PROGRESS));
    return;
  }
  values.Set("subject", decision->subject().text());
  values.Set("matters", decision->what_matters().text());
  for (int i = 0; i < decision->options_size(); ++i) {
    const rv1::DecisionOption& option = decision->options(i);
    values.Set(RowName(kOptions, i + 1, "what"), option.description().text());
    values.Set(RowName(kOptions, i + 1, "for"), LinesOf(option.benefits()));
    values.Set(RowName(kOptions, i + 1, "against"), LinesOf(option.risks()));
  }
  values.Set("status", NameOfValue(decision->status()));
  values.Set("decision", decision->decision().text());
  values.Set("tool", decision->decision_tool());
  values.SetDate("review", decision->planned_review_date());
}

std::unique_ptr<Message> DecisionOf(const FormValues& values, const WorkContext&,
                                    std::vector<FormError>&) {
  auto request = std::make_unique<rv1::RecordSharedDecisionRequest>();
  rv1::SharedDecision& decision = *request->mutable_decision();
  decision.set_number(NumberOf(values));
  decision.mutable_subject()->set_text(values.Get("subject"));
  decision.mutable_what_matters()->set_text(values.Get("matters"));
  // Without any, the first one is what is missing.
  for (int row = 1; row <= std::max(1, FilledRows(kOptions, values)); ++row) {
    rv1::DecisionOption& option = *decision.add_options();
    option.mutable_description()->set_text(values.Get(RowName(kOptions, row, "what")));
    AddLines(values.Get(RowName(kOptions, row, "for")), *option.mutable_benefits());
    AddLines(values.Get(RowName(kOptions, row, "against")), *option.mutable_risks());
  }
  decision.set_status(Parsed<rv1::DecisionStatus>(values.Get("status")));
  IfWritten(values.Get("decision"),
            [&](const std::string& words) { decision.mutable_decision()->set_text(words); });
  decision.set_decision_tool(values.Get("tool"));
  decision.set_planned_review_date(values.Date("review"));
  return request;
}

}  // namespace

WorkForm DecisionForm() {
  return {.name = kDecisionForm,
          .title = "Record a shared decision",
          .lead = "What the person and you decide together. It may be changed later.",
          .button = "Record the decision",
          .done = "The decision is recorded",
          .fields_of = DecisionFields,
          .checks_version = true,
          .fits = IsPlanned,
          .prefill = PrefillDecision,
          .tidy = [](FormValues& values) { CloseGaps(kOptions, values); },
          .request = DecisionOf};
}

}  // namespace fettle::gateway

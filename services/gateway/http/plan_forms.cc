// The forms of the care and support plan: the plan itself, which is recorded whole, its reviews and
// risks, and what is measured.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/date.h"
#include "libs/base/text.h"
#include "services/gateway/http/form_parts.h"
#include "services/gateway/http/form_rows.h"

namespace fettle::gateway {
namespace {

namespace rv1 = referral::v1;
using google::protobuf::Message;
using Errors = std::vector<FormError>;

const Group kNeeds = {"need", {"text", "code"}, {}, 20};
const Group kGoals = {
    "goal", {"description", "importance", "status", "outcome"}, {"number", "stage"}, 10};
const Group kActions = {
    "action", {"what", "who", "when", "confidence", "goal", "status"}, {"due"}, 30};

void TidyPlan(FormValues& values) {
  CloseGaps(kNeeds, values);
  const std::map<int, int> goals = CloseGaps(kGoals, values);
  CloseGaps(kActions, values);
  for (int row = 1; row <= kActions.rows_max; ++row) {
    const std::string name = RowName(kActions, row, "goal");
    int goal = 0;
    if (!absl::SimpleAtoi(values.Get(name), &goal)) continue;
    const auto at = goals.find(goal);
    values.Set(name, at == goals.end() ? "" : absl::StrCat(at->second));
  }
}

std::vector<Option> Scale(int from, const char* none) {
  std::vector<Option> options = {{"", none}};
  for (int i = from; i <= 10; ++i) options.push_back({absl::StrCat(i), absl::StrCat(i)});
  return options;
}

std::vector<Option> WithNone(const char* none, std::vector<Option> options) {
  options.insert(options.begin(), {"", none});
  return options;
}

std::vector<Option> GoalStatuses(const char* none) {
  return WithNone(none, Names("GOAL_STATUS_", {"PROPOSED", "IN_PROGRESS", "ACHIEVED",
                                               "PARTLY_ACHIEVED", "NOT_ACHIEVED", "ABANDONED"}));
}

Field Heading(const char* label, const char* hint = "") {
  return {.kind = FieldKind::kHeading, .label = label, .hint = hint};
}

// A field of a row, which fills `plan.goals[0].description`.
Field RowField(FieldKind kind, const Group& group, int row, const char* part, const char* path,
               std::string label) {
  return {.kind = kind,
          .name = RowName(group, row, part),
          .path = absl::StrCat("plan.", group.name, "s[", row - 1, "].", path),
          .label = std::move(label)};
}

void AddNeedFields(std::vector<Field>& fields, const FormValues& values) {
  fields.push_back(Heading("Needs"));
  for (int row = 1; row <= ShownRows(kNeeds, values); ++row) {
    fields.push_back(
        RowField(FieldKind::kText, kNeeds, row, "text", "text", absl::StrCat("Need ", row)));
    fields.push_back({.kind = FieldKind::kHidden, .name = RowName(kNeeds, row, "code")});
  }
}

void AddGoalFields(std::vector<Field>& fields, const FormValues& values) {
  fields.push_back(Heading("Goals",
                           "What the person wants to reach. Record the plan to get room "
                           "for more."));
  for (int row = 1; row <= ShownRows(kGoals, values); ++row) {
    const std::string goal = absl::StrCat("Goal ", row);
    fields.push_back(RowField(FieldKind::kText, kGoals, row, "description", "description", goal));
    fields.back().needed = absl::StrCat("Enter what ", "goal ", row, " is");
    fields.push_back(RowField(FieldKind::kSelect, kGoals, row, "importance", "importance",
                              absl::StrCat(goal, ": how much it matters to the person")));
    fields.back().options = Scale(1, "Not said");
    fields.back().needed = absl::StrCat("Select how much goal ", row, " matters");
    fields.push_back(RowField(FieldKind::kSelect, kGoals, row, "status", "status",
                              absl::StrCat(goal, ": how it stands")));
    fields.back().options = GoalStatuses("Not said");
    fields.push_back(RowField(FieldKind::kText, kGoals, row, "outcome", "outcome",
                              absl::StrCat(goal, ": what came of it so far")));
    for (const char* part : kGoals.hidden) {
      fields.push_back({.kind = FieldKind::kHidden, .name = RowName(kGoals, row, part)});
    }
  }
}

void AddActionFields(std::vector<Field>& fields, const FormValues& values) {
  std::vector<Option> goals = {{"", "None in particular"}};
  for (int row = 1; row <= ShownRows(kGoals, values); ++row) {
    goals.push_back({absl::StrCat(row), absl::StrCat("Goal ", row)});
  }
  fields.push_back(Heading("Actions", "Who does what, and when."));
  for (int row = 1; row <= ShownRows(kActions, values); ++row) {
    const std::string action = absl::StrCat("Action ", row);
    fields.push_back(RowField(FieldKind::kText, kActions, row, "what", "what", action));
    fields.back().needed = absl::StrCat("Enter what action ", row, " is");
    fields.push_back(RowField(FieldKind::kText, kActions, row, "who", "who",
                              absl::StrCat(action, ": who does it")));
    fields.back().needed = absl::StrCat("Enter who does action ", row);
    fields.push_back(
        RowField(FieldKind::kText, kActions, row, "when", "when", absl::StrCat(action, ": when")));
    fields.push_back(RowField(FieldKind::kSelect, kActions, row, "confidence", "confidence",
                              absl::StrCat(action, ": how sure the person is")));
    fields.back().options = Scale(1, "Not said");
    fields.back().needed = absl::StrCat("Select how sure the person is of action ", row);
    fields.push_back(RowField(FieldKind::kSelect, kActions, row, "goal", "goal_number",
                              absl::StrCat(action, ": for which goal")));
    fields.back().options = goals;
    fields.push_back(RowField(FieldKind::kSelect, kActions, row, "status", "status",
                              absl::StrCat(action, ": how it stands")));
    fields.back().options =
        WithNone("Not said",
                 Names("ACTION_STATUS_", {"PLANNED", "IN_PROGRESS", "DONE", "REFUSED", "STOPPED"}));
    fields.push_back({.kind = FieldKind::kHidden, .name = RowName(kActions, row, "due")});
  }
}

std::vector<Field> PlanFields(const rv1::Referral&, const FormValues& values) {
  std::vector<Field> fields = {
      {.kind = FieldKind::kWords,
       .name = "matters",
       .path = "plan.what_matters",
       .label = "What matters to the person, in their own words",
       .hint = "2,000 characters at most.",
       .needed = "Enter what matters to the person"},
      {.kind = FieldKind::kWords,
       .name = "strengths",
       .path = "plan.strengths",
       .label = "Strengths",
       .hint = "What the person can do, and who is there for them. 2,000 characters at most."}};
  AddNeedFields(fields, values);
  AddGoalFields(fields, values);
  AddActionFields(fields, values);
  fields.push_back(Heading("Agreement and review"));
  fields.push_back({.kind = FieldKind::kRadios,
                    .name = "agreement",
                    .path = "plan.agreement",
                    .label = "Who agreed to the plan?",
                    .needed = "Select who agreed to the plan",
                    .options = {{"PLAN_AGREEMENT_PERSON", "The person"},
                                {"PLAN_AGREEMENT_REPRESENTATIVE", "A representative"},
                                {"PLAN_AGREEMENT_NONE", "Nobody"}}});
  fields.push_back({.kind = FieldKind::kText,
                    .name = "representative",
                    .path = "plan.representative",
                    .label = "If a representative: who?",
                    .needed = "Enter who the representative is"});
  fields.push_back({.kind = FieldKind::kText,
                    .name = "not-agreed",
                    .path = "plan.not_agreed_reason",
                    .label = "If nobody: why?",
                    .needed = "Enter why nobody agreed"});
  fields.push_back(
      {.kind = FieldKind::kCheckboxes,
       .name = "criteria",
       .path = "plan.criteria",
       .label = "What holds of this plan?",
       .hint = "With all five it counts as a personalised care and support plan.",
       .options = {{"central", "The person is central in making it, and agrees who is involved"},
                   {"conversation", "We talked about what matters and about all needs"},
                   {"outcomes", "We agreed what should come of it"},
                   {"sharable", "One plan that can be shared says all of it"},
                   {"review", "The person reviews it with somebody who supports them"}}});
  fields.push_back({.kind = FieldKind::kText,
                    .name = "reviewer",
                    .path = "plan.review_worker_id",
                    .label = "Who sees to the next review?",
                    .hint = "A user name."});
  fields.push_back(DateField("review", "plan.planned_review_date", "Day of the next review", ""));
  fields.push_back(
      {.kind = FieldKind::kSelect,
       .name = "funding",
       .path = "plan.funding",
       .label = "Who pays for the care?",
       .options = WithNone("Not said", Names("CARE_FUNDING_", {"NHS", "LOCAL_AUTHORITY", "JOINT",
                                                               "PERSONAL_HEALTH_BUDGET",
                                                               "VOLUNTARY", "SELF", "OTHER"}))});
  return fields;
}

std::string Number(int64_t number) { return number == 0 ? "" : absl::StrCat(number); }

void PrefillPlan(const WorkContext& context, FormValues& values) {
  const rv1::CarePlan& plan = context.referral.care().plan();
  values.Set("matters", plan.what_matters().text());
  values.Set("strengths", plan.strengths().text());
  for (int i = 0; i < plan.needs_size(); ++i) {
    values.Set(RowName(kNeeds, i + 1, "text"), plan.needs(i).text().text());
    values.Set(RowName(kNeeds, i + 1, "code"), plan.needs(i).code());
  }
  std::map<int, int> rows;  // of the goals' numbers
  for (int i = 0; i < plan.goals_size(); ++i) {
    const rv1::Goal& goal = plan.goals(i);
    rows[goal.number()] = i + 1;
    values.Set(RowName(kGoals, i + 1, "number"), Number(goal.number()));
    values.Set(RowName(kGoals, i + 1, "description"), goal.description().text());
    values.Set(RowName(kGoals, i + 1, "importance"), Number(goal.importance()));
    values.Set(RowName(kGoals, i + 1, "status"), NameOfValue(goal.status()));
    values.Set(RowName(kGoals, i + 1, "outcome"), goal.outcome().text());
    values.Set(RowName(kGoals, i + 1, "stage"), Number(goal.stage_of()));
  }
  for (int i = 0; i < plan.actions_size(); ++i) {
    const rv1::Action& action = plan.actions(i);
    values.Set(RowName(kActions, i + 1, "what"), action.what().text());
    values.Set(RowName(kActions, i + 1, "who"), action.who().text());
    values.Set(RowName(kActions, i + 1, "when"), action.when().text());
    values.Set(RowName(kActions, i + 1, "confidence"), Number(action.confidence()));
    values.Set(RowName(kActions, i + 1, "goal"), Number(rows[action.goal_number()]));
    values.Set(RowName(kActions, i + 1, "status"), NameOfValue(action.status()));
    values.Set(RowName(kActions, i + 1, "due"), action.due_date());
  }
  values.Set("agreement", NameOfValue(plan.agreement()));
  values.Set("representative", plan.representative().text());
  values.Set("not-agreed", plan.not_agreed_reason().text());
  const rv1::PlanCriteria& criteria = plan.criteria();
  for (const auto& [name, holds] : {std::pair("central", criteria.person_central()),
                                    std::pair("conversation", criteria.conversation_held()),
                                    std::pair("outcomes", criteria.outcomes_agreed()),
                                    std::pair("sharable", criteria.one_sharable_plan()),
                                    std::pair("review", criteria.review_arranged())}) {
    if (holds) values.Add("criteria", name);
  }
  values.Set("reviewer",
             plan.review_worker_id().empty() ? context.viewer.subject : plan.review_worker_id());
  values.SetDate("review", plan.planned_review_date());
  values.Set("funding", NameOfValue(plan.funding()));
}

int NumberOf(const FormValues& values, const std::string& name) {
  int number = 0;
  return absl::SimpleAtoi(values.Get(name), &number) ? number : 0;
}

// The numbers of the goals by their rows: a goal keeps its own in all versions, a new one gets the
// next that no goal had.
std::vector<int> GoalNumbers(const FormValues& values, const rv1::CarePlan& before) {
  int highest = 0;
  for (const rv1::Goal& goal : before.goals()) highest = std::max(highest, goal.number());
  std::vector<int> numbers;
  for (int row = 1; row <= FilledRows(kGoals, values); ++row) {
    const int number = NumberOf(values, RowName(kGoals, row, "number"));
    numbers.push_back(number > 0 ? number : ++highest);
  }
  return numbers;
}

void FillCriteria(const FormValues& values, const WorkContext& context, rv1::CarePlan& plan) {
  const rv1::PlanCriteria& before = context.referral.care().plan().criteria();
  rv1::PlanCriteria criteria;
  criteria.set_person_central(values.Has("criteria", "central"));
  criteria.set_conversation_held(values.Has("criteria", "conversation"));
  criteria.set_outcomes_agreed(values.Has("criteria", "outcomes"));
  criteria.set_one_sharable_plan(values.Has("criteria", "sharable"));
  criteria.set_review_arranged(values.Has("criteria", "review"));
  if (values.All("criteria").empty() && before.date().empty()) return;  // nobody has looked
  rv1::PlanCriteria undated = before;
  undated.clear_date();
  const bool is_as_before = undated.SerializeAsString() == criteria.SerializeAsString();
  criteria.set_date(is_as_before ? before.date() : base::LondonDate(context.now));
  *plan.mutable_criteria() = std::move(criteria);
}

std::unique_ptr<Message> PlanOf(const FormValues& values, const WorkContext& context, Errors&) {
  auto request = std::make_unique<rv1::RecordCarePlanRequest>();
  rv1::CarePlan& plan = *request->mutable_plan();
  plan.mutable_what_matters()->set_text(values.Get("matters"));
  IfWritten(values.Get("strengths"),
            [&](const std::string& words) { plan.mutable_strengths()->set_text(words); });
  for (int row = 1; row <= FilledRows(kNeeds, values); ++row) {
    rv1::Need& need = *plan.add_needs();
    need.set_code(values.Get(RowName(kNeeds, row, "code")));
    IfWritten(values.Get(RowName(kNeeds, row, "text")),
              [&](const std::string& words) { need.mutable_text()->set_text(words); });
  }
  const std::vector<int> numbers = GoalNumbers(values, context.referral.care().plan());
  for (int row = 1; row <= FilledRows(kGoals, values); ++row) {
    const auto at = [&](const char* part) { return RowName(kGoals, row, part); };
    rv1::Goal& goal = *plan.add_goals();
    goal.set_number(numbers[row - 1]);
    goal.mutable_description()->set_text(values.Get(at("description")));
    goal.set_importance(NumberOf(values, at("importance")));
    goal.set_status(Parsed<rv1::GoalStatus>(values.Get(at("status"))));
    goal.set_stage_of(NumberOf(values, at("stage")));
    IfWritten(values.Get(at("outcome")),
              [&](const std::string& words) { goal.mutable_outcome()->set_text(words); });
  }
  for (int row = 1; row <= FilledRows(kActions, values); ++row) {
    const auto at = [&](const char* part) { return RowName(kActions, row, part); };
    rv1::Action& action = *plan.add_actions();
    action.mutable_what()->set_text(values.Get(at("what")));
    action.mutable_who()->set_text(values.Get(at("who")));
    IfWritten(values.Get(at("when")),
              [&](const std::string& words) { action.mutable_when()->set_text(words); });
    action.set_confidence(NumberOf(values, at("confidence")));
    action.set_status(Parsed<rv1::ActionStatus>(values.Get(at("status"))));
    action.set_due_date(values.Get(at("due")));
    const int goal = NumberOf(values, at("goal"));
    if (goal >= 1 && goal <= static_cast<int>(numbers.size())) {
      action.set_goal_number(numbers[goal - 1]);
    }
  }
  plan.set_agreement(Parsed<rv1::PlanAgreement>(values.Get("agreement")));
  IfWritten(values.Get("representative"),
            [&](const std::string& words) { plan.mutable_representative()->set_text(words); });
  IfWritten(values.Get("not-agreed"),
            [&](const std::string& words) { plan.mutable_not_agreed_reason()->set_text(words); });
  FillCriteria(values, context, plan);
  plan.set_review_worker_id(values.Get("reviewer"));
  plan.set_planned_review_date(values.Date("review"));
  plan.set_funding(Parsed<rv1::CareFunding>(values.Get("funding")));
  return request;
}

std::unique_ptr<Message> OfferOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RecordPlanOfferRequest>();
  request->set_offer(Parsed<rv1::PlanOffer>(values.Get("offer")));
  request->set_date(values.Date("date"));
  return request;
}

std::vector<Field> ReviewFields(const rv1::Referral& referral, const FormValues&) {
  std::vector<Field> fields = {
      {.kind = FieldKind::kRadios,
       .name = "kind",
       .path = "review.kind",
       .label = "What kind of review was it?",
       .needed = "Select what kind of review it was",
       .options = Names("PLAN_REVIEW_KIND_", {"FORMAL", "INFORMAL"})},
      DateField("date", "review.date", "Day of the review", "Enter the day of the review"),
      {.kind = FieldKind::kRadios,
       .name = "outcome",
       .path = "review.outcome",
       .label = "What came of it?",
       .needed = "Select what came of the review",
       .options = {{"PLAN_REVIEW_OUTCOME_CONTINUES", "The plan continues"},
                   {"PLAN_REVIEW_OUTCOME_CHANGES", "The plan changes"},
                   {"PLAN_REVIEW_OUTCOME_ENDS", "The plan ends"}}},
      NoteField("Note", "1,000 characters at most.", "review.note"),
      DateField("next", "review.next_review_date", "Day of the next review", "")};
  int row = 0;
  for (const rv1::Goal& goal : referral.care().plan().goals()) {
    const std::string name = absl::StrCat("goal-", ++row);
    fields.push_back({.kind = FieldKind::kHeading, .label = goal.description().text()});
    fields.push_back({.kind = FieldKind::kSelect,
                      .name = name + "-status",
                      .label = absl::StrCat("Goal ", row, ": how it stands"),
                      .options = GoalStatuses("Nothing new")});
    fields.push_back({.kind = FieldKind::kText,
                      .name = name + "-outcome",
                      .label = absl::StrCat("Goal ", row, ": what came of it")});
  }
  return fields;
}

std::unique_ptr<Message> ReviewOf(const FormValues& values, const WorkContext& context,
                                  Errors& errors) {
  auto request = std::make_unique<rv1::ReviewCarePlanRequest>();
  rv1::PlanReview& review = *request->mutable_review();
  review.set_kind(Parsed<rv1::PlanReviewKind>(values.Get("kind")));
  review.set_date(values.Date("date"));
  review.set_outcome(Parsed<rv1::PlanReviewOutcome>(values.Get("outcome")));
  IfWritten(values.Get("note"),
            [&](const std::string& words) { review.mutable_note()->set_text(words); });
  review.set_next_review_date(values.Date("next"));
  int row = 0;
  for (const rv1::Goal& goal : context.referral.care().plan().goals()) {
    const std::string name = absl::StrCat("goal-", ++row);
    const auto status = Parsed<rv1::GoalStatus>(values.Get(name + "-status"));
    const std::string outcome = values.Get(name + "-outcome");
    if (status == 0 && outcome.empty()) continue;
    if (status == 0) {
      errors.push_back({name + "-status", absl::StrCat("Select how goal ", row, " stands")});
    }
    rv1::GoalOutcome& of_goal = *review.add_goal_outcomes();
    of_goal.set_goal_number(goal.number());
    of_goal.set_status(status);
    if (!outcome.empty()) of_goal.mutable_outcome()->set_text(outcome);
  }
  return request;
}

std::unique_ptr<Message> RiskOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::AddPlanRiskRequest>();
  request->mutable_risk()->set_kind(Parsed<rv1::RiskKind>(values.Get("kind")));
  IfWritten(values.Get("note"), [&](const std::string& words) {
    request->mutable_risk()->mutable_description()->set_text(words);
  });
  return request;
}

bool IsOpen(const rv1::PlanRisk& risk) { return risk.end_date().empty(); }

std::vector<Field> EndRiskFields(const rv1::Referral& referral, const FormValues&) {
  Field which = {.kind = FieldKind::kRadios,
                 .name = "number",
                 .path = "number",
                 .label = "Which risk is there no longer?",
                 .needed = "Select the risk"};
  for (const rv1::PlanRisk& risk : referral.care().risks()) {
    if (!IsOpen(risk)) continue;
    const std::string kind = NameOfValue(risk.risk().kind()).substr(sizeof("RISK_KIND_") - 1);
    const std::string& words = risk.risk().description().text();
    which.options.push_back({absl::StrCat(risk.number()),
                             absl::StrCat(CodeWords(kind), words.empty() ? "" : ": ", words)});
  }
  return {which, DateField("date", "end_date", "Since when?", "Enter the day"),
          NoteField("Why?", "500 characters at most.", "reason")};
}

std::unique_ptr<Message> EndOfRisk(const FormValues& values, const WorkContext&, Errors& errors) {
  auto request = std::make_unique<rv1::EndPlanRiskRequest>();
  request->set_number(NumberOf(values, "number"));
  request->set_end_date(values.Date("date"));
  request->mutable_reason()->set_text(values.Get("note"));
  if (request->number() == 0) errors.push_back({"number", "Select the risk"});
  return request;
}

Field PointField() {
  return {.kind = FieldKind::kRadios,
          .name = "point",
          .path = "measure.point",
          .label = "When was it asked?",
          .needed = "Select when it was asked",
          .options = {{"MEASURE_POINT_BASELINE", "Before the help"},
                      {"MEASURE_POINT_FOLLOW_UP", "Afterwards"}}};
}

Field AnswerField(const char* name, const char* path, const char* label, const char* hint) {
  return {.kind = FieldKind::kSelect,
          .name = name,
          .path = path,
          .label = label,
          .hint = hint,
          .options = Scale(0, "Not answered")};
}

rv1::RecordMeasureRequest MeasureOf(const FormValues& values) {
  rv1::RecordMeasureRequest request;
  request.mutable_measure()->set_point(Parsed<rv1::MeasurePoint>(values.Get("point")));
  request.mutable_measure()->set_date(values.Date("date"));
  return request;
}

std::unique_ptr<Message> WellBeingOf(const FormValues& values, const WorkContext&, Errors&) {
  auto request = std::make_unique<rv1::RecordMeasureRequest>(MeasureOf(values));
  rv1::Ons4& ons4 = *request->mutable_measure()->mutable_ons4();
  ons4.set_version(rv1::ONS4_VERSION_ADULT);
  int answer = 0;
  if (absl::SimpleAtoi(values.Get("satisfied"), &answer)) ons4.set_life_satisfaction(answer);
  if (absl::SimpleAtoi(values.Get("worthwhile"), &answer)) ons4.set_worthwhile(answer);
  if (absl::SimpleAtoi(values.Get("happy"), &answer)) ons4.set_happy_yesterday(answer);
  if (absl::SimpleAtoi(values.Get("anxious"), &answer)) ons4.set_anxious_yesterday(answer);
  return request;
}

std::unique_ptr<Message> ActivationOf(const FormValues& values, const WorkContext&,
                                      Errors& errors) {
  auto request = std::make_unique<rv1::RecordMeasureRequest>(MeasureOf(values));
  rv1::PamScore& pam = *request->mutable_measure()->mutable_pam();
  double score = 0;
  if (!absl::SimpleAtod(values.Get("score"), &score) || !(score >= 0 && score <= 100)) {
    errors.push_back({"score", "Enter the score, 0 to 100, for example 56.4"});
  } else {
    pam.set_score_tenths(static_cast<int>(score * 10 + 0.5));
  }
  pam.set_version(values.Get("edition"));
  return request;
}

bool HasPlan(const rv1::Referral& referral) { return referral.care().plan_version() > 0; }

void PrefillDate(const WorkContext& context, FormValues& values) {
  values.SetDate("date", base::LondonDate(context.now));
}

}  // namespace

std::vector<WorkForm> PlanForms() {
  std::vector<WorkForm> forms;
  forms.push_back({.name = "plan",
                   .title = "Write the plan",
                   .lead = "A plan is recorded whole. What was there before stays in the history.",
                   .button = "Record the plan",
                   .done = "The plan is recorded",
                   .fields_of = PlanFields,
                   .checks_version = true,
                   .fits = IsPlanned,
                   .prefill = PrefillPlan,
                   .tidy = TidyPlan,
                   .request = PlanOf});
  forms.push_back({.name = "review",
                   .title = "Review the plan",
                   .button = "Record the review",
                   .done = "The review is recorded",
                   .fields_of = ReviewFields,
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsPlanned(referral, viewer) && HasPlan(referral);
                       },
                   .prefill = PrefillDate,
                   .request = ReviewOf});
  forms.push_back({.name = "offer",
                   .title = "Record the offer of a plan",
                   .button = "Record the offer",
                   .done = "The offer is recorded",
                   .fields = {{.kind = FieldKind::kRadios,
                               .name = "offer",
                               .path = "offer",
                               .label = "Was a care and support plan offered?",
                               .needed = "Select whether a plan was offered",
                               .options = {{"PLAN_OFFER_ACCEPTED", "Offered and accepted"},
                                           {"PLAN_OFFER_UNDECIDED", "Offered, not decided"},
                                           {"PLAN_OFFER_DECLINED", "Offered and declined"},
                                           {"PLAN_OFFER_UNABLE", "Offered, the person is unable"},
                                           {"PLAN_OFFER_NOT_OFFERED", "Not offered"},
                                           {"PLAN_OFFER_NOT_OFFERED_OTHER",
                                            "Not offered, for another reason"}}},
                              DateField("date", "date", "On which day?", "Enter the day")},
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                                !HasPlan(referral) &&
                                referral.status() >= rv1::REFERRAL_STATUS_ACCEPTED;
                       },
                   .prefill = PrefillDate,
                   .request = OfferOf});
  forms.push_back(
      {.name = "well-being",
       .title = "Record well-being (ONS4)",
       .lead = "Four questions of the Office for National Statistics, 0 to 10 each.",
       .button = "Record the answers",
       .done = "The answers are recorded",
       .fields = {PointField(), DateField("date", "measure.date", "On which day?", "Enter the day"),
                  AnswerField("satisfied", "measure.ons4.life_satisfaction",
                              "How satisfied with life?", "10 is completely."),
                  AnswerField("worthwhile", "measure.ons4.worthwhile",
                              "How worthwhile is what you do?", "10 is completely."),
                  AnswerField("happy", "measure.ons4.happy_yesterday", "How happy yesterday?",
                              "10 is completely."),
                  AnswerField("anxious", "measure.ons4.anxious_yesterday", "How anxious yesterday?",
                              "10 is completely: here less is better.")},
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                    referral.status() >= rv1::REFERRAL_STATUS_ACCEPTED;
           },
       .prefill = PrefillDate,
       .request = WellBeingOf});
  forms.push_back({.name = "activation",
                   .title = "Record patient activation (PAM)",
                   .lead = "The score that the licensed tool gave.",
                   .button = "Record the score",
                   .done = "The score is recorded",
                   .fields = {PointField(),
                              DateField("date", "measure.date", "On which day?", "Enter the day"),
                              {.kind = FieldKind::kText,
                               .name = "score",
                               .path = "measure.pam.score_tenths",
                               .label = "Score",
                               .hint = "0 to 100, for example 56.4",
                               .is_short = true},
                              {.kind = FieldKind::kSelect,
                               .name = "edition",
                               .path = "measure.pam.version",
                               .label = "Edition",
                               .options = {{"PAM-13", "PAM-13"}, {"PAM-10", "PAM-10"}}}},
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                                referral.status() >= rv1::REFERRAL_STATUS_ACCEPTED;
                       },
                   .prefill = PrefillDate,
                   .request = ActivationOf});
  forms.push_back(
      {.name = "risk",
       .title = "Add a risk",
       .button = "Add the risk",
       .done = "The risk is added",
       .fields = {{.kind = FieldKind::kRadios,
                   .name = "kind",
                   .path = "risk.kind",
                   .label = "What kind of risk is it?",
                   .needed = "Select what kind of risk it is",
                   .options = Names("RISK_KIND_", {"TO_SELF", "TO_OTHERS", "FROM_OTHERS",
                                                   "ENVIRONMENT", "OTHER"})},
                  NoteField("What must everybody know?", "500 characters at most.",
                            "risk.description")},
       .fits =
           [](const rv1::Referral& referral, const Viewer& viewer) {
             return IsReceiver(referral, viewer) && IsUnderWay(referral);
           },
       .request = RiskOf});
  forms.push_back({.name = "risk-end",
                   .title = "End a risk",
                   .lead = "A risk may end; it never goes from the record.",
                   .button = "End the risk",
                   .done = "The risk has ended",
                   .fields_of = EndRiskFields,
                   .fits =
                       [](const rv1::Referral& referral, const Viewer& viewer) {
                         return IsReceiver(referral, viewer) && IsUnderWay(referral) &&
                                std::ranges::any_of(referral.care().risks(), IsOpen);
                       },
                   .prefill = PrefillDate,
                   .request = EndOfRisk});
  return forms;
}

}  // namespace fettle::gateway

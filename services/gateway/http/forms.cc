#include "services/gateway/http/forms.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "services/gateway/fields.h"

namespace fettle::gateway {
namespace {

// Refusals that no field can cure, in the words of who works here. Others are told in the words of
// the service.
constexpr std::pair<std::string_view, std::string_view> kRefusalWords[] = {
    {"VERSION_MISMATCH",
     "Somebody changed this while you filled in the form. Look at what is new, then send "
     "the form again"},
    {"REQUEST_ID_REUSED",
     "This form was recorded before, with other words. Look at what happened, and send it again "
     "only "
     "to record this as well"},
    {"TRANSITION_NOT_ALLOWED", "The referral is in a state that does not allow this any more"},
    {"REFERRAL_NOT_UNDER_WAY", "The referral is closed, or is a draft"},
    {"WORKER_ALREADY_ASSIGNED", "Somebody is in charge already"},
    {"WORKER_NOT_ASSIGNED", "Nobody is in charge"},
    {"OPEN_REFERRAL_EXISTS", "The person has an open referral to this service already"},
    {"PERSON_DECEASED", "The registry says that the person has died"},
    {"PLAN_MISSING", "There is no plan yet. Record it first"},
    {"FIRST_CONTACT_MISSING", "Record the first contact before this"},
    {"ROLE_NOT_ALLOWED", "Your role may not do this"},
    {"ORGANISATION_MAY_NOT_DO_THIS", "Only the other organisation of the referral may do this"},
};

std::string MetadataOf(const absl::Status& refusal, const std::string& key) {
  const auto info = base::ErrorInfoOf(refusal);
  if (!info.has_value()) return "";
  const auto found = info->metadata().find(key);
  return found == info->metadata().end() ? "" : found->second;
}

// Without the numbers of rules.
std::string Plain(std::string text) {
  for (size_t begin; (begin = text.find(" (INV-")) != std::string::npos;) {
    const size_t end = text.find(')', begin);
    if (end == std::string::npos) break;
    text.erase(begin, end + 1 - begin);
  }
  return text;
}

std::string Capital(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  return text;
}

std::string WholeRefusal(const absl::Status& refusal) {
  const std::string reason = base::ReasonOf(refusal);
  if (absl::IsUnavailable(refusal) || absl::IsDeadlineExceeded(refusal)) {
    return "This could not be recorded now. Send the form again in a while";
  }
  if (reason == "MANDATORY_ITEMS_MISSING") {
    std::string items;
    for (const auto& item :
         absl::StrSplit(MetadataOf(refusal, "missing_items"), ", ", absl::SkipEmpty())) {
      const std::string words = CodeWords(base::ToStd(item));
      absl::StrAppend(&items, items.empty() ? "" : ", ", absl::AsciiStrToLower(words));
    }
    return absl::StrCat("Ask the referrer first, because this is missing: ", items);
  }
  if (reason == "ATTEMPTS_TOO_FEW") {
    return absl::StrCat("Record attempts on ", MetadataOf(refusal, "attempt_days_min"),
                        " different days first; there are ", MetadataOf(refusal, "attempt_days"));
  }
  for (const auto& [known, words] : kRefusalWords) {
    if (reason == known) return std::string(words);
  }
  // Messages of refusals say what is accepted and repeat nothing that was sent. One without a
  // reason is a fault of ours.
  return reason.empty() ? "This could not be recorded. The fault is ours"
                        : Capital(Plain(std::string(base::ToStd(refusal.message()))));
}

bool IsEmpty(const Field& field, const FormValues& values) {
  if (field.kind == FieldKind::kDate) return values.Date(field.name).empty();
  return values.All(field.name).empty() || values.Get(field.name).empty();
}

// The id of the first input, where an error leads.
std::string AnchorOf(std::span<const Field> fields, std::string_view name) {
  const auto field = std::ranges::find(fields, name, &Field::name);
  const bool is_date = field != fields.end() && field->kind == FieldKind::kDate;
  return base::Concat(name, is_date ? "-day" : "");
}

std::string_view ErrorOf(const Field& field, const std::vector<FormError>& errors) {
  const auto error = std::ranges::find(errors, field.name, &FormError::field);
  return error == errors.end() ? std::string_view() : error->text;
}

// ` aria-describedby="a-hint a-error"`, where there are such.
void AddDescribedBy(Html& html, const Field& field, bool has_error) {
  const bool has_hint = !field.hint.empty();
  if (!has_hint && !has_error) return;
  html.Raw(" aria-describedby=\"");
  if (has_hint) html.Text(field.name).Raw("-hint");
  if (has_error) html.RawIf(has_hint, " ").Text(field.name).Raw("-error");
  html.Raw("\"");
}

void AddHintAndError(Html& html, const Field& field, std::string_view error) {
  if (!field.hint.empty()) {
    html.Raw("<div class=\"nhsuk-hint\" id=\"")
        .Text(field.name)
        .Raw("-hint\">")
        .Text(field.hint)
        .Raw("</div>\n");
  }
  if (!error.empty()) {
    html.Raw("<span class=\"nhsuk-error-message\" id=\"")
        .Text(field.name)
        .Raw("-error\"><span class=\"nhsuk-u-visually-hidden\">Error: </span>")
        .Text(error)
        .Raw("</span>\n");
  }
}

void AddLabel(Html& html, const Field& field) {
  html.Raw("<label class=\"nhsuk-label nhsuk-label--s\" for=\"")
      .Text(field.name)
      .Raw("\">")
      .Text(field.label)
      .Raw("</label>\n");
}

void AddInput(Html& html, const Field& field, const FormValues& values, std::string_view error) {
  AddLabel(html, field);
  AddHintAndError(html, field, error);
  const bool is_words = field.kind == FieldKind::kWords;
  if (is_words) {
    html.Raw("<textarea class=\"nhsuk-textarea").RawIf(!error.empty(), " nhsuk-textarea--error");
    html.Raw("\" rows=\"4\"");
  } else {
    html.Raw("<input type=\"text\" class=\"nhsuk-input");
    html.RawIf(field.is_short, " nhsuk-input--width-5");
    html.RawIf(!error.empty(), " nhsuk-input--error").Raw("\"");
  }
  html.Raw(" autocomplete=\"off\" id=\"")
      .Text(field.name)
      .Raw("\" name=\"")
      .Text(field.name)
      .Raw("\"");
  AddDescribedBy(html, field, !error.empty());
  if (is_words) {
    // A first line break of a textarea's content is dropped by the reader: this one, not the
    // writer's.
    html.Raw(">\n").Text(values.Get(field.name)).Raw("</textarea>\n");
  } else {
    html.Raw(" value=\"").Text(values.Get(field.name)).Raw("\">\n");
  }
}

void AddSelect(Html& html, const Field& field, const FormValues& values, std::string_view error) {
  AddLabel(html, field);
  AddHintAndError(html, field, error);
  html.Raw("<select class=\"nhsuk-select")
      .RawIf(!error.empty(), " nhsuk-select--error")
      .Raw("\" id=\"")
      .Text(field.name)
      .Raw("\" name=\"")
      .Text(field.name)
      .Raw("\"");
  AddDescribedBy(html, field, !error.empty());
  html.Raw(">\n");
  for (const Option& option : field.options) {
    html.Raw("<option value=\"").Text(option.value).Raw("\"");
    if (values.Get(field.name) == option.value) html.Raw(" selected");
    html.Raw(">").Text(option.label).Raw("</option>\n");
  }
  html.Raw("</select>\n");
}

void OpenFieldset(Html& html, const Field& field, std::string_view error) {
  html.Raw("<fieldset class=\"nhsuk-fieldset\"");
  // A group of text inputs is announced with its name only when it says that it is a group.
  if (field.kind == FieldKind::kDate) html.Raw(" role=\"group\"");
  AddDescribedBy(html, field, !error.empty());
  html.Raw("><legend class=\"nhsuk-fieldset__legend nhsuk-fieldset__legend--s\">")
      .Text(field.label)
      .Raw("</legend>\n");
  AddHintAndError(html, field, error);
}

void AddOptions(Html& html, const Field& field, const FormValues& values, std::string_view error) {
  const bool is_radio = field.kind == FieldKind::kRadios;
  OpenFieldset(html, field, error);
  html.RawIf(is_radio, "<div class=\"nhsuk-radios\">\n", "<div class=\"nhsuk-checkboxes\">\n");
  for (size_t i = 0; i < field.options.size(); ++i) {
    const Option& option = field.options[i];
    const std::string id = i == 0 ? field.name : absl::StrCat(field.name, "-", i + 1);
    html.RawIf(is_radio,
               "<div class=\"nhsuk-radios__item\"><input class=\"nhsuk-radios__input\" "
               "type=\"radio\" id=\"",
               "<div class=\"nhsuk-checkboxes__item\"><input "
               "class=\"nhsuk-checkboxes__input\" type=\"checkbox\" id=\"")
        .Text(id)
        .Raw("\" name=\"")
        .Text(field.name)
        .Raw("\" value=\"")
        .Text(option.value)
        .Raw("\"");
    if (values.Has(field.name, option.value)) html.Raw(" checked");
    html.RawIf(is_radio, "><label class=\"nhsuk-label nhsuk-radios__label\" for=\"",
               "><label class=\"nhsuk-label nhsuk-checkboxes__label\" for=\"")
        .Text(id)
        .Raw("\">")
        .Text(option.label)
        .Raw("</label>");
    html.Raw("</div>\n");
  }
  html.Raw("</div></fieldset>\n");
}

void AddDate(Html& html, const Field& field, const FormValues& values, std::string_view error) {
  OpenFieldset(html, field, error);
  html.Raw("<div class=\"nhsuk-date-input\">\n");
  for (const char* part : {"day", "month", "year"}) {
    const std::string id = absl::StrCat(field.name, "-", part);
    html.Raw("<div class=\"nhsuk-date-input__item\"><div class=\"nhsuk-form-group\">")
        .Raw("<label class=\"nhsuk-label nhsuk-date-input__label\" for=\"")
        .Text(id)
        .Raw("\">")
        .Text(CodeWords(part))
        .Raw("</label><input class=\"nhsuk-input nhsuk-date-input__input ")
        .RawIf(std::string_view(part) == "year", "nhsuk-input--width-4", "nhsuk-input--width-2")
        .RawIf(!error.empty(), " nhsuk-input--error")
        .Raw("\" type=\"text\" inputmode=\"numeric\" autocomplete=\"off\" id=\"")
        .Text(id)
        .Raw("\" name=\"")
        .Text(id)
        .Raw("\" value=\"")
        .Text(values.Get(id))
        .Raw("\"></div></div>\n");
  }
  html.Raw("</div></fieldset>\n");
}

}  // namespace

FormValues::FormValues(std::string_view body) {
  for (auto& [name, value] : FormPairs(body)) {
    const std::string lines = absl::StrReplaceAll(value, {{"\r\n", "\n"}, {"\r", "\n"}});
    values_.emplace_back(std::move(name),
                         base::ReplaceInvalidUtf8(base::ToStd(absl::StripAsciiWhitespace(lines))));
  }
}

std::string FormValues::Get(std::string_view name) const {
  const auto found = std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
  return found == values_.end() ? "" : found->second;
}

std::vector<std::string> FormValues::All(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& [known, value] : values_) {
    if (known == name) all.push_back(value);
  }
  return all;
}

bool FormValues::Has(std::string_view name, std::string_view value) const {
  return std::ranges::any_of(
      values_, [&](const auto& known) { return known.first == name && known.second == value; });
}

std::string FormValues::Date(std::string_view name) const {
  const std::string day = Get(base::Concat(name, "-day")),
                    month = Get(base::Concat(name, "-month")),
                    year = Get(base::Concat(name, "-year"));
  if (day.empty() && month.empty() && year.empty()) return "";
  int days = 0, months = 0, years = 0;
  if (!absl::SimpleAtoi(day, &days) || !absl::SimpleAtoi(month, &months) ||
      !absl::SimpleAtoi(year, &years)) {
    return base::Concat(year, "-", month, "-", day);
  }
  return absl::StrFormat("%04d-%02d-%02d", years, months, days);
}

void FormValues::Set(std::string_view name, std::string value) {
  std::erase_if(values_, [&](const auto& known) { return known.first == name; });
  if (!value.empty()) Add(name, std::move(value));
}

void FormValues::Add(std::string_view name, std::string value) {
  values_.emplace_back(name, std::move(value));
}

void FormValues::SetDate(std::string_view name, std::string_view date) {
  const std::vector<std::string> parts = absl::StrSplit(base::ToAbsl(date), '-');
  if (parts.size() != 3) return;
  for (const auto& [part, value] :
       {std::pair("-day", parts[2]), std::pair("-month", parts[1]), std::pair("-year", parts[0])}) {
    Set(base::Concat(name, part), value);
  }
}

std::vector<FormError> EmptyOf(std::span<const Field> fields, const FormValues& values) {
  std::vector<FormError> errors;
  for (const Field& field : fields) {
    if (!field.needed.empty() && IsEmpty(field, values))
      errors.push_back({field.name, field.needed});
  }
  return errors;
}

std::vector<FormError> ErrorsOf(std::span<const Field> fields, const FormValues& values,
                                const absl::Status& refusal) {
  std::vector<FormError> errors;
  const google::rpc::BadRequest bad =
      base::BadRequestOf(refusal).value_or(google::rpc::BadRequest());
  for (const auto& violation : bad.field_violations()) {
    // `outcomes[0].code` belongs to the field that fills `outcomes`, unless one fills it itself.
    auto part_of = std::ranges::find(fields, violation.field(), &Field::path);
    if (part_of == fields.end()) {
      part_of = std::ranges::find_if(fields, [&](const Field& field) {
        return !field.path.empty() && violation.field().starts_with(field.path);
      });
    }
    if (part_of == fields.end()) continue;
    const bool was_said = std::ranges::any_of(
        errors, [&](const FormError& error) { return error.field == part_of->name; });
    if (was_said) continue;
    errors.push_back({part_of->name, IsEmpty(*part_of, values) && !part_of->needed.empty()
                                         ? part_of->needed
                                         : absl::StrCat(part_of->label, " must be ",
                                                        Plain(violation.description()))});
  }
  if (errors.empty()) errors.push_back({"", WholeRefusal(refusal)});
  return errors;
}

void AddHidden(Html& html, std::string_view name, std::string_view value) {
  html.Raw("<input type=\"hidden\" name=\"").Text(name).Raw("\" value=\"").Text(value).Raw("\">\n");
}

void AddErrorSummary(Html& html, std::span<const Field> fields,
                     const std::vector<FormError>& errors) {
  if (errors.empty()) return;
  html.Raw(R"(<div class="nhsuk-error-summary" id="error-summary" tabindex="-1" autofocus>
<div role="alert">
<h2 class="nhsuk-error-summary__heading">There is a problem</h2>
<div class="nhsuk-error-summary__body">
<ul class="nhsuk-list nhsuk-error-summary__list">
)");
  for (const FormError& error : errors) {
    html.Raw("<li>");
    if (error.field.empty()) {
      html.Text(error.text);
    } else {
      html.Raw("<a href=\"#")
          .Text(AnchorOf(fields, error.field))
          .Raw("\">")
          .Text(error.text)
          .Raw("</a>");
    }
    html.Raw("</li>\n");
  }
  html.Raw("</ul>\n</div>\n</div>\n</div>\n");
}

void AddFields(Html& html, std::span<const Field> fields, const FormValues& values,
               const std::vector<FormError>& errors) {
  for (const Field& field : fields) {
    if (field.kind == FieldKind::kHeading) {
      html.Raw("<h2 class=\"nhsuk-heading-m\">").Text(field.label).Raw("</h2>\n");
      if (!field.hint.empty()) html.Paragraph(field.hint);
      continue;
    }
    if (field.kind == FieldKind::kHidden) {
      AddHidden(html, field.name, values.Get(field.name));
      continue;
    }
    const std::string_view error = ErrorOf(field, errors);
    html.Raw("<div class=\"nhsuk-form-group")
        .RawIf(!error.empty(), " nhsuk-form-group--error")
        .Raw("\">\n");
    switch (field.kind) {
      case FieldKind::kText:
      case FieldKind::kWords:
        AddInput(html, field, values, error);
        break;
      case FieldKind::kDate:
        AddDate(html, field, values, error);
        break;
      case FieldKind::kRadios:
      case FieldKind::kCheckboxes:
        AddOptions(html, field, values, error);
        break;
      case FieldKind::kSelect:
        AddSelect(html, field, values, error);
        break;
      case FieldKind::kHidden:
      case FieldKind::kHeading:
        break;
    }
    html.Raw("</div>\n");
  }
}

std::string CodeWords(std::string_view code) {
  std::string words = absl::AsciiStrToLower(base::ToAbsl(code));
  std::ranges::replace(words, '_', ' ');
  return Capital(std::move(words));
}

}  // namespace fettle::gateway

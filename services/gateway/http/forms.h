// Forms as data: what is asked, how it is shown, and what is said when a service refuses it.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_FORMS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_FORMS_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/gateway/http/html.h"

namespace fettle::gateway {

// What a form was filled with. Line breaks are "\n", blanks around a value are gone, and what is no
// UTF-8 is replaced: a request could not carry it.
class FormValues {
 public:
  FormValues() = default;
  // An application/x-www-form-urlencoded body.
  explicit FormValues(std::string_view body);

  // The first value of that name, empty when there is none.
  std::string Get(std::string_view name) const;
  std::vector<std::string> All(std::string_view name) const;
  bool Has(std::string_view name, std::string_view value) const;
  // Day, month and year of a kDate field as YYYY-MM-DD: empty when all three are, and no date when
  // what was typed is none.
  std::string Date(std::string_view name) const;

  // Replaces what has that name; an empty value takes it away.
  void Set(std::string_view name, std::string value);
  // One more of that name.
  void Add(std::string_view name, std::string value);
  void SetDate(std::string_view name, std::string_view date);
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return values_; }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

enum class FieldKind {
  kText,        // one line
  kWords,       // several lines
  kDate,        // three inputs: <name>-day, <name>-month, <name>-year
  kRadios,      // one of a few options
  kSelect,      // one of many
  kCheckboxes,  // any of some
  kHidden,      // goes back as it came
  kHeading,     // begins a group: its label alone
};

struct Option {
  std::string value;
  std::string label;
};

struct Field {
  FieldKind kind;
  // Of the input, where an error leads.
  std::string name = {};
  // The field of the request that it fills, as a refusal names it.
  std::string path = {};
  std::string label = {};
  std::string hint = {};
  // What is said when it is needed and was left empty: "Enter …", "Select …".
  std::string needed = {};
  std::vector<Option> options = {};
  bool is_short = false;  // of a line: a few characters
};

// Something to correct: in a field, or, with an empty name, in the whole.
struct FormError {
  std::string field;
  std::string text;
};

// The fields that are needed and were left empty.
std::vector<FormError> EmptyOf(std::span<const Field> fields, const FormValues& values);
// What a refusal says to the person who filled the fields.
std::vector<FormError> ErrorsOf(std::span<const Field> fields, const FormValues& values,
                                const absl::Status& refusal);

void AddHidden(Html& html, std::string_view name, std::string_view value);
// At the top of a page; takes the focus, also without a script.
void AddErrorSummary(Html& html, std::span<const Field> fields,
                     const std::vector<FormError>& errors);
void AddFields(Html& html, std::span<const Field> fields, const FormValues& values,
               const std::vector<FormError>& errors);

// `DID_NOT_ATTEND` as "Did not attend".
std::string CodeWords(std::string_view code);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_FORMS_H_

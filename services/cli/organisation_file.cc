#include "services/cli/organisation_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/rpc/validate.h"

namespace fettle::cli {
namespace {

namespace pv1 = person::v1;
using Fields = std::vector<std::string>;

struct Kind {
  std::string_view word;
  FileKind kind;
  pv1::OrganisationKind organisation;  // unspecified: the lines are no organisations
  size_t columns_min;
};

constexpr size_t kCommonColumns = 27;

constexpr std::array kKinds = {
    Kind{"icb", FileKind::kIcb, pv1::ORGANISATION_KIND_ICB, kCommonColumns},
    Kind{"sub-icb-location", FileKind::kSubIcbLocation, pv1::ORGANISATION_KIND_SUB_ICB_LOCATION,
         kCommonColumns},
    Kind{"gp-practice", FileKind::kGpPractice, pv1::ORGANISATION_KIND_GP_PRACTICE, kCommonColumns},
    Kind{"nhs-trust", FileKind::kNhsTrust, pv1::ORGANISATION_KIND_NHS_TRUST, kCommonColumns},
    Kind{"site", FileKind::kSite, pv1::ORGANISATION_KIND_SITE, kCommonColumns},
    Kind{"local-authority", FileKind::kLocalAuthority, pv1::ORGANISATION_KIND_LOCAL_AUTHORITY,
         kCommonColumns},
    Kind{"other", FileKind::kOther, pv1::ORGANISATION_KIND_OTHER, kCommonColumns},
    Kind{"network", FileKind::kNetwork, pv1::ORGANISATION_KIND_PRIMARY_CARE_NETWORK, 6},
    Kind{"network-member", FileKind::kNetworkMember, pv1::ORGANISATION_KIND_UNSPECIFIED, 10},
    Kind{"succession", FileKind::kSuccession, pv1::ORGANISATION_KIND_UNSPECIFIED, 2},
    Kind{"patient-list", FileKind::kPatientList, pv1::ORGANISATION_KIND_UNSPECIFIED, 0},
};

// Columns of a file of patient lists, in the order in which they are read.
enum PatientColumn { kCode, kExtractDate, kSex, kAge, kPatients, kPatientColumns };
constexpr std::array<absl::string_view, kPatientColumns> kPatientColumnNames = {
    "CODE", "EXTRACT_DATE", "SEX", "AGE", "NUMBER_OF_PATIENTS"};
constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

const Kind& Of(FileKind kind) { return *std::ranges::find(kKinds, kind, &Kind::kind); }

// Column of a record, counted from 1, without spaces around it.
std::string Column(const Fields& fields, size_t column) {
  return std::string(absl::StripAsciiWhitespace(fields[column - 1]));
}

// 20130401 as 2013-04-01. Anything else as it is: the rule of the field refuses what is no date.
std::string Date(const Fields& fields, size_t column) {
  const std::string text = Column(fields, column);
  if (text.size() != 8 || !std::ranges::all_of(text, absl::ascii_isdigit)) return text;
  return base::Concat(text.substr(0, 4), "-", text.substr(4, 2), "-", text.substr(6));
}

// 01APR2026 as 2026-04-01; anything else as it is.
std::string ExtractDate(const std::string& text) {
  if (text.size() != 9) return text;
  const auto* month = std::ranges::find(kMonths, std::string_view(text).substr(2, 3));
  if (month == kMonths.end()) return text;
  const auto number = month - kMonths.begin() + 1;
  return base::Concat(text.substr(5), number < 10 ? "-0" : "-", number, "-", text.substr(0, 2));
}

pv1::Organisation CommonForm(const Fields& fields, const Kind& kind) {
  pv1::Organisation organisation;
  organisation.set_ods_code(Column(fields, 1));
  organisation.set_name(Column(fields, 2));
  organisation.set_kind(kind.organisation);
  organisation.set_start_date(Date(fields, 11));
  organisation.set_end_date(Date(fields, 12));
  organisation.set_icb(kind.kind == FileKind::kIcb ? Column(fields, 1) : Column(fields, 4));
  organisation.set_parent(Column(fields, 15));
  if (kind.kind == FileKind::kGpPractice && Column(fields, 26) != "4") {
    organisation.set_kind(pv1::ORGANISATION_KIND_OTHER);
  }
  return organisation;
}

pv1::Organisation Network(const Fields& fields, const Kind& kind) {
  pv1::Organisation organisation;
  organisation.set_ods_code(Column(fields, 1));
  organisation.set_name(Column(fields, 2));
  organisation.set_kind(kind.organisation);
  organisation.set_parent(Column(fields, 3));
  organisation.set_start_date(Date(fields, 5));
  organisation.set_end_date(Date(fields, 6));
  return organisation;
}

pv1::OrganisationLine LineOf(const Fields& fields, const Kind& kind) {
  pv1::OrganisationLine line;
  switch (kind.kind) {
    case FileKind::kNetworkMember:
      line.mutable_membership()->set_ods_code(Column(fields, 1));
      line.mutable_membership()->set_primary_care_network(Column(fields, 5));
      line.mutable_membership()->set_start_date(Date(fields, 9));
      line.mutable_membership()->set_end_date(Date(fields, 10));
      break;
    case FileKind::kSuccession:
      line.mutable_succession()->set_ods_code(Column(fields, 1));
      line.mutable_succession()->set_successor(Column(fields, 2));
      break;
    case FileKind::kPatientList: {
      pv1::PatientListOfPractice& list = *line.mutable_patient_list();
      list.set_ods_code(fields[kCode]);
      list.mutable_patient_list()->set_date(ExtractDate(fields[kExtractDate]));
      int64_t patients = 0;
      list.mutable_patient_list()->set_patients(
          absl::SimpleAtoi(fields[kPatients], &patients) ? patients : -1);
      break;
    }
    case FileKind::kNetwork:
      *line.mutable_organisation() = Network(fields, kind);
      break;
    default:
      *line.mutable_organisation() = CommonForm(fields, kind);
      break;
  }
  return line;
}

pv1::LineRefusal Refusal(int32_t line, std::string field, std::string reason,
                         std::string accepted) {
  pv1::LineRefusal refusal;
  refusal.set_line(line);
  refusal.set_field(std::move(field));
  refusal.set_reason(std::move(reason));
  refusal.set_accepted(std::move(accepted));
  return refusal;
}

// Some exports begin with the names of their columns; a code holds no space.
bool IsHeader(const CsvReader::Record& record) {
  return record.line == 1 && !record.fields.empty() &&
         record.fields[0].find(' ') != std::string::npos;
}

// Where the columns of a file of patient lists are, counted from 1; one that it has not is 0.
std::array<size_t, kPatientColumns> PatientColumnsOf(const Fields& header) {
  std::array<size_t, kPatientColumns> columns{};
  for (size_t i = 0; i < header.size(); ++i) {
    const auto* found = std::ranges::find(kPatientColumnNames, Column(header, i + 1));
    if (found != kPatientColumnNames.end()) columns[found - kPatientColumnNames.begin()] = i + 1;
  }
  return columns;
}

}  // namespace

void CsvReader::SkipLine() {
  const size_t end = rest_.find('\n');
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  ++line_;
}

std::optional<CsvReader::Record> CsvReader::Next() {
  if (rest_.empty()) return std::nullopt;
  Record record;
  record.line = line_;
  const auto fail = [&](std::string_view why) {
    record.fields.clear();
    record.fault = why;
    SkipLine();
    return record;
  };
  for (;;) {
    std::string field;
    if (rest_.starts_with('"')) {
      // The text after an open quote may be the rest of the file: then this one line is the fault.
      const std::string_view from = rest_;
      int32_t lines = 0;
      rest_.remove_prefix(1);
      for (;;) {
        const size_t quote = rest_.find('"');
        if (quote == std::string_view::npos) {
          rest_ = from;
          return fail("a quote that does not end");
        }
        field.append(rest_.substr(0, quote));
        rest_.remove_prefix(quote + 1);
        if (!rest_.starts_with('"')) break;
        field.push_back('"');
        rest_.remove_prefix(1);
      }
      lines = static_cast<int32_t>(std::ranges::count(field, '\n'));
      if (!rest_.empty() && !rest_.starts_with(',') && !rest_.starts_with('\n') &&
          !rest_.starts_with("\r\n")) {
        rest_ = from;
        return fail("something behind a quoted field");
      }
      line_ += lines;
    } else {
      const size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
      field = rest_.substr(0, end);
      if (field.find('"') != std::string::npos) return fail("a quote in a field without quotes");
      rest_.remove_prefix(end);
      if (rest_.empty() || rest_.starts_with('\n')) {
        if (field.ends_with('\r')) field.pop_back();
      }
    }
    record.fields.push_back(std::move(field));
    if (rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      continue;
    }
    SkipLine();
    return record;
  }
}

std::optional<FileKind> FileKindOf(std::string_view word) {
  const auto* found = std::ranges::find(kKinds, word, &Kind::word);
  return found == kKinds.end() ? std::nullopt : std::optional(found->kind);
}

std::vector<std::string> FileKindWords() {
  std::vector<std::string> words;
  for (const Kind& kind : kKinds) words.emplace_back(kind.word);
  return words;
}

OrganisationFile ReadOrganisationFile(std::string_view text, FileKind file_kind,
                                      const std::set<std::string>& icbs) {
  const Kind& kind = Of(file_kind);
  OrganisationFile file;
  CsvReader reader(text);
  std::optional<std::array<size_t, kPatientColumns>> patient_columns;
  while (std::optional<CsvReader::Record> record = reader.Next()) {
    const auto refuse = [&](std::string field, std::string reason, std::string accepted) {
      file.refusals.push_back(
          Refusal(record->line, std::move(field), std::move(reason), std::move(accepted)));
    };
    if (!record->fault.empty()) {
      refuse("line", "NOT_CSV", "a record of RFC 4180; found " + record->fault);
      continue;
    }
    if (kind.kind == FileKind::kPatientList && !patient_columns.has_value()) {
      patient_columns = PatientColumnsOf(record->fields);
      if (std::ranges::count(*patient_columns, 0u) > 0) {
        refuse("line", "COLUMNS_MISSING",
               base::Concat("a first line that names ", absl::StrJoin(kPatientColumnNames, ", ")));
        return file;
      }
      ++file.skipped;
      continue;
    }
    if (IsHeader(*record) || record->fields == Fields{""}) {
      ++file.skipped;
      continue;
    }
    const size_t columns_min =
        patient_columns.has_value() ? std::ranges::max(*patient_columns) : kind.columns_min;
    if (record->fields.size() < columns_min) {
      refuse("line", "COLUMNS_MISSING", base::Concat("at least ", columns_min, " columns"));
      continue;
    }
    if (!std::ranges::all_of(record->fields, base::IsUtf8)) {
      refuse("line", "TEXT_NOT_UTF8", "text in UTF-8");
      continue;
    }
    if (patient_columns.has_value()) {
      Fields fields;
      for (const size_t column : *patient_columns) {
        fields.push_back(Column(record->fields, column));
      }
      if (fields[kSex] != "ALL" || fields[kAge] != "ALL") {
        ++file.skipped;
        continue;
      }
      record->fields = std::move(fields);
    }
    pv1::OrganisationLine line = LineOf(record->fields, kind);
    line.set_line(record->line);
    if (!icbs.empty() && !line.organisation().icb().empty() &&
        !icbs.contains(line.organisation().icb())) {
      ++file.skipped;
      continue;
    }
    if (kind.kind == FileKind::kGpPractice && Column(record->fields, 13) == "C" &&
        line.organisation().end_date().empty()) {
      refuse("end_date", "CLOSED_WITHOUT_DATE", "a close date when the status is C");
      continue;
    }
    // The rules that the service's door has for these messages, before a whole batch is refused.
    if (const absl::Status shape = rpc::Validate(line); !shape.ok()) {
      const auto bad = base::BadRequestOf(shape);
      const std::string& path = bad->field_violations(0).field();
      refuse(path.substr(path.find('.') + 1), base::ReasonOf(shape),
             bad->field_violations(0).description());
      continue;
    }
    file.lines.push_back(std::move(line));
  }
  return file;
}

}  // namespace fettle::cli

// The published CSV files of the Organisation Data Service, as lines for the registry. Columns are
// counted from 1; those not named are not read. A date is YYYYMMDD or YYYY-MM-DD.
//
// The common form of 27 columns without a header (epraccur, etr, ets, eccg, ebranchs and others):
//   1 ODS code            2 name                   4 high level health geography: the ICB
//   11 open date          12 close date            13 status, in epraccur: C is closed
//   15 parent: of a practice its commissioner, of a site its trust
//   26 prescribing setting, in epraccur: 4 is a GP practice, anything else is loaded as OTHER
// Primary care networks (epcn):
//   1 ODS code            2 name                   3 sub-ICB location: its parent
//   5 open date           6 close date
// Practices of networks (epcncorepartnerdetails):
//   1 ODS code            5 ODS code of the network
//   9 start date          10 end date
// Successions (succ):
//   1 ODS code            2 ODS code of the successor
// Patients registered with practices (gp-reg-pat-prac-all), by the names in the first line, because
// other columns come and go between them: CODE, EXTRACT_DATE (01APR2026), SEX and AGE (both ALL:
// others are skipped), NUMBER_OF_PATIENTS. One edition a file.
#ifndef FETTLE_SERVICES_CLI_ORGANISATION_FILE_H_
#define FETTLE_SERVICES_CLI_ORGANISATION_FILE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fettle/person/v1/person_service.pb.h"

namespace fettle::cli {

// Reads RFC 4180 text record by record: fields between commas, quoted where they hold commas,
// quotes (doubled) or line ends; records end with LF or CRLF, the last may end with nothing. The
// text must live as long.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  struct Record {
    // Where it begins, from 1: lines of the file, not records.
    int32_t line = 0;
    std::vector<std::string> fields;
    // Why it is no record; `fields` hold nothing then, and the next record begins on the next line.
    std::string fault;
  };
  // Nothing at the end.
  std::optional<Record> Next();

 private:
  void SkipLine();

  std::string_view rest_;
  int32_t line_ = 1;
};

// What the lines of a file are.
enum class FileKind {
  kIcb,
  kSubIcbLocation,
  kGpPractice,
  kNhsTrust,
  kSite,
  kLocalAuthority,
  kOther,
  kNetwork,
  kNetworkMember,
  kSuccession,
  kPatientList,
};

// Of the words that the command takes: `icb`, `gp-practice`, ... Nothing when it is none.
std::optional<FileKind> FileKindOf(std::string_view word);
// All of those words.
std::vector<std::string> FileKindWords();

struct OrganisationFile {
  std::vector<person::v1::OrganisationLine> lines;
  // Lines that cannot be sent, in the form of those that the service refuses.
  std::vector<person::v1::LineRefusal> refusals;
  // Lines of other ICBs than those wanted, headers, lines of some patients of a practice alone, and
  // empty lines.
  int32_t skipped = 0;
};

// `icbs`: only organisations of these, all when it is empty. Files that name no ICB are taken
// whole.
OrganisationFile ReadOrganisationFile(std::string_view text, FileKind kind,
                                      const std::set<std::string>& icbs);

}  // namespace fettle::cli

#endif  // FETTLE_SERVICES_CLI_ORGANISATION_FILE_H_

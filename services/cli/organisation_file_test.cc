// Goal: what the Organisation Data Service publishes is read, and what is broken is named by line.
// Method: small files in the published forms, and the corners of RFC 4180.
#include "services/cli/organisation_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace fettle::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<CsvReader::Record> All(std::string_view text) {
  std::vector<CsvReader::Record> records;
  CsvReader reader(text);
  while (auto record = reader.Next()) records.push_back(*std::move(record));
  return records;
}

TEST(CsvReaderTest, FieldsAreQuotedOrNot) {
  const auto records = All("a,\"b, \"\"c\"\"\",\r\n\"d\ne\",f\n\n\"\",g");
  ASSERT_EQ(records.size(), 4u);
  EXPECT_THAT(records[0].fields, ElementsAre("a", "b, \"c\"", ""));
  EXPECT_THAT(records[1].fields, ElementsAre("d\ne", "f"));
  EXPECT_THAT(records[2].fields, ElementsAre(""));
  EXPECT_EQ(records[2].line, 4) << "a line end within quotes is a line of the file";
  EXPECT_THAT(records[3].fields, ElementsAre("", "g"));
  EXPECT_EQ(records[3].line, 5);
  EXPECT_THAT(All(""), IsEmpty());
  EXPECT_EQ(All("a").size(), 1u);
  EXPECT_EQ(All("a,b\n").size(), 1u);
}

TEST(CsvReaderTest, ABrokenLineIsNamedAndTheNextIsRead) {
  for (const char* broken : {"a,b\"c", "\"a\"b,c", "x,\"open"}) {
    const auto records = All(absl::StrCat(broken, "\nnext,line"));
    ASSERT_EQ(records.size(), 2u) << broken;
    EXPECT_NE(records[0].fault, "") << broken;
    EXPECT_THAT(records[0].fields, IsEmpty());
    EXPECT_EQ(records[1].line, 2);
    EXPECT_THAT(records[1].fields, ElementsAre("next", "line"));
  }
}

// A line of the common form.
std::string Common(const std::string& code, const std::string& icb, const std::string& open,
                   const std::string& close, const std::string& status = "A",
                   const std::string& parent = "", const std::string& setting = "4") {
  return absl::StrCat("\"", code, "\",\"Place, ", code, "\",\"Y60\",\"", icb,
                      "\",\"1 HIGH STREET\",\"\",\"\",\"\",\"\",\"LS1 4AP\",\"", open, "\",\"",
                      close, "\",\"", status, "\",\"B\",\"", parent,
                      "\",\"\",\"\",\"\",\"\",\"\",\"\",\"0\",\"\",\"\",\"\",\"", setting,
                      "\",\"\"\r\n");
}

std::vector<std::string> Refused(const OrganisationFile& file) {
  std::vector<std::string> refused;
  for (const auto& refusal : file.refusals) {
    refused.push_back(absl::StrCat(refusal.line(), " ", refusal.field(), " ", refusal.reason()));
    EXPECT_NE(refusal.accepted(), "");
  }
  return refused;
}

TEST(OrganisationFileTest, PracticesAreOfTheCommonForm) {
  const OrganisationFile file = ReadOrganisationFile(
      absl::StrCat(Common("A81001", "QHM", "19740401", "", "A", "16C"),
                   Common("Y00999", "QHM", "20090401", "20200331", "C", "16C", "0")),
      FileKind::kGpPractice, {});
  EXPECT_THAT(Refused(file), IsEmpty());
  ASSERT_EQ(file.lines.size(), 2u);
  const person::v1::Organisation& first = file.lines[0].organisation();
  EXPECT_EQ(file.lines[0].line(), 1);
  EXPECT_EQ(first.ods_code(), "A81001");
  EXPECT_EQ(first.name(), "Place, A81001");
  EXPECT_EQ(first.kind(), person::v1::ORGANISATION_KIND_GP_PRACTICE);
  EXPECT_EQ(first.icb(), "QHM");
  EXPECT_EQ(first.parent(), "16C");
  EXPECT_EQ(first.start_date(), "1974-04-01");
  EXPECT_EQ(first.end_date(), "");
  EXPECT_EQ(file.lines[1].organisation().end_date(), "2020-03-31");
  EXPECT_EQ(file.lines[1].organisation().kind(), person::v1::ORGANISATION_KIND_OTHER)
      << "a prescribing setting that is no practice";
}

TEST(OrganisationFileTest, AnIcbIsItsOwn) {
  const OrganisationFile file =
      ReadOrganisationFile(Common("QHM", "Y63", "20200401", ""), FileKind::kIcb, {"QHM"});
  ASSERT_EQ(file.lines.size(), 1u);
  EXPECT_EQ(file.lines[0].organisation().icb(), "QHM");
}

TEST(OrganisationFileTest, NetworksTheirMembersAndSuccessionsHaveFormsOfTheirOwn) {
  OrganisationFile file = ReadOrganisationFile(
      "PCN Code,PCN Name,Current Sub ICB Loc Code,Sub ICB Location Name,Open Date,Close Date\n"
      "U10001,FELL PCN,16C,NHS NORTH,20190701,\n",
      FileKind::kNetwork, {"QWO"});
  EXPECT_EQ(file.skipped, 1);
  ASSERT_EQ(file.lines.size(), 1u);
  EXPECT_EQ(file.lines[0].line(), 2);
  EXPECT_EQ(file.lines[0].organisation().kind(),
            person::v1::ORGANISATION_KIND_PRIMARY_CARE_NETWORK);
  EXPECT_EQ(file.lines[0].organisation().parent(), "16C");
  EXPECT_EQ(file.lines[0].organisation().start_date(), "2019-07-01");

  file = ReadOrganisationFile(
      "A81001,PLACE,16C,NHS NORTH,U10001,FELL PCN,16C,NHS NORTH,2019-07-01,20240331,Yes\n",
      FileKind::kNetworkMember, {});
  ASSERT_EQ(file.lines.size(), 1u);
  EXPECT_EQ(file.lines[0].membership().primary_care_network(), "U10001");
  EXPECT_EQ(file.lines[0].membership().start_date(), "2019-07-01");
  EXPECT_EQ(file.lines[0].membership().end_date(), "2024-03-31");

  file = ReadOrganisationFile("05A,B2M3M,R,20220701,\n", FileKind::kSuccession, {});
  ASSERT_EQ(file.lines.size(), 1u);
  EXPECT_EQ(file.lines[0].succession().ods_code(), "05A");
  EXPECT_EQ(file.lines[0].succession().successor(), "B2M3M");
}

TEST(OrganisationFileTest, PatientListsAreReadByTheNamesOfTheirColumns) {
  // Two editions: the later one names the sub-ICB location.
  for (const char* more : {"", "SUB_ICB_LOCATION_CODE,"}) {
    const std::string value = *more == '\0' ? "" : "16C,";
    const OrganisationFile file = ReadOrganisationFile(
        absl::StrCat("PUBLICATION,EXTRACT_DATE,TYPE,", more,
                     "CODE,POSTCODE,SEX,AGE,NUMBER_OF_PATIENTS\r\n",  //
                     "GP_PRAC_PAT_LIST,01APR2026,GP,", value, "A81001,TS18 1HU,ALL,ALL,3898\r\n",
                     "GP_PRAC_PAT_LIST,01APR2026,GP,", value, "A81001,TS18 1HU,FEMALE,ALL,1900\r\n",
                     "GP_PRAC_PAT_LIST,32APR2026,GP,", value, "A81002,TS18 2AW,ALL,ALL,20041\r\n",
                     "GP_PRAC_PAT_LIST,01APR2026,GP,", value, "A81003,TS18 2AW,ALL,ALL,many\r\n",
                     "GP_PRAC_PAT_LIST,01APR2026\r\n"),
        FileKind::kPatientList, {"QHM"});
    EXPECT_EQ(file.skipped, 2);
    ASSERT_EQ(file.lines.size(), 1u);
    EXPECT_EQ(file.lines[0].line(), 2);
    EXPECT_EQ(file.lines[0].patient_list().ods_code(), "A81001");
    EXPECT_EQ(file.lines[0].patient_list().patient_list().date(), "2026-04-01");
    EXPECT_EQ(file.lines[0].patient_list().patient_list().patients(), 3898);
    EXPECT_THAT(Refused(file), ElementsAre("4 patient_list.date FORMAT_INVALID",
                                           "5 patient_list.patients NUMBER_OUT_OF_RANGE",
                                           "6 line COLUMNS_MISSING"));
  }
  EXPECT_THAT(Refused(ReadOrganisationFile("CODE,AGE\nA81001,ALL\n", FileKind::kPatientList, {})),
              ElementsAre("1 line COLUMNS_MISSING"));
}

TEST(OrganisationFileTest, WhatIsBrokenIsNamedByLineFieldAndRule) {
  const OrganisationFile file = ReadOrganisationFile(
      absl::StrCat(Common("A81001", "QHM", "19740401", ""), "A81002,too,short\n",
                   Common("a81003", "QHM", "19740401", ""), Common("A81004", "QHM", "1974", ""),
                   Common("A81005", "QHM", "20230229", ""),
                   Common("A81006", "QHM", "19740401", "", "C"), Common("A81007", "QHM", "", ""),
                   "A81008,\"open\n", Common("A81\xff", "QHM", "19740401", ""), "\n",
                   Common("A81009", "QHM", "19740401", "")),
      FileKind::kGpPractice, {});
  EXPECT_THAT(Refused(file),
              ElementsAre("2 line COLUMNS_MISSING", "3 ods_code FORMAT_INVALID",
                          "4 start_date FORMAT_INVALID", "5 start_date FORMAT_INVALID",
                          "6 end_date CLOSED_WITHOUT_DATE", "7 start_date FIELD_REQUIRED",
                          "8 line NOT_CSV", "9 line TEXT_NOT_UTF8"));
  ASSERT_EQ(file.lines.size(), 2u);
  EXPECT_EQ(file.lines[1].line(), 11);
  EXPECT_EQ(file.skipped, 1);
}

TEST(OrganisationFileTest, OnlyTheIcbsWantedAreTaken) {
  const OrganisationFile file = ReadOrganisationFile(
      absl::StrCat(Common("A81001", "QHM", "19740401", ""), Common("A81002", "QWO", "19740401", ""),
                   Common("A81003", "QXX", "19740401", "")),
      FileKind::kGpPractice, {"QHM", "QWO"});
  EXPECT_EQ(file.lines.size(), 2u);
  EXPECT_EQ(file.skipped, 1);
}

TEST(OrganisationFileTest, KindsHaveWords) {
  for (const std::string& word : FileKindWords()) EXPECT_TRUE(FileKindOf(word).has_value()) << word;
  EXPECT_EQ(FileKindOf("site"), FileKind::kSite);
  EXPECT_FALSE(FileKindOf("practice").has_value());
}

}  // namespace
}  // namespace fettle::cli

#include "services/analytics/figures.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/base/date.h"
#include "libs/base/status.h"
#include "libs/journal/consumer.h"
#include "services/analytics/domain/distribution.h"
#include "services/analytics/domain/protected_sums.h"
#include "services/analytics/domain/small_numbers.h"

namespace fettle::analytics {
namespace {

enum class Kind {
  kCount,    // rows: people, things counted
  kUpTo,     // the same, as of the end of each month; of no whole time
  kMoney,    // rows: people, pence
  kPercent,  // spend of allocation, as both are published; of the whole time only
  kShare,    // PC-01, of what is published of its three parts; as kUpTo
  kMedian,   // rows: people, value, how often
  kNinetieth,
};

struct Measure {
  const char* id;
  const char* name;
  int edition;
  v1::Unit unit;
  Kind kind;
  // Whose journals it is made of.
  const char* services;
  // Gives area, month, then the columns of its kind. $AREA stands for the ICB, or for one text when
  // all areas are one; $M for the letters of a date that make the period: 7 (a month) or 0 (the
  // whole time). A row with a count of 0 says that there was something to count in; no row says
  // that there was nothing.
  const char* sql;
};

// A person whose record was merged into another counts as that other.
#define FETTLE_PERSON "coalesce(r.root, x.person)"
#define FETTLE_JOIN_ROOT " LEFT JOIN person_root r ON r.person = x.person "

#define FETTLE_REFERRALS(condition)                            \
  "SELECT $AREA, substr(x.received_date, 1, $M), "             \
  "count(DISTINCT CASE WHEN " condition " THEN " FETTLE_PERSON \
  " END), "                                                    \
  "sum(" condition ") FROM referral x" FETTLE_JOIN_ROOT "GROUP BY 1, 2"

// Days from received to first contact; a pause does not shorten it (INV-52).
constexpr const char* kWaits =
    "SELECT w.area, w.month, p.people, w.days, w.times FROM "
    "(SELECT $AREA AS area, substr(x.received_date, 1, $M) AS month, "
    "CAST(round(julianday(x.first_contact_date) - julianday(x.received_date)) AS INTEGER) AS days, "
    "count(*) AS times FROM referral x WHERE x.first_contact_date IS NOT NULL GROUP BY 1, 2, 3) w "
    "JOIN (SELECT $AREA AS area, substr(x.received_date, 1, $M) AS month, "
    "count(DISTINCT " FETTLE_PERSON ") AS people FROM referral x" FETTLE_JOIN_ROOT
    "WHERE x.first_contact_date IS NOT NULL GROUP BY 1, 2) p "
    "ON p.area = w.area AND p.month = w.month";

#define FETTLE_LEDGER(column)                                                             \
  "SELECT $AREA, substr(l.date, 1, $M), "                                                 \
  "count(DISTINCT CASE WHEN l." column " <> 0 THEN " FETTLE_PERSON " END), sum(l." column \
  ") "                                                                                    \
  "FROM ledger l JOIN budget x ON x.id = l.budget" FETTLE_JOIN_ROOT "GROUP BY 1, 2"

constexpr const char* kAllocated = FETTLE_LEDGER("allocated_pence");
constexpr const char* kSpent = FETTLE_LEDGER("spent_pence");

// Every month from the first record of a referral to the last, so that what was so at the end of
// one is told of the quiet ones too.
#define FETTLE_MONTHS                                                                           \
  "WITH RECURSIVE record(month) AS ("                                                           \
  "SELECT substr(received_date, 1, 7) FROM referral UNION SELECT substr(date, 1, 7) FROM "      \
  "counted UNION SELECT substr(date, 1, 7) FROM declined UNION SELECT substr(date, 1, 7) FROM " \
  "plan UNION SELECT substr(date, 1, 7) FROM plan_review), "                                    \
  "month(month) AS (SELECT min(month) FROM record HAVING count(*) > 0 "                         \
  "UNION ALL SELECT substr(date(month || '-01', '+1 month'), 1, 7) FROM month "                 \
  "WHERE month < (SELECT max(month) FROM record)) "

// The first month of the financial year that the month is in.
#define FETTLE_YEAR_START "(strftime('%Y', month.month || '-01', '-3 months') || '-04')"

// Of `people`, which gives area, month, person: the people of each; where there have been referrals
// and no such people, 0.
#define FETTLE_PEOPLE_UP_TO(people)                                                                \
  FETTLE_MONTHS "SELECT area, month, count(DISTINCT person), count(DISTINCT person) FROM (" people \
                " UNION ALL SELECT a.area, month.month, NULL FROM month JOIN ("                    \
                "SELECT $AREA AS area, min(substr(x.received_date, 1, 7)) AS since FROM referral " \
                "x GROUP BY "                                                                      \
                "1) a ON a.since <= month.month) GROUP BY 1, 2"

#define FETTLE_OF_YEAR(table)                                                                      \
  "SELECT $AREA AS area, month.month AS month, " FETTLE_PERSON " AS person FROM month JOIN " table \
  " x ON substr(x.date, 1, 7) BETWEEN " FETTLE_YEAR_START " AND month.month" FETTLE_JOIN_ROOT

#define FETTLE_WITH_PLAN(condition)                                        \
  "SELECT $AREA AS area, month.month AS month, " FETTLE_PERSON             \
  " AS person FROM month JOIN "                                            \
  "plan p ON p.is_pcsp AND substr(p.date, 1, 7) <= month.month " condition \
  " JOIN referral x ON x.id = p.referral" FETTLE_JOIN_ROOT

constexpr Measure kMeasures[] = {
    {"SP1", "People referred to social prescribing (SNOMED CT 871731000000106), by first referral",
     1, v1::UNIT_PEOPLE, Kind::kCount, "referral",
     "SELECT area, month, count(person), count(person) FROM ("
     "SELECT $AREA AS area, substr(min(x.date), 1, $M) AS month, " FETTLE_PERSON
     " AS person FROM counted x" FETTLE_JOIN_ROOT "GROUP BY 1, 3 "
     "UNION ALL SELECT DISTINCT $AREA, substr(x.received_date, 1, $M), NULL FROM referral x) "
     "GROUP BY 1, 2"},
    // INV-41, INV-42: a person who was referred and has declined counts as referred, in the
    // numerator, and takes nobody out of the denominator.
    {"SP2_REFERRED",
     "People referred to social prescribing in the financial year up to the end of the month "
     "(PC-01, "
     "numerator)",
     1, v1::UNIT_PEOPLE, Kind::kUpTo, "referral", FETTLE_PEOPLE_UP_TO(FETTLE_OF_YEAR("counted"))},
    {"SP2_DECLINED",
     "People who declined social prescribing in the financial year up to the end of the month and "
     "were not referred in it (PC-01, out of the denominator)",
     1, v1::UNIT_PEOPLE, Kind::kUpTo, "referral",
     FETTLE_PEOPLE_UP_TO(
         "SELECT * FROM (" FETTLE_OF_YEAR("declined") " EXCEPT " FETTLE_OF_YEAR("counted") ")")},
    {"SP2_REGISTERED",
     "People registered with a GP practice, by the newest list up to the end of the month (PC-01, "
     "denominator)",
     1, v1::UNIT_PEOPLE, Kind::kUpTo, "person referral",
     FETTLE_MONTHS
     "SELECT $AREA, month.month, sum(x.patients), sum(x.patients) FROM month JOIN practice p ON "
     "p.end_date = '' OR substr(p.end_date, 1, 7) >= month.month JOIN patient_list x ON "
     "x.practice = p.code AND x.date = (SELECT max(date) FROM patient_list WHERE "
     "practice = p.code AND date <= month.month || '-31') GROUP BY 1, 2"},
    {"SP2",
     "People referred to social prescribing in the financial year up to the end of the month, of "
     "those registered with a GP practice who did not decline it (PC-01)",
     1, v1::UNIT_PERCENT, Kind::kShare, "person referral", nullptr},
    {"PCSP",
     "People with a personalised care and support plan of which all five criteria hold, at the end "
     "of the month",
     1, v1::UNIT_PEOPLE, Kind::kUpTo, "referral", FETTLE_PEOPLE_UP_TO(FETTLE_WITH_PLAN(""))},
    // INV-44: the twelve months that end with this one.
    {"PCSP1", "Of these, people whose plan was reviewed in the 12 months before", 1,
     v1::UNIT_PEOPLE, Kind::kUpTo, "referral",
     FETTLE_PEOPLE_UP_TO(FETTLE_WITH_PLAN(
         "AND EXISTS (SELECT 1 FROM plan_review v WHERE v.referral = p.referral AND "
         "substr(v.date, 1, 7) BETWEEN substr(date(month.month || '-01', '-11 months'), 1, 7) AND "
         "month.month)"))},
    {"SP4_RECEIVED", "Referrals received, by month received", 1, v1::UNIT_REFERRALS, Kind::kCount,
     "referral", FETTLE_REFERRALS("1")},
    {"SP4_CONTACTED", "Of the referrals received, those with a first contact", 1,
     v1::UNIT_REFERRALS, Kind::kCount, "referral",
     FETTLE_REFERRALS("x.first_contact_date IS NOT NULL")},
    {"SP4_WAITING", "Of the referrals received, those still waiting for a first contact", 1,
     v1::UNIT_REFERRALS, Kind::kCount, "referral",
     FETTLE_REFERRALS("(x.first_contact_date IS NULL AND x.closed_date IS NULL)")},
    {"SP4_CLOSED_WITHOUT_CONTACT", "Of the referrals received, those closed without a contact", 1,
     v1::UNIT_REFERRALS, Kind::kCount, "referral",
     FETTLE_REFERRALS("(x.first_contact_date IS NULL AND x.closed_date IS NOT NULL)")},
    {"SP4_MEDIAN", "Median days from received to first contact, by month received", 1,
     v1::UNIT_DAYS, Kind::kMedian, "referral", kWaits},
    {"SP4_P90", "90th percentile of days from received to first contact, by month received", 1,
     v1::UNIT_DAYS, Kind::kNinetieth, "referral", kWaits},
    {"PHB1", "People with a personal health budget, by first start", 1, v1::UNIT_PEOPLE,
     Kind::kCount, "budget",
     "SELECT area, month, count(person), count(person) FROM ("
     "SELECT $AREA AS area, substr(min(x.start_date), 1, $M) AS month, " FETTLE_PERSON
     " AS person FROM budget x" FETTLE_JOIN_ROOT "WHERE x.start_date IS NOT NULL GROUP BY 1, 3 "
     "UNION ALL SELECT DISTINCT $AREA, substr(x.requested_date, 1, $M), NULL FROM budget x) "
     "GROUP BY 1, 2"},
    {"PHB6_ALLOCATION", "Money allocated to personal health budgets", 1, v1::UNIT_PENCE,
     Kind::kMoney, "budget", kAllocated},
    {"PHB6_SPEND", "Money spent from personal health budgets", 1, v1::UNIT_PENCE, Kind::kMoney,
     "budget", kSpent},
    {"PHB6", "Spend against allocation of personal health budgets", 1, v1::UNIT_PERCENT,
     Kind::kPercent, "budget", nullptr},
    {"TR1", "People trained: with at least one completion, each counted once in each area", 1,
     v1::UNIT_PEOPLE, Kind::kCount, "training",
     "SELECT $AREA, substr(x.date, 1, $M), count(DISTINCT x.practitioner), "
     "count(DISTINCT x.practitioner) FROM completion x GROUP BY 1, 2"},
    {"TR2", "Completions of training", 1, v1::UNIT_COMPLETIONS, Kind::kCount, "training",
     "SELECT $AREA, substr(x.date, 1, $M), count(DISTINCT x.practitioner), count(DISTINCT x.id) "
     "FROM completion x GROUP BY 1, 2"},
};

#undef FETTLE_PERSON
#undef FETTLE_JOIN_ROOT
#undef FETTLE_REFERRALS
#undef FETTLE_MONTHS
#undef FETTLE_YEAR_START
#undef FETTLE_PEOPLE_UP_TO
#undef FETTLE_OF_YEAR
#undef FETTLE_WITH_PLAN
#undef FETTLE_LEDGER

struct Cell {
  int64_t people = 0;
  int64_t value = 0;
  Distribution distribution;
};
// The whole first, then those without an area, then the ICBs; the whole time first.
using Cells = std::map<AreaMonth, Cell>;

// Sums of money, and which of them are not told. The same whatever part of them is asked for: two
// answers must not tell together what neither tells alone.
struct Sums {
  Cells cells;
  std::set<AreaMonth> hidden;
};

// As they may be published; nothing when there is nothing that a figure could be made of.
using Published = std::map<AreaMonth, std::optional<std::string>>;

absl::Status ReadCells(sqlite::Database& db, Kind kind, const char* measure_sql, bool by_area,
                       bool by_month, Cells& cells) {
  const std::string sql = absl::StrReplaceAll(
      measure_sql, {{"$AREA", by_area ? "x.icb" : "'*'"}, {"$M", by_month ? "7" : "0"}});
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement rows, db.Prepare(std::string_view(sql)));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    Cell& cell = cells[{std::string(rows.Bytes(0)), std::string(rows.Bytes(1))}];
    cell.people = rows.Int(2);
    if (kind == Kind::kMedian || kind == Kind::kNinetieth) {
      cell.distribution[rows.Int(3)] = rows.Int(4);
    } else {
      cell.value = rows.Int(3);
    }
  }
}

// One that does not add up to others, or is rounded.
std::optional<std::string> Publish(Kind kind, const Cell& cell, bool national) {
  switch (kind) {
    case Kind::kCount:
    case Kind::kUpTo:
      // Many referrals of few people tell as much about them as few.
      if (!national && cell.people > 0 && cell.people < kShownFrom) return kSuppressed;
      return Hes2018Count(cell.value, national);
    case Kind::kMedian:
      return Hes2018Statistic(cell.people, Median(cell.distribution), national);
    case Kind::kNinetieth:
      return Hes2018Statistic(cell.people, std::to_string(Percentile(cell.distribution, 90)),
                              national);
    case Kind::kMoney:
    case Kind::kPercent:
    case Kind::kShare:
      break;
  }
  FETTLE_CHECK(false, "money is published as a table, and shares are made of what is published");
  return std::nullopt;
}

// The rounded denominator from which the profile lets a per cent claim its first decimal.
constexpr int64_t kOneDecimalFrom = 4'000;

// Of months only.
bool IsOfMonths(Kind kind) { return kind == Kind::kUpTo || kind == Kind::kShare; }

const Measure& MeasureOf(std::string_view id) {
  return *std::ranges::find_if(kMeasures, [&](const Measure& m) { return m.id == id; });
}

// PC-01 in percent: one decimal, as its thresholds have (1.2 and 1.6), where the denominator bears
// it. INV-42: who declined leaves the denominator; too few to be told do not. Nothing when nobody
// is registered, or fewer are left than were referred: then the lists are not those of the people.
std::optional<std::string> Share(const std::string& referred,
                                 const std::optional<std::string>& declined,
                                 const std::optional<std::string>& registered) {
  if (referred == kSuppressed || registered == kSuppressed) return kSuppressed;
  int64_t numerator = 0;
  int64_t less = 0;
  int64_t denominator = 0;
  FETTLE_CHECK(absl::SimpleAtoi(referred, &numerator), "a count");
  if (!registered.has_value() || !absl::SimpleAtoi(*registered, &denominator)) return std::nullopt;
  if (declined.has_value() && absl::SimpleAtoi(*declined, &less)) denominator -= less;
  if (denominator <= 0 || numerator > denominator) return std::nullopt;
  if (denominator < kOneDecimalFrom) {
    return absl::StrCat((numerator * 100 + denominator / 2) / denominator);
  }
  const int64_t tenths = (numerator * 1'000 + denominator / 2) / denominator;
  return absl::StrCat(tenths / 10, ".", tenths % 10);
}

absl::StatusOr<std::set<std::string>> KnownIcbs(sqlite::Database& db) {
  std::set<std::string> icbs;
  FETTLE_ASSIGN_OR_RETURN(sqlite::Statement rows, db.Prepare("SELECT code FROM icb"));
  while (true) {
    FETTLE_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return icbs;
    icbs.emplace(rows.Bytes(0));
  }
}

// `urn:fettle:<service>:<journal>` of one of them, not its access log.
bool IsJournalOf(const std::string& source, const char* services) {
  if (source.ends_with(":access")) return false;
  for (const absl::string_view service : absl::StrSplit(services, ' ')) {
    if (source.starts_with(absl::StrCat("urn:fettle:", service, ":"))) return true;
  }
  return false;
}

class Answer {
 public:
  Answer(sqlite::Database& db, const v1::GetFiguresRequest& request, bool national)
      : db_(db), request_(request), national_(national) {}

  absl::StatusOr<v1::GetFiguresResponse> Run() {
    if (!request_.month().empty() && !base::IsMonth(request_.month())) {
      return base::InvalidField("month", "MONTH_INVALID", "YYYY-MM");
    }
    FETTLE_ASSIGN_OR_RETURN(progress_, journal::ReadProgress(db_));
    FETTLE_ASSIGN_OR_RETURN(icbs_, KnownIcbs(db_));
    bool found = false;
    for (const Measure& measure : kMeasures) {
      if (!request_.measure_id().empty() && request_.measure_id() != measure.id) continue;
      found = true;
      FETTLE_RETURN_IF_ERROR(Add(measure));
    }
    if (!found) {
      return base::Refuse(absl::StatusCode::kNotFound, "MEASURE_UNKNOWN",
                          "there is no measure with this id");
    }
    return std::move(response_);
  }

 private:
  absl::Status Add(const Measure& measure) {
    const bool one_area = !request_.icb().empty();
    const bool whole_time = request_.month().empty() && !IsOfMonths(measure.kind);
    const bool months =
        (!request_.month().empty() || request_.by_month()) && measure.kind != Kind::kPercent;
    if (!whole_time && !months) return absl::OkStatus();
    FETTLE_ASSIGN_OR_RETURN(const Published published, PublishedOf(measure, whole_time, months));
    // Areas that have nothing are shown as such.
    std::set<std::string> areas = icbs_;
    if (one_area) {
      areas = {request_.icb()};
    } else {
      areas.insert(kAllAreas);
    }
    for (const std::string& area : areas) {
      if (request_.month().empty() && !whole_time) break;
      if (!published.contains({area, request_.month()})) {
        AddFigure(measure, area, request_.month(), std::nullopt);
      }
    }
    for (const auto& [at, value] : published) {
      const auto& [area, month] = at;
      if (one_area && area != request_.icb()) continue;
      if (request_.month().empty() ? month != kAllMonths && !months : month != request_.month()) {
        continue;
      }
      AddFigure(measure, area, month, value);
    }
    // Wholly in order of area and month, the missing ones among the others.
    auto* figures = response_.mutable_figures();
    std::sort(figures->pointer_begin() + added_, figures->pointer_end(),
              [](const v1::Figure* a, const v1::Figure* b) {
                return std::tuple(a->area_level() >= v1::AREA_LEVEL_ICB, a->area(), a->month()) <
                       std::tuple(b->area_level() >= v1::AREA_LEVEL_ICB, b->area(), b->month());
              });
    added_ = figures->size();
    return absl::OkStatus();
  }

  absl::StatusOr<Published> PublishedOf(const Measure& measure, bool whole_time, bool months) {
    Published published;
    if (measure.kind == Kind::kMoney) {
      FETTLE_ASSIGN_OR_RETURN(const Sums* sums, SumsOf(measure.sql));
      for (const auto& [at, cell] : sums->cells) {
        published[at] = sums->hidden.contains(at) ? kSuppressed : std::to_string(cell.value);
      }
      return published;
    }
    if (measure.kind == Kind::kPercent) {
      FETTLE_ASSIGN_OR_RETURN(const Sums* spent, SumsOf(kSpent));
      FETTLE_ASSIGN_OR_RETURN(const Sums* allocated, SumsOf(kAllocated));
      for (const auto& [at, cell] : allocated->cells) {
        if (at.second == kAllMonths) published[at] = Percent(*spent, *allocated, at);
      }
      return published;
    }
    if (measure.kind == Kind::kShare) return SharesOf(whole_time, months);
    Cells cells;
    for (const bool by_area : {false, true}) {
      if (!request_.icb().empty() && !by_area) continue;
      for (const bool by_month : {false, true}) {
        if (by_month ? !months : !whole_time) continue;
        FETTLE_RETURN_IF_ERROR(ReadCells(db_, measure.kind, measure.sql, by_area, by_month, cells));
      }
    }
    for (const auto& [at, cell] : cells) {
      published[at] = Publish(measure.kind, cell, national_ && at.first == kAllAreas);
    }
    return published;
  }

  absl::StatusOr<Published> SharesOf(bool whole_time, bool months) {
    const auto part = [&](std::string_view id) {
      return PublishedOf(MeasureOf(id), whole_time, months);
    };
    FETTLE_ASSIGN_OR_RETURN(const Published referred, part("SP2_REFERRED"));
    FETTLE_ASSIGN_OR_RETURN(const Published declined, part("SP2_DECLINED"));
    FETTLE_ASSIGN_OR_RETURN(const Published registered, part("SP2_REGISTERED"));
    const auto found = [](const Published& of, const AreaMonth& at) {
      const auto it = of.find(at);
      return it == of.end() ? std::nullopt : it->second;
    };
    Published shares;
    for (const auto& [at, value] : referred) {
      if (value.has_value()) {
        shares[at] = Share(*value, found(declined, at), found(registered, at));
      }
    }
    return shares;
  }

  // Made of what is published of both, so that it tells nothing that they do not.
  static std::optional<std::string> Percent(const Sums& spent, const Sums& allocated,
                                            const AreaMonth& at) {
    if (spent.hidden.contains(at) || allocated.hidden.contains(at)) return kSuppressed;
    const int64_t whole = allocated.cells.at(at).value;
    if (whole <= 0) return std::nullopt;
    return std::to_string((spent.cells.at(at).value * 100 + whole / 2) / whole);
  }

  // Both sums are of the same rows of the ledger, so they have the same cells.
  absl::StatusOr<const Sums*> SumsOf(const char* sql) {
    const auto [at, is_new] = sums_.try_emplace(sql);
    Sums& sums = at->second;
    if (!is_new) return &sums;
    for (const bool by_area : {false, true}) {
      for (const bool by_month : {false, true}) {
        FETTLE_RETURN_IF_ERROR(ReadCells(db_, Kind::kMoney, sql, by_area, by_month, sums.cells));
      }
    }
    std::map<AreaMonth, int64_t> people;
    for (const auto& [cell_at, cell] : sums.cells) people[cell_at] = cell.people;
    sums.hidden = HiddenSums(people);
    return &sums;
  }

  void AddFigure(const Measure& measure, const std::string& area, const std::string& month,
                 const std::optional<std::string>& value) {
    v1::Figure& figure = *response_.add_figures();
    figure.set_measure_id(measure.id);
    figure.set_measure_name(measure.name);
    figure.set_edition(measure.edition);
    figure.set_unit(measure.unit);
    figure.set_month(month);
    if (area == kAllAreas) {
      figure.set_area_level(national_ ? v1::AREA_LEVEL_NATIONAL : v1::AREA_LEVEL_REGION);
    } else if (area.empty()) {
      figure.set_area_level(v1::AREA_LEVEL_UNKNOWN);
    } else {
      figure.set_area_level(v1::AREA_LEVEL_ICB);
      figure.set_area(area);
    }
    figure.set_state(!value.has_value()      ? v1::VALUE_STATE_MISSING
                     : *value == kSuppressed ? v1::VALUE_STATE_SUPPRESSED
                                             : v1::VALUE_STATE_SHOWN);
    figure.set_value(value.value_or(""));
    figure.set_profile(kHes2018);
    for (const journal::Consumer::SourceProgress& source : progress_) {
      if (!IsJournalOf(source.source, measure.services)) continue;
      v1::SourcePosition& position = *figure.add_sources();
      position.set_source(source.source);
      position.set_position(source.contiguous);
      position.set_parked(source.parked);
    }
  }

  sqlite::Database& db_;
  const v1::GetFiguresRequest& request_;
  const bool national_;
  std::vector<journal::Consumer::SourceProgress> progress_;
  std::set<std::string> icbs_;
  std::map<std::string, Sums> sums_;  // by their SQL
  v1::GetFiguresResponse response_;
  int added_ = 0;
};

}  // namespace

absl::StatusOr<v1::GetFiguresResponse> GetFigures(sqlite::Database& db,
                                                  const v1::GetFiguresRequest& request,
                                                  bool national) {
  return Answer(db, request, national).Run();
}

}  // namespace fettle::analytics

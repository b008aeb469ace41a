#include "services/analytics/domain/protected_sums.h"

#include <limits>
#include <vector>

#include "libs/base/check.h"
#include "services/analytics/domain/small_numbers.h"

namespace fettle::analytics {
namespace {

// What hiding a total costs beside its people: more than all parts together have.
constexpr int64_t kTotalCost = int64_t{1} << 40;

class Table {
 public:
  explicit Table(const std::map<AreaMonth, int64_t>& people) {
    std::set<std::string> areas, months;
    for (const auto& [at, count] : people) {
      areas.insert(at.first);
      months.insert(at.second);
    }
    areas_.assign(areas.begin(), areas.end());
    months_.assign(months.begin(), months.end());
    for (const std::string& area : areas_) {
      for (const std::string& month : months_) {
        const auto cell = people.find({area, month});
        people_.push_back(cell == people.end() ? 0 : cell->second);
        hidden_.push_back(people_.back() > 0 && people_.back() < kShownFrom);
      }
    }
  }

  std::set<AreaMonth> Hide() {
    const std::vector<bool> small = hidden_;
    for (size_t at = 0; at < small.size(); ++at) {
      if (small[at]) Protect(at / months_.size(), at % months_.size());
    }
    std::set<AreaMonth> hidden;
    for (size_t at = 0; at < hidden_.size(); ++at) {
      if (hidden_[at]) hidden.insert({areas_[at / months_.size()], months_[at % months_.size()]});
    }
    return hidden;
  }

 private:
  // Hides the cheapest rectangle with this corner. When the corner grows, the next one along a line
  // of two parts shrinks; of a part and its total both grow.
  void Protect(size_t area, size_t month) {
    int64_t best_cost = std::numeric_limits<int64_t>::max();
    size_t best_area = 0, best_month = 0;
    for (size_t other_area = 0; other_area < areas_.size(); ++other_area) {
      if (other_area == area) continue;
      const int along_area = Sign(areas_[area] == kAllAreas, areas_[other_area] == kAllAreas);
      if (!MayMove(other_area, month, along_area)) continue;
      for (size_t other_month = 0; other_month < months_.size(); ++other_month) {
        if (other_month == month) continue;
        const int along_month =
            Sign(months_[month] == kAllMonths, months_[other_month] == kAllMonths);
        if (!MayMove(area, other_month, along_month) ||
            !MayMove(other_area, other_month, along_area * along_month)) {
          continue;
        }
        const int64_t cost =
            Cost(other_area, month) + Cost(area, other_month) + Cost(other_area, other_month);
        if (cost == 0) return;  // hidden for another one already
        if (cost >= best_cost) continue;
        best_cost = cost;
        best_area = other_area;
        best_month = other_month;
      }
    }
    FETTLE_CHECK(best_cost < std::numeric_limits<int64_t>::max(),
                 "a part and its three totals are always a rectangle");
    hidden_[At(best_area, month)] = true;
    hidden_[At(area, best_month)] = true;
    hidden_[At(best_area, best_month)] = true;
  }

  static int Sign(bool is_total, bool other_is_total) {
    return is_total == other_is_total ? -1 : 1;
  }
  size_t At(size_t area, size_t month) const { return area * months_.size() + month; }
  bool MayMove(size_t area, size_t month, int sign) const {
    return people_[At(area, month)] >= (sign > 0 ? 1 : kShownFrom);
  }
  int64_t Cost(size_t area, size_t month) const {
    const size_t at = At(area, month);
    if (hidden_[at]) return 0;
    const bool is_total = areas_[area] == kAllAreas || months_[month] == kAllMonths;
    return people_[at] + (is_total ? kTotalCost : 0);
  }

  std::vector<std::string> areas_, months_;
  std::vector<int64_t> people_;  // area by area
  std::vector<bool> hidden_;
};

}  // namespace

std::set<AreaMonth> HiddenSums(const std::map<AreaMonth, int64_t>& people) {
  return Table(people).Hide();
}

}  // namespace fettle::analytics

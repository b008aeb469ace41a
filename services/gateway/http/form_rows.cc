#include "services/gateway/http/form_rows.h"

#include <algorithm>

#include "libs/base/text.h"

namespace fettle::gateway {
namespace {

constexpr int kRowsMin = 2;

bool IsFilled(const Group& group, int row, const FormValues& values) {
  return std::ranges::any_of(group.parts, [&](const char* part) {
    return !values.Get(RowName(group, row, part)).empty();
  });
}

}  // namespace

std::string RowName(const Group& group, int row, std::string_view part) {
  return base::Concat(group.name, "-", row, "-", part);
}

std::map<int, int> CloseGaps(const Group& group, FormValues& values) {
  std::map<int, int> moved;
  int next = 1;
  for (int row = 1; row <= group.rows_max; ++row) {
    if (!IsFilled(group, row, values)) continue;
    for (const auto* parts : {&group.parts, &group.hidden}) {
      for (const char* part : *parts) {
        const std::string value = values.Get(RowName(group, row, part));
        if (next != row) values.Set(RowName(group, row, part), "");
        values.Set(RowName(group, next, part), value);
      }
    }
    moved[row] = next++;
  }
  return moved;
}

int FilledRows(const Group& group, const FormValues& values) {
  int rows = 0;
  while (rows < group.rows_max && IsFilled(group, rows + 1, values)) ++rows;
  return rows;
}

int ShownRows(const Group& group, const FormValues& values) {
  return std::min(group.rows_max, std::max(kRowsMin, FilledRows(group, values) + 1));
}

}  // namespace fettle::gateway

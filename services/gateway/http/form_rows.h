// Rows of a form: a group of fields that is there several times, with numbered names as in
// `goal-1-description`. A row that is left empty is none. Not for others.
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_FORM_ROWS_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_FORM_ROWS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "services/gateway/http/forms.h"

namespace fettle::gateway {

struct Group {
  const char* name;
  std::vector<const char*> parts;   // that are typed
  std::vector<const char*> hidden;  // that go with them
  int rows_max;
};

std::string RowName(const Group& group, int row, std::string_view part);
// Moves the filled rows to the front. Where each of them went.
std::map<int, int> CloseGaps(const Group& group, FormValues& values);
int FilledRows(const Group& group, const FormValues& values);
// A few at least; one more than are filled when there are more.
int ShownRows(const Group& group, const FormValues& values);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_FORM_ROWS_H_

#include "libs/base/field_walk.h"

#include <algorithm>

namespace fettle::base {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

const FieldWalk& FieldWalks::Of(const Descriptor* type) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = walks_.find(type);
    if (it != walks_.end()) return it->second;
  }
  absl::MutexLock lock(&mutex_);
  return Build(type);
}

const FieldWalk& FieldWalks::Build(const Descriptor* type) {
  auto [it, is_new] = walks_.try_emplace(type);
  FieldWalk& walk = it->second;
  if (!is_new) return walk;
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
  std::sort(fields.begin(), fields.end(),
            [](const auto* a, const auto* b) { return a->number() < b->number(); });
  for (const FieldDescriptor* field : fields) {
    if (wanted_(field)) {
      walk.steps.push_back({field, nullptr});
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
      const FieldWalk& inside = Build(field->message_type());
      if (!inside.steps.empty()) walk.steps.push_back({field, &inside});
    }
  }
  return walk;
}

}  // namespace fettle::base

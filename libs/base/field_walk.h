// Finds the fields of a message, at any depth, that matter for one purpose: the way there is worked
// out once per type.
#ifndef FETTLE_LIBS_BASE_FIELD_WALK_H_
#define FETTLE_LIBS_BASE_FIELD_WALK_H_

#include <google/protobuf/descriptor.h>

#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace fettle::base {

// Steps through a message type in field number order.
struct FieldWalk {
  struct Step {
    const google::protobuf::FieldDescriptor* field;
    // The way on inside the field, a message that has wanted fields in it. Null: the field itself
    // is wanted, and not entered.
    const FieldWalk* inside;
  };
  std::vector<Step> steps;
};

// The walks for one predicate. Thread safe; walks live as long as this.
class FieldWalks {
 public:
  using Predicate = bool (*)(const google::protobuf::FieldDescriptor*);
  explicit FieldWalks(Predicate wanted) : wanted_(wanted) {}

  const FieldWalk& Of(const google::protobuf::Descriptor* type);

 private:
  const FieldWalk& Build(const google::protobuf::Descriptor* type)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Predicate wanted_;
  absl::Mutex mutex_;
  // References into an unordered_map stay valid as it grows.
  std::unordered_map<const google::protobuf::Descriptor*, FieldWalk> walks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_FIELD_WALK_H_

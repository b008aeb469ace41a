#include "libs/rpc/private_words.h"

#include "absl/functional/function_ref.h"
#include "fettle/common/v1/types.pb.h"
#include "libs/base/field_walk.h"
#include "libs/base/status.h"

namespace fettle::rpc {
namespace {

using common::v1::SealedText;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const base::FieldWalk& WalkOf(const Message& message) {
  static base::FieldWalks& walks = *new base::FieldWalks([](const FieldDescriptor* field) {
    return field->message_type() == SealedText::descriptor();
  });
  return walks.Of(message.GetDescriptor());
}

// Calls `visit` for every SealedText that is present; stops at the first that is not OK.
absl::Status ForEach(Message& message, const base::FieldWalk& walk,
                     absl::FunctionRef<absl::Status(SealedText&)> visit) {
  const Reflection& reflection = *message.GetReflection();
  for (const base::FieldWalk::Step& step : walk.steps) {
    const FieldDescriptor* field = step.field;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field)
                                           : (reflection.HasField(message, field) ? 1 : 0);
    for (int i = 0; i < count; ++i) {
      Message* value = field->is_repeated() ? reflection.MutableRepeatedMessage(&message, field, i)
                                            : reflection.MutableMessage(&message, field);
      FETTLE_RETURN_IF_ERROR(step.inside == nullptr ? visit(static_cast<SealedText&>(*value))
                                                    : ForEach(*value, *step.inside, visit));
    }
  }
  return absl::OkStatus();
}

absl::Status ForEach(Message& message, absl::FunctionRef<absl::Status(SealedText&)> visit) {
  return ForEach(message, WalkOf(message), visit);
}

bool Any(const Message& message, bool (*wanted)(const SealedText&)) {
  // The visitor changes nothing.
  return !ForEach(const_cast<Message&>(message), [&](SealedText& words) {
            return wanted(words) ? absl::AlreadyExistsError("found") : absl::OkStatus();
          }).ok();
}

}  // namespace

bool HasText(const Message& message) {
  return Any(message, [](const SealedText& words) { return !words.text().empty(); });
}

bool HasSealed(const Message& message) {
  return Any(message, [](const SealedText& words) { return !words.sealed().empty(); });
}

void DropText(Message& message) {
  ForEach(message, [](SealedText& words) {
    words.clear_text();
    return absl::OkStatus();
  }).IgnoreError();
}

void SealWords(Message& message, const seal::PersonKey& key) {
  seal::Sealer sealer(key);
  ForEach(message, [&](SealedText& words) {
    if (words.text().empty()) return absl::OkStatus();
    words.set_sealed(sealer.Seal(words.text(), key.person_id));
    words.set_key_version(key.version);
    words.clear_text();
    return absl::OkStatus();
  }).IgnoreError();
}

absl::Status OpenWords(Message& message, const seal::PersonKey& key) {
  return ForEach(message, [&](SealedText& words) {
    if (words.sealed().empty()) return absl::OkStatus();
    FETTLE_ASSIGN_OR_RETURN(*words.mutable_text(),
                            seal::OpenWords(key, words.sealed(), key.person_id));
    words.clear_sealed();
    words.clear_key_version();
    return absl::OkStatus();
  });
}

}  // namespace fettle::rpc

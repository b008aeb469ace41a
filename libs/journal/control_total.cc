#include "libs/journal/control_total.h"

#include <google/protobuf/descriptor.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "fettle/journal/v1/access_events.pb.h"
#include "libs/crypto/digest.h"

namespace fettle::journal {

void ControlTotal::Add(std::string_view id, int64_t pence) {
  Add(ControlTotal(1, pence, crypto::Sha256(id)));
}

void ControlTotal::Add(const ControlTotal& other) {
  unsigned carry = 0;
  for (int i = 31; i >= 0; --i) {
    const unsigned sum =
        static_cast<uint8_t>(id_hash_sum_[i]) + static_cast<uint8_t>(other.id_hash_sum_[i]) + carry;
    id_hash_sum_[i] = static_cast<char>(sum & 0xFF);
    carry = sum >> 8;
  }
  count_ += other.count_;
  pence_ += other.pence_;
}

absl::Status ControlTotal::Add(const Model& model, Log log, const StoredEvent& item) {
  std::unique_ptr<Message> event(log == Log::kEvents ? model.event->New() : new v1::AccessEvent());
  if (!event->ParseFromString(item.value)) {
    return absl::DataLossError(absl::StrCat("event ", item.position, " cannot be read"));
  }
  Add(HeaderOf(*event).id(), log == Log::kEvents ? model.pence(*event) : 0);
  return absl::OkStatus();
}

Comparison Compare(const ControlTotal& taken, const ControlTotal& published) {
  if (taken.count() < published.count()) return Comparison::kBehind;
  const bool same = taken.count() == published.count() && taken.pence() == published.pence() &&
                    taken.id_hash_sum() == published.id_hash_sum();
  return same ? Comparison::kMatch : Comparison::kMismatch;
}

int64_t PenceOf(const Message& event) {
  const auto* oneof = event.GetDescriptor()->FindOneofByName("event");
  const auto* kind =
      oneof == nullptr ? nullptr : event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  if (kind == nullptr) return 0;
  const Message& body = event.GetReflection()->GetMessage(event, kind);
  const auto* field = body.GetDescriptor()->FindFieldByName("transaction");
  if (field == nullptr || !body.GetReflection()->HasField(body, field)) return 0;
  const Message& transaction = body.GetReflection()->GetMessage(body, field);
  const auto* amount = transaction.GetDescriptor()->FindFieldByName("amount_pence");
  return amount == nullptr ? 0 : transaction.GetReflection()->GetInt64(transaction, amount);
}

}  // namespace fettle::journal

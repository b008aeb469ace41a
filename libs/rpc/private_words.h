// Seals the words of a request before it is queued, and opens those of an answer before it leaves.
#ifndef FETTLE_LIBS_RPC_PRIVATE_WORDS_H_
#define FETTLE_LIBS_RPC_PRIVATE_WORDS_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "libs/seal/sealer.h"

namespace fettle::rpc {

// The message has a SealedText, at any depth, that carries text / sealed bytes.
bool HasText(const google::protobuf::Message& message);
bool HasSealed(const google::protobuf::Message& message);

// Takes out every text: for a request that reaches the journal without a key, where nothing may be
// kept unsealed.
void DropText(google::protobuf::Message& message);

// Every text becomes sealed bytes under the key, bound to the person.
void SealWords(google::protobuf::Message& message, const seal::PersonKey& key);

// Every sealed text becomes text again. DATA_LOSS when one was sealed with another key.
absl::Status OpenWords(google::protobuf::Message& message, const seal::PersonKey& key);

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_PRIVATE_WORDS_H_

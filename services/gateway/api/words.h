// What the contracts say of their rpcs, messages and fields: the comments of the .proto files,
// which the compiled contracts do not have.
#ifndef FETTLE_SERVICES_GATEWAY_API_WORDS_H_
#define FETTLE_SERVICES_GATEWAY_API_WORDS_H_

#include <cstddef>
#include <string_view>

namespace fettle::gateway {

struct ContractWords {
  std::string_view name;  // fettle.referral.v1.Referral.status
  std::string_view words;
};

// By name. make_words.cc writes them when Fettle is built.
extern const ContractWords kContractWords[];
extern const size_t kContractWordsSize;

// Paragraphs are parted by an empty line. Empty for what has no comment.
std::string_view WordsOf(std::string_view name);

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_API_WORDS_H_

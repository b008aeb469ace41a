#include "services/gateway/api/words.h"

#include <algorithm>

namespace fettle::gateway {

std::string_view WordsOf(std::string_view name) {
  const ContractWords* end = kContractWords + kContractWordsSize;
  const ContractWords* found =
      std::ranges::lower_bound(kContractWords, end, name, {}, &ContractWords::name);
  return found != end && found->name == name ? found->words : std::string_view();
}

}  // namespace fettle::gateway

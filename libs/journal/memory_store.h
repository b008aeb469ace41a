// A store that forgets at the end of the process: for tests, and the proof that the interface is
// not SQLite's.
#ifndef FETTLE_LIBS_JOURNAL_MEMORY_STORE_H_
#define FETTLE_LIBS_JOURNAL_MEMORY_STORE_H_

#include <memory>

#include "libs/journal/store.h"

namespace fettle::journal {

std::unique_ptr<Store> NewMemoryStore();

}  // namespace fettle::journal

#endif  // FETTLE_LIBS_JOURNAL_MEMORY_STORE_H_

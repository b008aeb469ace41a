#include "libs/sqlite/gathering_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "libs/base/check.h"

namespace fettle::sqlite {
namespace {

// SQLite allocates these with room for the system's own file behind them, and sees `seen` alone.
struct File {
  sqlite3_file seen;
  sqlite3_int64 offset;  // of what is held back
  int bytes;
  std::unique_ptr<char[]> held;
};

File& Of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* System(File& file) { return reinterpret_cast<sqlite3_file*>(&file + 1); }

// What could not be written is dropped: whoever gets an error gives up the transaction.
int HandOn(File& file) {
  const int bytes = std::exchange(file.bytes, 0);
  if (bytes == 0) return SQLITE_OK;
  sqlite3_file* system = System(file);
  return system->pMethods->xWrite(system, file.held.get(), bytes, file.offset);
}

// A method of the system's file, after what is held back.
template <auto method, class... Arguments>
int Pass(sqlite3_file* seen, Arguments... arguments) {
  File& file = Of(seen);
  if (const int code = HandOn(file); code != SQLITE_OK) return code;
  sqlite3_file* system = System(file);
  return (system->pMethods->*method)(system, arguments...);
}

// A method that asks nothing of the file's content.
template <auto method, class Result, class... Arguments>
Result Ask(sqlite3_file* seen, Arguments... arguments) {
  sqlite3_file* system = System(Of(seen));
  return (system->pMethods->*method)(system, arguments...);
}

int Write(sqlite3_file* seen, const void* data, int amount, sqlite3_int64 offset) {
  File& file = Of(seen);
  const bool follows = offset == file.offset + file.bytes;
  if (!follows || file.bytes + amount > kGatheredBytesMax) {
    if (const int code = HandOn(file); code != SQLITE_OK) return code;
    FETTLE_CHECK(amount <= kGatheredBytesMax, "SQLite writes at most a page of 64 KiB at a time");
    file.offset = offset;
  }
  if (file.held == nullptr) file.held = std::make_unique<char[]>(kGatheredBytesMax);
  std::memcpy(file.held.get() + file.bytes, data, amount);
  file.bytes += amount;
  return SQLITE_OK;
}

int Close(sqlite3_file* seen) {
  File& file = Of(seen);
  const int handed_on = HandOn(file);
  sqlite3_file* system = System(file);
  const int closed = system->pMethods->xClose(system);
  file.~File();
  return handed_on != SQLITE_OK ? handed_on : closed;
}

using M = sqlite3_io_methods;
constexpr sqlite3_io_methods kMethods = {
    .iVersion = 3,
    .xClose = Close,
    .xRead = Pass<&M::xRead, void*, int, sqlite3_int64>,
    .xWrite = Write,
    .xTruncate = Pass<&M::xTruncate, sqlite3_int64>,
    .xSync = Pass<&M::xSync, int>,
    .xFileSize = Pass<&M::xFileSize, sqlite3_int64*>,
    .xLock = Pass<&M::xLock, int>,
    .xUnlock = Pass<&M::xUnlock, int>,
    .xCheckReservedLock = Pass<&M::xCheckReservedLock, int*>,
    .xFileControl = Pass<&M::xFileControl, int, void*>,
    .xSectorSize = Ask<&M::xSectorSize, int>,
    .xDeviceCharacteristics = Ask<&M::xDeviceCharacteristics, int>,
    .xShmMap = Pass<&M::xShmMap, int, int, int, void volatile**>,
    .xShmLock = Pass<&M::xShmLock, int, int, int>,
    .xShmBarrier = Ask<&M::xShmBarrier, void>,
    .xShmUnmap = Pass<&M::xShmUnmap, int>,
    .xFetch = Pass<&M::xFetch, sqlite3_int64, int, void**>,
    .xUnfetch = Pass<&M::xUnfetch, sqlite3_int64, void*>,
};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* seen, int flags, int* flags_taken) {
  auto* system_vfs = static_cast<sqlite3_vfs*>(vfs->pAppData);
  if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) {
    return system_vfs->xOpen(system_vfs, name, seen, flags, flags_taken);
  }
  File* file = new (seen) File{};
  const int code = system_vfs->xOpen(system_vfs, name, System(*file), flags, flags_taken);
  // A file with methods is closed, also when it could not be opened; one without is not.
  if (System(*file)->pMethods != nullptr) file->seen.pMethods = &kMethods;
  return code;
}

}  // namespace

const char* GatheringVfs() {
  static const char* const name = [] {
    static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
    vfs.pAppData = sqlite3_vfs_find(nullptr);
    vfs.zName = "fettle-gathering";
    vfs.szOsFile += static_cast<int>(sizeof(File));
    vfs.xOpen = Open;
    FETTLE_CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK, "a VFS is registered");
    return vfs.zName;
  }();
  return name;
}

}  // namespace fettle::sqlite

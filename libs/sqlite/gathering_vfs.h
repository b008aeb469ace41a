// SQLite writes each page of a commit by two calls of the kernel, one of 24 bytes and one of the
// page; these cost five times what one write of them all does. A SQLite VFS over the system's own
// that holds back writes that follow each other in a file, and hands them on as one.
//
// What is held back is handed on before anything else is asked of that file: before SQLite syncs,
// reads, cuts or closes it. It is therefore only for connections that sync a commit before others
// can see it (Synchronous::kFull and kExtra).
#ifndef FETTLE_LIBS_SQLITE_GATHERING_VFS_H_
#define FETTLE_LIBS_SQLITE_GATHERING_VFS_H_

namespace fettle::sqlite {

// Of one file, allocated at its first write. SQLite's own file for Unix takes less than 128 KiB in
// one call.
inline constexpr int kGatheredBytesMax = 124 << 10;

// Its name, for sqlite3_open_v2; the first call registers it. From any thread.
const char* GatheringVfs();

}  // namespace fettle::sqlite

#endif  // FETTLE_LIBS_SQLITE_GATHERING_VFS_H_

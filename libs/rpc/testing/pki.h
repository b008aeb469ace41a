// A development PKI for tests: what deploy/pki makes for the services `tally` (the server) and
// `tester` (the client), once per process.
#ifndef FETTLE_LIBS_RPC_TESTING_PKI_H_
#define FETTLE_LIBS_RPC_TESTING_PKI_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "libs/base/check.h"
#include "libs/rpc/channel.h"

namespace fettle::rpc::testing {

// Ends with '/'.
inline const std::string& PkiDirectory() {
  static const std::string& directory = *new std::string([] {
    std::string path = std::filesystem::temp_directory_path() / "fettle-rpc-test-XXXXXX";
    FETTLE_CHECK(mkdtemp(path.data()) != nullptr, "a temporary folder can be made");
    const std::string make = FETTLE_SOURCE_DIR "/deploy/pki/make-development-pki ";
    FETTLE_CHECK(std::system((make + path + " tally tester >/dev/null").c_str()) == 0,
                 "a development PKI can be made");
    return path + "/";
  }());
  return directory;
}

inline Identity IdentityOf(const std::string& service) {
  const std::string& pki = PkiDirectory();
  return *LoadIdentity(pki + "ca.crt", pki + service + ".crt", pki + service + ".key");
}

}  // namespace fettle::rpc::testing

#endif  // FETTLE_LIBS_RPC_TESTING_PKI_H_

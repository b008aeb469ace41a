// Goal: a start that cannot be ends in one clear line, with nothing left running. Method: whole
// processes' lives in this one, each with one thing wrong.
#include "libs/rpc/process.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/base/text.h"
#include "libs/rpc/testing/pki.h"

namespace fettle::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ProcessTest : public ::testing::Test {
 protected:
  ProcessTest() {
    const std::string& pki = testing::PkiDirectory();
    settings_ = {{"data_dir", pki + "data"},
                 {"ca_file", pki + "ca.crt"},
                 {"certificate_file", pki + "tally.crt"},
                 {"key_file", pki + "tally.key"},
                 {"jwks_file", pki + "jwks.json"}};
  }
  void TearDown() override { std::filesystem::remove_all(testing::PkiDirectory() + "data"); }

  // The lines on stderr that are not the log's.
  std::vector<std::string> Run(Process& process) {
    std::vector<std::string> words = {"tally"};
    for (const auto& [name, value] : settings_) words.push_back("--" + name + "=" + value);
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    ::testing::internal::CaptureStderr();
    code_ = process.Run(static_cast<int>(arguments.size()), arguments.data(),
                        journal::AccessOnlyModel("tally"), [&](Process& parts) {
                          journal_ = &parts.journal();
                          // A stranger's words, as gRPC would write them.
                          gpr_log(GPR_ERROR, "handshake failed\nroot: all is well");
                          return absl::StatusOr<Process::Built>(Process::Built());
                        });
    std::vector<std::string> lines;
    for (const auto& line :
         absl::StrSplit(::testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty())) {
      if (!absl::StartsWith(line, "{")) lines.emplace_back(line);
    }
    return lines;
  }
  std::vector<std::string> Run() {
    Process process("tally", "A test.");
    return Run(process);
  }

  std::map<std::string, std::string> settings_;
  journal::Journal* journal_ = nullptr;
  int code_ = 0;
};

TEST_F(ProcessTest, EachFileOfTheIdentityIsNamedByItsSetting) {
  const std::string& pki = testing::PkiDirectory();
  const std::string junk = pki + "junk";
  std::ofstream(junk) << "-----BEGIN CERTIFICATE-----\nnot base64\n";
  const struct {
    const char* setting;
    std::string file, line;
  } kCases[] = {
      {"ca_file", "", "tally: ca_file: name a PEM file of certificates; see deploy/pki"},
      {"ca_file", "/nowhere/ca.crt",
       "tally: ca_file: /nowhere/ca.crt cannot be read as certificates in PEM; see deploy/pki"},
      {"ca_file", pki,
       "tally: ca_file: " + pki + " cannot be read as certificates in PEM; see deploy/pki"},
      {"certificate_file", junk,
       "tally: certificate_file: " + junk +
           " cannot be read as certificates in PEM; see deploy/pki"},
      {"key_file", "/etc/hostname",
       "tally: key_file: /etc/hostname cannot be read as a private key in PEM; see deploy/pki"},
      {"key_file", pki + "tester.key",
       "tally: key_file: " + pki + "tester.key is not the key of " + pki +
           "tally.crt (certificate_file)"},
      {"listen_address", "192.0.2.1",
       "tally: listen_address: cannot listen on 192.0.2.1:0: "
       "Cannot assign requested address"},
  };
  const std::map<std::string, std::string> good = settings_;
  for (const auto& wrong : kCases) {
    settings_ = good;
    settings_[wrong.setting] = wrong.file;
    EXPECT_THAT(Run(), ElementsAre(wrong.line));
    EXPECT_EQ(code_, 1);
  }
}

TEST_F(ProcessTest, APortInUseIsOneLineAndNothingRunsOn) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = base::Concat(ntohs(address.sin_port));
  settings_["listen_port"] = port;

  Process process("tally", "A test.");
  EXPECT_THAT(Run(process), ElementsAre("tally: listen_port: cannot listen on 127.0.0.1:" + port +
                                        ": Address already in use"));
  EXPECT_EQ(code_, 1);
  // What the relay does when it ends: were it still taken, it would wake services that are gone.
  absl::Status status;
  journal_->CommitCursors({{"relay", "1"}}, [&](absl::Status done) { status = std::move(done); });
  EXPECT_FALSE(status.ok());
  close(taken);
}

}  // namespace
}  // namespace fettle::rpc

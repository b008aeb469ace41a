// Holds a service's README to what its proto says and its tests have seen: for every command of the
// service, the events of the rpc's comment ("Events: A, B.") = the events in the README's table =
// the events that tests saw it emit, and the refusals in the table = the refusals that tests saw.
// Put one line into a test file of the domain:
//
//   const auto* const kReadme = base::CheckReadme<v1::ReferralEvent>(FETTLE_README, FETTLE_PROTO,
//   "ReferralService");
#ifndef FETTLE_LIBS_BASE_README_TESTING_H_
#define FETTLE_LIBS_BASE_README_TESTING_H_

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "fettle/common/v1/options.pb.h"
#include "libs/base/decide_testing.h"

namespace fettle::base {

class ReadmeCheck final : public ::testing::Environment {
 public:
  ReadmeCheck(std::string readme, std::string proto, std::string service)
      : readme_(std::move(readme)), proto_(std::move(proto)), service_(std::move(service)) {}

  void TearDown() override {
    // Only a whole run has seen everything.
    if (::testing::GTEST_FLAG(filter) != "*") return;
    if (::testing::UnitTest::GetInstance()->failed_test_count() > 0) return;
    const std::map<std::string, Row> rows = ReadReadme();
    const std::map<std::string, std::set<std::string>> commented = ReadProto();
    const std::set<std::string> commands = Commands();
    for (const auto& [command, row] : rows) {
      EXPECT_TRUE(commands.contains(command)) << readme_ << ": no such command: " << command;
    }
    for (const std::string& command : commands) {
      SCOPED_TRACE(command);
      const auto row = rows.find(command);
      if (row == rows.end()) {
        ADD_FAILURE() << readme_ << " has no row for the command";
        continue;
      }
      const Observed& seen = Observed::Get();
      EXPECT_EQ(row->second.events, At(commented, command)) << "README, comment of the rpc";
      EXPECT_EQ(row->second.events, At(seen.events, command)) << "README, seen by tests";
      EXPECT_EQ(row->second.refusals, At(seen.refusals, command)) << "README, seen by tests";
    }
  }

 private:
  struct Row {
    std::set<std::string> events, refusals;
  };

  static std::set<std::string> At(const std::map<std::string, std::set<std::string>>& map,
                                  const std::string& key) {
    const auto it = map.find(key);
    return it == map.end() ? std::set<std::string>() : it->second;
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file.good()) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  static std::set<std::string> Matches(const std::string& text, const char* pattern) {
    std::set<std::string> found;
    const std::regex regex(pattern);
    for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) {
      found.insert((*it)[1]);
    }
    return found;
  }

  // Rows `| `Command` | `Event`, ... | `REASON`, ... |`.
  std::map<std::string, Row> ReadReadme() const {
    std::map<std::string, Row> rows;
    std::istringstream lines(Read(readme_));
    const std::regex row(R"(^\| `(\w+)` \|([^|]*)\|([^|]*)\|$)");
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (!std::regex_match(line, match, row)) continue;
      rows[match[1]] = {Matches(match[2], "`(\\w+)`"), Matches(match[3], "`(\\w+)`")};
    }
    return rows;
  }

  // The events named in the comment above each rpc.
  std::map<std::string, std::set<std::string>> ReadProto() const {
    std::map<std::string, std::set<std::string>> events;
    std::istringstream lines(Read(proto_));
    const std::regex rpc(R"(^\s*rpc (\w+)\(.*)");
    std::string comment;
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      const size_t start = line.find_first_not_of(' ');
      if (start != std::string::npos && line.compare(start, 2, "//") == 0) {
        comment += line.substr(start + 2);
        continue;
      }
      const size_t named = comment.find("Events: ");
      if (std::regex_match(line, match, rpc) && named != std::string::npos) {
        events[match[1]] = Matches(comment.substr(named + 7), "(\\w+)");
      }
      comment.clear();
    }
    return events;
  }

  std::set<std::string> Commands() const {
    std::set<std::string> commands;
    const google::protobuf::ServiceDescriptor* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service_);
    EXPECT_NE(service, nullptr) << service_;
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      const auto& policy = service->method(i)->options().GetExtension(common::v1::policy);
      if (policy.kind() == common::v1::RPC_KIND_COMMAND) {
        commands.insert(service->method(i)->name());
      }
    }
    return commands;
  }

  const std::string readme_;
  const std::string proto_;
  const std::string service_;
};

inline const ::testing::Environment* CheckReadme(std::string readme, std::string proto,
                                                 std::string service) {
  return ::testing::AddGlobalTestEnvironment(
      new ReadmeCheck(std::move(readme), std::move(proto), std::move(service)));
}

}  // namespace fettle::base

#endif  // FETTLE_LIBS_BASE_README_TESTING_H_

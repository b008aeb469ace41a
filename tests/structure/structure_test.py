"""Goal: each check of this folder can fail. Method: give it a small bad example of every kind, and a good one."""

import sys
import unittest

import arrows
import indices
import readmes
import rules
import text

# A valid NHS number outside 999, made here so that no file holds one.
FOREIGN_NUMBER = "400000000" + next(str(d) for d in range(10) if text.is_nhs_number(f"400000000{d}"))


class ArrowsTest(unittest.TestCase):
    def assert_fault(self, path, source, part):
        faults = arrows.include_faults(path, source)
        self.assertTrue(any(part in fault for fault in faults), f"{path}: {source!r} gave {faults}")

    def assert_good(self, path, source):
        self.assertEqual(arrows.include_faults(path, source), [])

    def test_libraries_know_no_service(self):
        self.assert_fault("libs/rpc/x.h", '#include "services/person/domain/x.h"', "a library includes")
        self.assert_fault("libs/rpc/x.h", '#include "fettle/budget/v1/budget_types.pb.h"', "contract of a service")
        self.assert_fault("libs/journal/x.h", '#include "fettle/training/v1/training_types.pb.h"', "contract of a service")
        self.assert_good("libs/rpc/x.h", '#include "fettle/training/v1/training_types.pb.h"')
        self.assert_good("libs/rpc/x.h", '#include "fettle/common/v1/options.pb.h"\n#include "libs/base/status.h"')

    def test_services_know_contracts_only(self):
        self.assert_fault("services/budget/x.cc", '#include "services/training/domain/x.h"', "code of another")
        self.assert_fault("services/budget/x.cc", '#include "tests/e2e/x.h"', "includes tests")
        self.assert_good("services/budget/x.cc", '#include "fettle/training/v1/training_service.grpc.pb.h"')

    def test_a_domain_is_small_and_pure(self):
        path = "services/budget/domain/x.cc"
        for include in ("libs/journal/store.h", "libs/rpc/host.h", "fettle/person/v1/person_types.pb.h",
                        "services/budget/budget_service.h", "grpcpp/grpcpp.h", "spdlog/spdlog.h", "gtest/gtest.h", "sys/stat.h"):
            self.assert_fault(path, f'#include "{include}"', "a domain includes")
        for call in ("absl::Now()", "std::chrono::system_clock::now()", "getenv(\"X\")", "std::random_device r;", "rand()"):
            self.assert_fault(path, call, "is pure")
        for include in ("libs/base/status.h", "libs/nhs/nhs_number.h", "services/budget/domain/ledger.h",
                        "fettle/budget/v1/budget_state.pb.h", "fettle/common/v1/types.pb.h", "absl/time/time.h", "string",
                        "google/protobuf/util/time_util.h"):
            self.assert_good(path, f'#include "{include}"')
        self.assert_good("services/budget/domain/x_test.cc", "#include <gtest/gtest.h>\nabsl::Now()")
        self.assert_good(path, "// absl::Now() is the caller's business\n")

    def test_a_foreign_library_has_one_folder(self):
        for include, owner in (("sqlite3.h", "libs/sqlite"), ("libpq-fe.h", "libs/postgres"), ("librdkafka/rdkafka.h", "libs/bus"),
                               ("openssl/evp.h", "libs/crypto"), ("cjose/jws.h", "libs/crypto"), ("jansson.h", "libs/crypto"),
                               ("boost/beast.hpp", "libs/http"), ("boost/asio/ip/tcp.hpp", "libs/http")):
            self.assert_fault("libs/journal/x.cc", f"#include <{include}>", "belongs to")
            self.assert_fault("services/gateway/x.cc", f"#include <{include}>", "belongs to")
            self.assert_good(f"{owner}/x.cc", f"#include <{include}>")
            self.assert_good("tests/bench/x.cc", f"#include <{include}>")

    def test_threads_are_made_in_four_folders(self):
        for call in ("std::thread t(run);", "std::jthread t;", "std::vector<std::thread> all;", "std::async(run);", "pthread_create(&t, 0, f, 0);"):
            self.assert_fault("libs/seal/x.cc", call, "makes a thread")
            self.assert_fault("services/audit/x.cc", call, "makes a thread")
            self.assert_good("libs/journal/x.cc", call)
            self.assert_good("services/audit/x_test.cc", call)
        self.assert_good("libs/seal/x.cc", "std::thread::hardware_concurrency(); // std::thread t;")

    def test_links(self):
        lib = {"libs/base/CMakeLists.txt": "fettle_library(base SOURCES a.cc)",
               "libs/journal/CMakeLists.txt": "fettle_library(journal SOURCES a.cc DEPS base)",
               "services/person/CMakeLists.txt": "fettle_library(person_domain SOURCES domain/a.cc DEPS base person_proto)\n"
                                                 "fettle_program(person SOURCES main.cc DEPS person_domain journal)"}
        self.assertEqual(arrows.link_faults(lib), [])
        for path, text_of, part in (
                ("libs/seal/CMakeLists.txt", "fettle_library(seal SOURCES a.cc DEPS base person_domain)", "is a library"),
                ("libs/seal/CMakeLists.txt", "add_library(seal a.cc)\ntarget_link_libraries(seal PUBLIC person_domain)", "is a library"),
                ("libs/seal/CMakeLists.txt", "fettle_test(seal SOURCES a_test.cc DEPS person_domain)", "is a library"),
                ("services/budget/CMakeLists.txt", "fettle_program(budget SOURCES main.cc DEPS person_domain)", "of services/person"),
                ("services/budget/CMakeLists.txt", "fettle_library(budget_domain SOURCES domain/a.cc DEPS journal)", "is a domain"),
                ("services/budget/CMakeLists.txt", "fettle_library(budget_domain SOURCES domain/a.cc DEPS person_proto)", "is a domain"),
                ("services/budget/domain/CMakeLists.txt", "fettle_library(budget_domain SOURCES a.cc DEPS journal)", "is a domain"),
                ("libs/rpc/CMakeLists.txt", "fettle_library(rpc SOURCES a.cc DEPS PkgConfig::CRYPTO)", "belongs to libs/crypto")):
            faults = arrows.link_faults({**lib, path: text_of})
            self.assertTrue(any(part in fault for fault in faults), f"{text_of} gave {faults}")


class IndicesTest(unittest.TestCase):
    RULES = "enum ThingIndex : int {\n  kOpenIndex = 1,  // 2\n  kNameIndex = 2,\n};\n"
    CODE = "return {{.index = kOpenIndex, .key = key}};"

    def faults(self, rules=RULES, code=CODE):
        return indices.index_faults("thing", [rules, code])

    def test_numbers(self):
        self.assertEqual(self.faults(), [])
        self.assertEqual(self.faults(rules="", code=""), [])
        for faults, part in (
                (self.faults(rules=self.RULES.replace("= 2,", "= 1,")), "kNameIndex has the number of kOpenIndex"),
                (self.faults(rules=self.RULES.replace("= 2,", "= kOpenIndex,")), "kNameIndex has no number"),
                (self.faults(rules=self.RULES.replace("kNameIndex = 2", "kNameIndex")), "kNameIndex has no number"),
                (self.faults(rules=""), "kOpenIndex is not of"),
                (self.faults(code=self.CODE.replace("kOpenIndex", "7")), "7 is not of"),
                (self.faults(rules=self.RULES * 2), "has 2 enums")):
            self.assertTrue(any(part in fault for fault in faults), f"{part}: {faults}")


class TextTest(unittest.TestCase):
    def test_foreign_nhs_numbers(self):
        spaced = f"{FOREIGN_NUMBER[:3]} {FOREIGN_NUMBER[3:6]} {FOREIGN_NUMBER[6:]}"
        for form in (FOREIGN_NUMBER, spaced, spaced.replace(" ", "-"), f'"{FOREIGN_NUMBER}",'):
            self.assertEqual(len(text.faults_of("tests/x.json", f"number {form}")), 1, form)
        self.assertEqual(text.faults_of("tests/x.json", "9990000000 1" + FOREIGN_NUMBER), [])
        self.assertEqual(text.faults_of(text.NHS_NUMBER_VECTORS, FOREIGN_NUMBER), [])

    def test_banned_words(self):
        for path, line in (("deploy/run", "cd /ho" + "me/me/x"), ("x.cc", '"/wo' + 'rk/x"'), ("x.md", "see .." + "/shared/x"),
                           ("x.txt", "https://registry" + ".npmjs.org/x"), ("x.txt", "pypi" + ".org"), ("x.cc", "// TO" + "DO: later"),
                           ("x_test.cc", "TEST(A, DISABLE" + "D_B)"), ("x.cc", "strcp" + "y(a, b);")):
            self.assertEqual(len(text.faults_of(path, line)), 1, line)
        self.assertEqual(text.faults_of("x.md", "https://github.com/home/x and $ROOT/work/ and data/root/"), [])

    def test_inv_50_no_question_of_the_instrument_and_no_scoring_table(self):
        words = "one two three four five six seven eight".split()
        known = frozenset((text.hash_of(words),))
        self.assertEqual(len(text.instrument_faults("x.md", "zero One, two -- three four five\nsix seven eight nine.", known)), 1)
        self.assertEqual(text.instrument_faults("x.md", "one two three five four six seven eight", known), [])
        table = "constexpr std::array kPam" + "13Levels = {"
        self.assertEqual(text.instrument_faults("x.cc", table + "471, 552, 725};"), [])
        self.assertEqual(len(text.instrument_faults("x.cc", table + "0, 382, 402, 421};")), 1)

    def test_scripts_parse(self):
        self.assertEqual(len(text.syntax_faults("x.py", "def f(:\n")), 1)
        self.assertEqual(text.syntax_faults("tests/structure/tree.py", "x = 1\n"), [])


PROTO = """
  // Opens a thing.
  // Events: ThingOpened,
  // ThingNamed.
  rpc OpenThing(OpenThingRequest) returns (OpenThingResponse) {
    option (fettle.common.v1.policy) = {
      kind: RPC_KIND_COMMAND
    };
  }
  // Reads it.
  rpc GetThing(GetThingRequest) returns (GetThingResponse) {
    option (fettle.common.v1.policy) = {kind: RPC_KIND_QUERY};
  }
"""
README = "| command | events | refusals |\n|---|---|---|\n| `OpenThing` | `ThingOpened`, `ThingNamed` | `THING_IS_OPEN` |\n"


class ReadmesTest(unittest.TestCase):
    def faults(self, readme=README, proto=PROTO, domain=("THING_IS_OPEN",), library=()):
        return readmes.readme_faults("thing", readme, proto, set(domain), set(library))

    def test_agreement(self):
        self.assertEqual(self.faults(), [])
        self.assertEqual(self.faults(domain=(), library=("THING_IS_OPEN",)), [])

    def test_differences(self):
        for faults, part in (
                (self.faults(readme=README.replace("OpenThing", "ShutThing")), "no command of the contract"),
                (self.faults(readme=""), "not of the table"),
                (self.faults(readme=README.replace("`ThingNamed`", "")), "events"),
                (self.faults(proto=PROTO.replace("Events:", "It makes")), "names no events"),
                (self.faults(domain=("THING_IS_OPEN", "THING_IS_LOST")), "THING_IS_LOST"),
                (self.faults(domain=()), "neither the domain nor a library")):
            self.assertTrue(any(part in fault for fault in faults), f"{part}: {faults}")


DOMAIN = """
constexpr char kLost[] = "THING_IS_LOST";
// A comment names "THING_IS_RED".
absl::Status CheckOpen(const State& state) {
  if (state.open()) {
    return Refuse("THING_IS_OPEN");
  }
  return Refuse(kLost);
}

Decided<v1::OpenThingResponse> ThingRules::Decide(
    const View& view, const v1::OpenThingRequest& request) {
  return CheckOpen(view.state());
}

auto ThingRules::Decide(const View& view, const v1::ShutThingRequest& request)
    -> Decided<v1::ShutThingResponse> {
  return Refuse("THING_IS_SHUT");
}
"""


class RowsTest(unittest.TestCase):
    ROWS = "| command | events | refusals |\n|---|---|---|\n| `OpenThing` | | `THING_IS_OPEN`, `THING_IS_LOST` |\n| `ShutThing` | | `THING_IS_SHUT` |\n"

    def faults(self, rows, door=()):
        return readmes.row_faults("thing", rows, readmes.refusals_by_command([DOMAIN]), set(door))

    def test_rows(self):
        self.assertEqual(readmes.refusals_by_command([DOMAIN]), {"OpenThing": {"THING_IS_OPEN", "THING_IS_LOST"}, "ShutThing": {"THING_IS_SHUT"}})
        self.assertEqual(self.faults(self.ROWS), [])
        # Right in the union of the rows, wrong in each.
        exchanged = self.ROWS.replace("THING_IS_LOST", "X").replace("THING_IS_SHUT", "THING_IS_LOST").replace("X", "THING_IS_SHUT")
        self.assertEqual(len(self.faults(exchanged)), 4)
        self.assertEqual(len(self.faults(self.ROWS.replace("`THING_IS_OPEN`, ", ""))), 1)
        self.assertEqual(self.faults(self.ROWS.replace("`THING_IS_OPEN`, ", "") + "\nQueries: `THING_IS_OPEN`."), [])
        early = self.ROWS.replace("`THING_IS_SHUT`", "`THING_IS_SHUT`, `NUMBER_IS_BAD`")
        self.assertEqual(len(self.faults(early)), 1)
        self.assertEqual(self.faults(early, door=["NUMBER_IS_BAD"]), [])


class RulesTest(unittest.TestCase):
    def test_citations(self):
        inv = "INV-"
        self.assertEqual(rules.numbers(f"({inv}1..3, 7), {inv}22, {inv}23; {inv}4."), {1, 2, 3, 4, 7, 22, 23})


if __name__ == "__main__":
    sys.exit(unittest.main())

"""Holds the arrows between folders: reads every #include and every CMake link. Prints each fault; exit 1 if there is one.

Every rule is a line of a table below or one `if` with its reason; structure_test.py shows that each can fail.
"""

import collections
import posixpath
import re
import sys

from tree import is_test, read, source_files

SERVICES = ("person", "referral", "training", "budget", "audit", "analytics", "gateway", "cli")

# Libraries know no service's contract, but for the two services that answer the questions of all others' rules.
LIBRARY_CONTRACTS = {"libs/rpc": ("person", "training")}

# A foreign library is named in one folder only. tests/bench measures against the bare libraries and may name any.
OWNED_INCLUDES = (
    (re.compile(r"sqlite3(ext)?\.h$"), "libs/sqlite"),
    (re.compile(r"(libpq-fe|libpq/.*)\.?h?$"), "libs/postgres"),
    (re.compile(r"librdkafka/"), "libs/bus"),
    (re.compile(r"(openssl|cjose)/|jansson\.h$"), "libs/crypto"),
    (re.compile(r"boost/(beast|asio)|curl/"), "libs/http"),
)
OWNED_TARGETS = {
    "PkgConfig::SQLITE": "libs/sqlite",
    "PkgConfig::RDKAFKA": "libs/bus",
    "PkgConfig::CRYPTO": "libs/crypto",
    "PkgConfig::CJOSE": "libs/crypto",
    "PkgConfig::CURL": "libs/http",
}
OWNED_EXEMPT = "tests/bench"

# std::thread::id and hardware_concurrency start nothing.
THREAD = re.compile(r"std::(jthread|async)\b|std::thread\b(?!::)|\bpthread_create\b|\bthrd_create\b|<future>")
THREAD_FOLDERS = ("libs/journal", "libs/bus", "libs/rpc", "libs/http")

# What makes a pure function impure.
IMPURE = re.compile(
    r"absl::Now\(|absl::Clock|_clock::now\(|\bgetenv\(|\bs?rand\(|random_device|\btime\((nullptr|NULL|0)\)|[io]fstream|\bfopen\(")

DOMAIN_LIBS = ("base", "nhs")
DOMAIN_FOREIGN_INCLUDES = re.compile(r"[a-z_0-9]+$|(absl|google/protobuf|google/rpc)/|(std(int|def|lib)|string|math|limits)\.h$")
DOMAIN_FOREIGN_TARGETS = re.compile(r"absl::|PkgConfig::PROTOBUF$|google_rpc_proto$")
TEST_INCLUDES = re.compile(r"(gtest|gmock|rapidcheck)(/|\.h)")
TEST_TARGETS = re.compile(r"GTest::|rapidcheck")

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def part_of(path):
    """("libs", "journal") of libs/journal/x.h; ("tests", "e2e") of tests/e2e/x.cc."""
    return (path.split("/") + ["", ""])[:2]


def include_faults(path, text):
    """What is wrong with the includes and calls of one C++ file."""
    kind, name = part_of(path)
    folder = f"{kind}/{name}"
    domain = re.match(r"services/\w+/domain/", path)
    faults = []

    def fault(reason):
        faults.append(f"{path}: {reason}")

    for include in INCLUDE.findall(text):
        to_kind, to_name = part_of(include)
        proto = to_name if to_kind == "fettle" else None
        if kind == "libs" and to_kind in ("services", "tests"):
            fault(f"a library includes {include}")
        if kind == "libs" and proto in SERVICES and proto not in LIBRARY_CONTRACTS.get(folder, ()):
            fault(f"a library knows the contract of a service: {include}")
        if kind == "services" and to_kind == "services" and to_name != name:
            fault(f"a service includes the code of another: {include}")
        if kind == "services" and to_kind == "tests":
            fault(f"a service includes {include}")
        for pattern, owner in OWNED_INCLUDES:
            if pattern.match(include) and folder not in (owner, OWNED_EXEMPT):
                fault(f"{include} belongs to {owner}")
        if domain:
            own = (to_kind == "libs" and to_name in DOMAIN_LIBS or include.startswith(domain.group())
                   or proto in (name, "common"))
            foreign = DOMAIN_FOREIGN_INCLUDES.match(include) or is_test(path) and TEST_INCLUDES.match(include)
            if not own and not foreign:
                fault(f"a domain includes {include}")
    code = COMMENT.sub("", text)
    if kind in ("libs", "services") and not is_test(path):
        if folder not in THREAD_FOLDERS and THREAD.search(code):
            fault(f"makes a thread ({THREAD.search(code).group()}); only {', '.join(THREAD_FOLDERS)} do")
        if domain and IMPURE.search(code):
            fault(f"a domain is pure, but calls {IMPURE.search(code).group()}")
    return faults


Target = collections.namedtuple("Target", "folder sources links")

CMAKE_CALL = re.compile(r"^\s*(fettle_\w+|proto_library|add_library|add_executable|target_link_libraries|benchmark_program)\s*\(([^)]*)\)",
                        re.MULTILINE)
CMAKE_WORDS = {"STATIC", "INTERFACE", "PUBLIC", "PRIVATE", "GRPC", "ROOT", "EXCLUDE_FROM_ALL"}


def targets_of(files):
    """{name: Target} of {path of a CMakeLists.txt: text}."""
    targets = {}
    for path, text in files.items():
        folder = posixpath.dirname(path)
        for call, arguments in CMAKE_CALL.findall(re.sub(r"#[^\n]*", "", text)):
            words = [word for word in arguments.replace('"', " ").split() if word not in CMAKE_WORDS]
            if not words or "$" in words[0]:
                continue
            name = words[0] + ("_test" if call == "fettle_test" else "")
            target = targets.setdefault(name, Target(folder, [], []))
            filling = target.links if call == "target_link_libraries" else target.sources
            for word in words[1:]:
                if word in ("SOURCES", "FILES"):
                    filling = target.sources
                elif word == "DEPS":
                    filling = target.links
                else:
                    filling.append(word)
    return targets


def link_faults(files):
    """What is wrong with the links of {path of a CMakeLists.txt: text}."""
    targets = targets_of(files)
    faults = []
    for name, target in targets.items():
        kind, part = part_of(target.folder)
        folder = f"{kind}/{part}"
        sources = [posixpath.normpath(posixpath.join(target.folder, source)) for source in target.sources]
        domain = kind == "services" and sources and all(f"services/{part}/domain/" in source for source in sources)
        for link in target.links:
            def fault(reason):
                faults.append(f"{target.folder}/CMakeLists.txt: {name} {reason}")

            to_folder = targets[link].folder if link in targets else ""
            to_kind, to_part = part_of(to_folder)
            if kind == "libs" and to_kind in ("services", "tests"):
                fault(f"is a library and links {link} of {to_folder}")
            if kind == "services" and (to_kind == "services" and to_part != part or to_kind == "tests"):
                fault(f"links {link} of {to_folder}")
            if link in OWNED_TARGETS and folder not in (OWNED_TARGETS[link], OWNED_EXEMPT):
                fault(f"links {link}, which belongs to {OWNED_TARGETS[link]}")
            if domain:
                own = (to_kind == "libs" and to_part in DOMAIN_LIBS or to_folder.startswith(f"services/{part}")
                       or link in (f"{part}_proto", "common_proto"))
                foreign = DOMAIN_FOREIGN_TARGETS.match(link) or name.endswith("_test") and TEST_TARGETS.match(link)
                if not own and not foreign:
                    fault(f"is a domain and links {link}")
    return faults


def main():
    faults = []
    files = [path for path in source_files(".h", ".cc") if path.startswith(("libs/", "services/", "tests/"))]
    for path in files:
        faults += include_faults(path, read(path))
    cmake = source_files("CMakeLists.txt")
    faults += link_faults({path: read(path) for path in cmake})
    print("\n".join(faults))
    print(f"arrows: {len(files)} files, {len(cmake)} CMake files, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

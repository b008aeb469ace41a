"""Which numbered rules (INV-nn) the tests name, and which of tests/rules.txt none does. Exit 1 if one is missing."""

import collections
import re
import sys

from tree import is_test, read, source_files

CITATION = re.compile(r"INV-(\d+(?:(?:\.\.|, (?:INV-)?)\d+)*)")


def numbers(text):
    """The numbers cited in a text, also as a range (a..b) or a list (a, b)."""
    found = set()
    for match in CITATION.finditer(text):
        for part in match.group(1).replace("INV-", "").split(", "):
            first, _, last = part.partition("..")
            found.update(range(int(first), int(last or first) + 1))
    return found


def main():
    named = collections.defaultdict(list)
    for path in source_files():
        if is_test(path) and path != "tests/rules.txt":
            for number in numbers(read(path)):
                named[number].append(path)
    for number in sorted(named):
        print(f"INV-{number}: {', '.join(sorted(named[number]))}")
    kept = [line for line in read("tests/rules.txt").splitlines() if not line.startswith("#")]
    missing = [line for line in kept if not numbers(line) & named.keys()]
    for line in missing:
        print(f"no test names {line}")
    print(f"rules: {len(kept) - len(missing)} of {len(kept)} are named by a test")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())

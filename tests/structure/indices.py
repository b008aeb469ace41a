"""Holds that the indices of a service have numbers of their own: those of one enum. Prints each fault; exit 1 if there is one.

That no number has both facts and entries of states, every test of a domain holds (libs/base/decide_testing.h).
"""

import os
import re
import sys

from arrows import COMMENT
from tree import ROOT, is_test, read, source_files

ENUM = re.compile(r"\benum (?:class )?\w+Index\b[^{;]*\{([^}]*)\}")
USE = re.compile(r"\.index = (\w+)")


def index_faults(service, texts):
    """What is wrong with the indices of a service, of the texts of its domain."""
    code = "\n".join(COMMENT.sub("", text) for text in texts)
    enums = ENUM.findall(code)
    faults = [f"services/{service}: has {len(enums)} enums of indices"] if len(enums) > 1 else []
    names = {}
    for enum in enums[:1]:
        for item in filter(None, (item.strip() for item in enum.split(","))):
            name, _, number = (part.strip() for part in item.partition("="))
            if not number.isdigit():
                faults.append(f"services/{service}: index {name} has no number")
            elif number in names.values():
                other = next(known for known, its in names.items() if its == number)
                faults.append(f"services/{service}: index {name} has the number of {other}")
            names[name] = number
    for name in sorted(set(USE.findall(code)) - names.keys() - {"index"}):
        faults.append(f"services/{service}: index {name} is not of the enum of indices")
    return faults


def main():
    faults = []
    services = sorted(os.listdir(os.path.join(ROOT, "services")))
    for service in services:
        domain = [path for path in source_files(".h", ".cc") if path.startswith(f"services/{service}/domain/") and not is_test(path)]
        faults += index_faults(service, map(read, domain))
    print("\n".join(faults))
    print(f"indices: {len(services)} services, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

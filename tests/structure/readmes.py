"""Compares the table `command | events | refusals` of each service's README with its contract and its domain.

Commands are the rpcs of kind COMMAND; their events stand in the rpc's comment as "Events: A, B." or "Events: none.";
refusals are the reasons, UPPER_CASE string literals of the domain (what is another code stands in the README's text).
Prints each fault; exit 1 if there is one.
"""

import os
import re
import sys

from tree import ROOT, is_test, read, source_files

RPC = re.compile(r"((?:^[ \t]*//[^\n]*\n)*)^[ \t]*rpc\s+(\w+)\s*\([^)]*\)\s*returns\s*\([^)]*\)\s*(\{.*?^[ \t]*\}|;)", re.MULTILINE | re.DOTALL)
REASON = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def contract_commands(proto):
    """{command: set of events} of a service's proto."""
    commands = {}
    for comment, name, body in RPC.findall(proto):
        if "RPC_KIND_COMMAND" in body:
            words = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
            events = re.search(r"\bEvents?: ([^.]*)\.", words)
            commands[name] = set(re.findall(r"\b[A-Z]\w+", events.group(1))) if events else None
    return commands


def table_commands(readme):
    """{command: (events, refusals)} of a README's table."""
    commands, wanted = {}, False
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            wanted = False
        elif cells[0] == "command":
            wanted = True
        elif wanted and len(cells) == 3 and re.fullmatch(r"`[A-Z]\w+`", cells[0]):
            events, refusals = (set(re.findall(r"`(\w+)`", cell)) for cell in cells[1:])
            commands[cells[0].strip("`")] = (events, refusals)
    return commands


def readme_faults(service, readme, proto, domain_reasons, library_reasons):
    faults = []

    def fault(text):
        faults.append(f"services/{service}/README.md: {text}")

    contract, table = contract_commands(proto), table_commands(readme)
    for command in sorted(contract.keys() - table.keys()):
        fault(f"{command} is a command of the contract but not of the table")
    for command in sorted(table.keys() - contract.keys()):
        fault(f"{command} is in the table but is no command of the contract")
    for command in sorted(contract.keys() & table.keys()):
        events = contract[command]
        if events is None:
            fault(f"the comment of rpc {command} names no events (\"Events: A, B.\")")
        elif events != table[command][0]:
            fault(f"{command}: events {sorted(table[command][0])} in the table, {sorted(events)} in the contract")
    listed = set().union(*(refusals for _, refusals in table.values())) | set(REASON.findall(readme.replace("`", '"')))
    for reason in sorted(domain_reasons - listed):
        fault(f"the domain says {reason}: a refusal of a command belongs into the table, another code into the text")
    for reason in sorted(set().union(*(refusals for _, refusals in table.values())) - domain_reasons - library_reasons):
        fault(f"{reason} is listed, but neither the domain nor a library refuses with it")
    return faults


def reasons(folder, but=()):
    found = set()
    for path in source_files(".h", ".cc"):
        if path.startswith(folder) and not is_test(path) and not path.startswith(tuple(but)):
            found |= set(REASON.findall(COMMENT.sub("", read(path))))
    return found


def main():
    faults = []
    library_reasons = reasons("libs/")
    services = sorted(os.listdir(os.path.join(ROOT, "services")))
    for service in services:
        readme, proto = f"services/{service}/README.md", f"proto/fettle/{service}/v1/{service}_service.proto"
        if not os.path.exists(os.path.join(ROOT, readme)):
            faults.append(f"{readme} is missing")
        elif os.path.exists(os.path.join(ROOT, proto)):
            domain = f"services/{service}/domain/"
            adapter = reasons(f"services/{service}/", but=(domain,))
            faults += readme_faults(service, read(readme), read(proto), reasons(domain), library_reasons | adapter)
    print("\n".join(faults))
    print(f"readmes: {len(services)} services, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

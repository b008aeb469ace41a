"""Compares the table `command | events | refusals` of each service's README with its contract and its domain.

Commands are the rpcs of kind COMMAND; their events stand in the rpc's comment as "Events: A, B." or "Events: none.";
refusals are the reasons, UPPER_CASE string literals, that the command's Decide can come to: its own, and those of the
functions that it names, and of the ones that these name (what is another code stands in the README's text).
Prints each fault; exit 1 if there is one.
"""

import os
import re
import sys

from tree import ROOT, is_test, read, source_files

RPC = re.compile(r"((?:^[ \t]*//[^\n]*\n)*)^[ \t]*rpc\s+(\w+)\s*\([^)]*\)\s*returns\s*\([^)]*\)\s*(\{.*?^[ \t]*\}|;)", re.MULTILINE | re.DOTALL)
REASON = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')
# What a domain calls and what refuses by itself.
CALLED = "libs/base/decide"
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


def units(text):
    """(names, body) of each function, type and constant of a source file: what begins in the first column and ends with it."""
    block = []
    for line in COMMENT.sub("", text).splitlines():
        if not block and (not line or line[0] in " #}" or line.startswith("namespace")):
            continue
        block.append(line)
        body = "\n".join(block)
        if line.startswith("}") or line.endswith(";") and body.count("{") == body.count("}"):
            block = []
            head = re.split(r"[({=;]", body, maxsplit=1)[0]
            name = re.findall(r"\w+", head)[-1:]
            # Decide has an overload for each request.
            if name in (["Decide"], ["QuestionsOf"], ["ReadsOf"]):
                request = re.search(r"\bv1::(\w+)Request&", body)
                name = [f"{name[0]} {request.group(1)}"] if request else []
            if name:
                yield name[0], body


def refusals_by_command(sources):
    """{command: reasons} of the Decide overloads of a domain; `sources` are the texts of its files and of what it calls."""
    bodies = {}
    for text in sources:
        for name, body in units(text):
            bodies[name] = bodies.get(name, "") + "\n" + body
    words = {name: set(re.findall(r"\w+", body)) - {name} for name, body in bodies.items()}
    commands = {}
    for root in (name for name in bodies if name.startswith("Decide ")):
        reached, todo = set(), [root]
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                todo += words[name] & bodies.keys()
        commands[root.removeprefix("Decide ")] = {reason for name in reached for reason in REASON.findall(bodies[name])}
    return commands


def row_faults(service, readme, decided, door_reasons):
    """What is in a command's row and not in its Decide, or the other way round. `door_reasons`: made before it is decided."""
    faults, table = [], table_commands(readme)
    text = "\n".join(line for line in readme.splitlines() if not line.lstrip().startswith("| `"))
    codes = set(REASON.findall(text.replace("`", '"')))
    for command in sorted(decided.keys() & table.keys()):
        _, row = table[command]
        for reason in sorted(decided[command] - row - codes):
            faults.append(f"services/{service}/README.md: {command} refuses with {reason}, which its row does not have")
        for reason in sorted(row - decided[command] - door_reasons):
            faults.append(f"services/{service}/README.md: {command} never refuses with {reason}, which its row has")
    return faults


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
            files = [p for p in source_files(".h", ".cc") if p.startswith((domain, CALLED)) and not is_test(p)]
            faults += row_faults(service, read(readme), refusals_by_command(map(read, files)), adapter)
    print("\n".join(faults))
    print(f"readmes: {len(services)} services, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

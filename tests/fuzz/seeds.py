#!/usr/bin/env python3
"""tests/fuzz/seeds.py FOLDER: what the fuzzers begin with, made from the fixtures and from messages of our own.

FOLDER/fhir and FOLDER/headers get inputs, FOLDER/words.dict the names and short texts that occur in them.
"""
import json
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "conformance"))
from messages import NARROW, Case  # noqa: E402
import post  # noqa: E402

WORD_CHARACTERS_MAX = 60


def words(value):
    """Names of members and texts."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from words(member)
    elif isinstance(value, list):
        for item in value:
            yield from words(item)
    elif isinstance(value, str):
        yield value


def bodies():
    for file in sorted((TESTS / "fixtures/bars").rglob("*.json")):
        yield file.stem, file.read_bytes()
    for category in NARROW:
        case = Case(category)
        for step in (("new", "active"), ("update", "on-hold"), ("update", "revoked")):
            yield "-".join((category, *step)), json.dumps(case.message(*step)).encode()
    yield "incomplete", json.dumps(Case(person={}).message(risk=False, consent=False)).encode()


def headers():
    """As headers_fuzzer.cc reads them: what is base64 is given as the JSON inside."""
    sent = post.headers("token", "RND", "111111111")
    role = {"resourceType": "PractitionerRole", "practitioner": {"display": "Rita Referrer"}}
    sent["NHSD-Requesting-Practitioner"] = post.encoded(role)
    plain = [f"{name}: {value}" for name, value in sent.items()]
    decoded = [f"{name}< {post.decoded(value)}" if name.startswith("NHSD-") else f"{name}: {value}" for name, value in sent.items()]
    yield "encoded", "\n".join(plain).encode()
    yield "decoded", "\n".join(decoded).encode()
    for left_out in range(len(decoded)):
        yield f"without-{left_out}", "\n".join(decoded[:left_out] + decoded[left_out + 1:]).encode()


def main():
    folder = pathlib.Path(sys.argv[1])
    known = set()
    for kind, inputs in (("fhir", bodies()), ("headers", headers())):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, data in inputs:
            (folder / kind / name).write_bytes(data)
            try:
                known.update(words(json.loads(data)))
            except ValueError:
                known.update(line.split(":")[0].split("<")[0] for line in data.decode(errors="replace").splitlines())
    short = sorted(word for word in known if 1 < len(word) <= WORD_CHARACTERS_MAX and word.isascii() and word.isprintable())
    escaped = (word.replace("\\", "\\\\").replace('"', '\\"') for word in short)
    (folder / "words.dict").write_text("".join(f'"{word}"\n' for word in escaped))


if __name__ == "__main__":
    main()

"""Golden bytes: every event type as it was once published is read on every build, with the same meaning and the same bytes.

proto/golden/<topic>.json is a list of entries {"type", "bytes" (hex), "event" (what they mean, as protobuf JSON)}. The test
decodes the bytes with today's contract and compares both ways. `golden.py --renew` adds an entry for each event type that has
a field which no entry sets; what stands in the files is never changed, because somebody's log holds such bytes.
"""
import json
import os
import pathlib
import sys
import unittest

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FETTLE_BUILD", ROOT / "build"))
GOLDEN = ROOT / "proto/golden"
RENEW = "a field of an event is in no golden entry; add one: build/tools/python/bin/python tests/golden/golden.py --renew"
CHOICES_MAX = 8  # members of a oneof within an event
POOL = descriptor_pool.DescriptorPool()
FILES = descriptor_pb2.FileDescriptorSet.FromString((BUILD / "fettle.descriptors.binpb").read_bytes()).file
for file in FILES:
    POOL.Add(file)


def find_topics():
    """{topic: its message}: a message with a header and a oneof `event` is a topic's."""
    for file in FILES:
        for message in file.message_type:
            if [f.name for f in message.field][:1] == ["header"] and [o.name for o in message.oneof_decl] == ["event"]:
                topic = "fettle.access.v1" if file.package == "fettle.journal.v1" else file.package
                yield topic, f"{file.package}.{message.name}"


TOPICS = dict(find_topics())


def message_class(topic):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(TOPICS[topic]))


def entries(topic):
    path = GOLDEN / f"{topic}.json"
    return json.loads(path.read_text()) if path.exists() else []


def events_of(topic):
    """The members of the topic's oneof."""
    return message_class(topic).DESCRIPTOR.oneofs_by_name["event"].fields


def meaning(event):
    return json_format.MessageToDict(event, preserving_proto_field_name=True)


def fields_of(descriptor, path=""):
    """Paths of all fields below a message that are no message themselves."""
    for field in descriptor.fields:
        if field.message_type:
            yield from fields_of(field.message_type, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}"


def wanted(topic, member):
    """What the entries of an event type must set: the header and the event, whole."""
    header = message_class(topic).DESCRIPTOR.fields_by_name["header"]
    for field in (header, member):
        # An event without fields is there or not.
        yield from fields_of(field.message_type, f"{field.name}.") if field.message_type.fields else (field.name,)


def paths_in(value, path=""):
    """The same paths, of what a meaning sets."""
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from paths_in(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from paths_in(inner, path)
    else:
        yield path.rstrip(".")


def uncovered(topic, member, known):
    covered = set()
    for entry in known:
        if entry["type"] == member.message_type.name:
            covered |= set(paths_in(entry["event"]))
    # protobuf JSON writes a timestamp as one string.
    return {p for p in wanted(topic, member) if p not in covered and p.rsplit(".", 1)[0] not in covered}


class Filler:
    """Sets every field, each to a value of its own; of a oneof the member of a number."""

    def __init__(self, choice=0):
        self.number, self.choice = 0, choice

    def value(self, field):
        self.number += 1
        kind = field.cpp_type
        if kind == field.CPPTYPE_STRING:
            return bytes([self.number % 256, 0, 255]) if field.type == field.TYPE_BYTES else f"{field.name} {self.number} é"
        if kind == field.CPPTYPE_BOOL:
            return True
        if kind == field.CPPTYPE_ENUM:
            return field.enum_type.values[-1].number
        return (1 << 40) + self.number if kind in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else 1000 + self.number

    def fill(self, message):
        if message.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
            self.number += 1
            message.FromJsonString(f"2026-11-22T12:34:{self.number % 60:02}.789Z")
            return
        for field in message.DESCRIPTOR.fields:
            oneof = field.containing_oneof
            if oneof and oneof.fields[self.choice % len(oneof.fields)] != field:
                continue
            repeated = field.label == field.LABEL_REPEATED
            if field.message_type:
                inner = getattr(message, field.name)
                for target in ([inner.add(), inner.add()] if repeated else [inner]):
                    target.SetInParent() if not repeated else None
                    self.fill(target)
            elif repeated:
                getattr(message, field.name).extend([self.value(field), self.value(field)])
            else:
                setattr(message, field.name, self.value(field))


def renew():
    for topic in TOPICS:
        known, added = entries(topic), 0
        for member in events_of(topic):
            for choice in range(CHOICES_MAX):
                if not uncovered(topic, member, known):
                    break
                event, filler = message_class(topic)(), Filler(choice)
                filler.fill(event.header)
                event.header.time.FromJsonString("2026-11-22T12:34:56.789Z")
                getattr(event, member.name).SetInParent()
                filler.fill(getattr(event, member.name))
                known.append({"type": member.message_type.name, "bytes": event.SerializeToString(deterministic=True).hex(),
                              "event": meaning(event)})
                added += 1
        (GOLDEN / f"{topic}.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
        print(f"{topic}: {added} added, {len(known)} entries")


class GoldenTest(unittest.TestCase):

    def test_the_topics_are_found(self):
        listed = {line.split()[0] for line in (ROOT / "deploy/kafka/topics.txt").read_text().splitlines() if line.startswith("fettle.")}
        self.assertLessEqual(set(TOPICS), listed)
        # A file without a topic is what is left of one that was published.
        self.assertEqual({path.stem for path in GOLDEN.glob("*.json")}, set(TOPICS))

    # INV-169
    def test_what_was_published_is_read_as_it_was_meant(self):
        for topic in TOPICS:
            self.assertTrue(entries(topic), topic)
            for number, entry in enumerate(entries(topic)):
                with self.subTest(topic=topic, type=entry["type"], entry=number):
                    data = bytes.fromhex(entry["bytes"])
                    event = message_class(topic).FromString(data)
                    self.assertEqual(meaning(event), entry["event"])
                    self.assertEqual(event.SerializeToString(deterministic=True), data)
                    member = event.WhichOneof("event")
                    self.assertEqual(event.DESCRIPTOR.fields_by_name[member].message_type.name, entry["type"])

    def test_every_field_of_every_event_is_in_an_entry(self):
        for topic in TOPICS:
            for member in events_of(topic):
                with self.subTest(topic=topic, type=member.message_type.name):
                    self.assertEqual(sorted(uncovered(topic, member, entries(topic))), [], RENEW)


if __name__ == "__main__":
    if sys.argv[1:] == ["--renew"]:
        sys.exit(renew())
    unittest.main()

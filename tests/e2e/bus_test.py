"""What an analyst meets: real Kafka, CloudEvents headers, every event decoded from the published descriptors alone."""
import json
import pathlib
import subprocess
import sys
import time
import unittest

from confluent_kafka import Producer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import BUILD, ROOT, SERVICES, Fettle, Kafka, Refused, message, new_id  # noqa: E402

CATCH_UP_SECONDS_MAX = 30
TOPICS = [f"fettle.{s}.v1" for s in ("person", "referral", "audit")] + ["fettle.access.v1"]


class BusTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.kafka = Kafka().__enter__()
        cls.fettle = Fettle(services=SERVICES + ("audit", "analytics"), kafka=cls.kafka.address,
                            settings={"audit": {"checkpoint_publish_ms": 500}}).__enter__()
        cls.fettle.seed()
        f = cls.fettle
        cls.person = f.person(number="9990000026", first="CANARYFIRST", family="CANARYFAMILY", born="1961-02-03")
        cls.referral = f.call("referral.SubmitReferral", f.referral_request(cls.person, words="CANARYWORDS"), f.gp)
        f.call("referral.GetReferral", {"referral_id": cls.referral.referral_id}, f.link_worker)

    @classmethod
    def tearDownClass(cls):
        cls.fettle.__exit__()
        cls.kafka.__exit__()

    def kcat(self, topic, what, *more):
        return subprocess.run(["kcat", "-b", self.kafka.address, "-t", topic, "-C", "-e", "-q", "-f", what, *more], check=True,
                              capture_output=True, timeout=60).stdout

    def eventually(self, what, check):
        deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
        while True:
            found = check()
            if found or time.monotonic() > deadline:
                self.assertTrue(found, what)
                return found
            time.sleep(0.3)

    def test_1_kcat_shows_cloudevents_headers(self):
        line = self.eventually("the event is on its topic", lambda: self.kcat("fettle.referral.v1", "%k %h\n")).decode()
        for header in ("ce_specversion=1.0", "ce_id=referral.main.1", "ce_source=urn:fettle:referral:main",
                       "ce_type=uk.nhs.fettle.referral.ReferralSubmitted.v1", "ce_time=", "ce_subject=", "ce_dataschema=",
                       "ce_correlationid=", "content-type=application/protobuf"):
            self.assertIn(header, line)
        self.assertTrue(line.startswith(self.referral.referral_id))  # INV-166, INV-9: the key is the stream

    def test_2_twenty_lines_of_python_decode_every_event(self):
        def read():
            return subprocess.run([sys.executable, ROOT / "tests/consumer/read_events.py", BUILD / "fettle.descriptors.binpb",
                                   self.kafka.address, *TOPICS], check=True, capture_output=True, text=True, timeout=60).stdout

        self.eventually("all topics have events", lambda: all(t in read() for t in TOPICS))

    def test_4_the_journey_and_the_figures_follow(self):
        f, analyst = self.fettle, self.fettle.token("analyst", self.fettle.ICB, "ann")
        steps = self.eventually("the journey is there", lambda: f.call(
            "analytics.GetJourney", {"correlation_id": self.referral.correlation_id}, analyst).steps)
        self.assertIn("ReferralSubmitted", [s.event_type for s in steps])
        self.assertTrue(f.call("analytics.GetFigures", {}, analyst).figures)

    def test_5_the_audit_log_proves_the_event_and_verifies_offline(self):
        f = self.fettle

        def fettle(*words):
            return subprocess.run([BUILD / "bin/fettle", "--home", f.home, "--token", f.auditor, f"--audit=localhost:{f.ports['audit']}",
                                   *words], capture_output=True, text=True, timeout=60)

        def proof(*more):
            return fettle("audit", "proof", "urn:fettle:referral:main", "1", *more)

        # The key is pinned in the home folder; without one, nothing is proven.
        proven = self.eventually("the proof is there", lambda: (run := proof()).returncode == 0 and run.stdout)
        self.assertIn("the event is in the log", proven)
        self.assertEqual(proof("--key", str(f.home / "audit/log.pub")).returncode, 0)
        self.assertIn("/nowhere.pub", proof("--key", "/nowhere.pub").stderr)
        # An earlier checkpoint, kept by somebody who only reads the topic.
        value = self.eventually("a checkpoint is on the bus", lambda: self.kcat("fettle.audit.v1", "%s", "-c1"))
        self.assertEqual(f.feed("audit")[0], (1, value))
        kept = f.home / "kept.checkpoint"
        kept.write_text(message("fettle.audit.v1.AuditEvent").FromString(value).checkpoint_signed.checkpoint)
        shown = json.loads(fettle("events", "fettle.audit.v1", "--kafka", self.kafka.address, "--max", "1").stdout)
        self.assertEqual(shown["checkpoint_signed"]["checkpoint"], kept.read_text())
        export = f.home / "export"
        self.assertEqual(fettle("audit", "export", str(export)).returncode, 0)
        verify = ("audit", "verify", str(export), "--key", str(f.home / "audit/log.pub"), "--checkpoint", str(kept))
        verified = fettle(*verify)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        kept.write_text(kept.read_text() + "x")
        self.assertNotEqual(fettle(*verify).returncode, 0)
        data = bytearray(export.read_bytes())
        data[len(data) // 2] ^= 1
        export.write_bytes(data)
        self.assertNotEqual(fettle(*verify[:-2]).returncode, 0)

    def test_6_checkpoints_are_published_as_the_log_grows_and_the_last_one_after_quiet(self):
        header = self.kcat("fettle.audit.v1", "%k %h\n", "-c1").decode()
        self.assertIn("ce_type=uk.nhs.fettle.audit.CheckpointSigned.v1", header)
        self.assertIn("ce_dataschema=urn:fettle:message:fettle.audit.v1.AuditEvent", header)
        f = self.fettle

        def sizes():
            events = (message("fettle.audit.v1.AuditEvent").FromString(value) for _, value in f.feed("audit"))
            return [event.checkpoint_signed.size for event in events]

        # To open a feed leaves an access record, which is a leaf: so the size is asked first.
        def settled():
            signed = f.call("audit.GetProgress", {}, f.auditor).signed_leaves
            time.sleep(1)
            return sizes()[-1] >= signed

        self.eventually("the last checkpoint is published", settled)
        self.assertEqual(sizes(), sorted(set(sizes())))

    def test_7_what_a_consumer_parks_is_on_the_dead_letter_topic(self):
        f = self.fettle
        event = message("fettle.referral.v1.ReferralEvent")()
        stream = new_id()
        for field, value in (("source", "urn:fettle:referral:elsewhere"), ("position", 1), ("stream_id", stream), ("version", 1),
                             ("type", "uk.nhs.fettle.referral.ReferralTeleported.v1"), ("id", "referral.elsewhere.1"),
                             ("correlation_id", stream)):
            setattr(event.header, field, value)
        producer = Producer({"bootstrap.servers": self.kafka.address})
        producer.produce("fettle.referral.v1", key=stream, value=event.SerializeToString(), headers={"ce_id": "referral.elsewhere.1"})
        self.assertEqual(producer.flush(30), 0)
        line = self.eventually("the parked row is mirrored", lambda: self.kcat("fettle.referral.v1.dlq", "%k %h\n")).decode()
        self.assertTrue(line.startswith(stream), line)
        for header in ("ce_id=referral.elsewhere.1", "fettle-dlq-consumer=analytics", "fettle-dlq-code=UNIMPLEMENTED",
                       "fettle-dlq-cause=", "fettle-dlq-source=urn:fettle:referral:elsewhere", "fettle-dlq-position=1"):
            self.assertIn(header, line)
        self.assertEqual(self.kcat("fettle.referral.v1.dlq", "%s"), event.SerializeToString())
        # Nothing was repaired, so that it stays parked; who may ask for it is told apart, and remembered.
        self.assertEqual(f.call("analytics.RedriveParked", {}, f.token("administrator", f.ICB)).redriven, 0)
        with self.assertRaises(Refused) as refused:
            f.call("analytics.RedriveParked", {}, f.token("analyst", f.ICB, "ann"))
        self.assertEqual(refused.exception.code, "PERMISSION_DENIED")


if __name__ == "__main__":
    unittest.main(verbosity=2)

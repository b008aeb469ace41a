"""What an analyst meets: real Kafka, CloudEvents headers, every event decoded from the published descriptors alone."""
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import BUILD, ROOT, SERVICES, Fettle, Kafka  # noqa: E402

CATCH_UP_SECONDS_MAX = 30
TOPICS = [f"fettle.{s}.v1" for s in ("person", "referral")] + ["fettle.access.v1"]


class BusTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.kafka = Kafka().__enter__()
        cls.fettle = Fettle(services=SERVICES + ("audit", "analytics"), kafka=cls.kafka.address).__enter__()
        cls.fettle.seed()
        f = cls.fettle
        cls.person = f.person(number="9990000026", first="CANARYFIRST", family="CANARYFAMILY", born="1961-02-03")
        cls.referral = f.call("referral.SubmitReferral", f.referral_request(cls.person, words="CANARYWORDS"), f.gp)
        f.call("referral.GetReferral", {"referral_id": cls.referral.referral_id}, f.link_worker)

    @classmethod
    def tearDownClass(cls):
        cls.fettle.__exit__()
        cls.kafka.__exit__()

    def kcat(self, topic, what):
        return subprocess.run(["kcat", "-b", self.kafka.address, "-t", topic, "-C", "-e", "-q", "-f", what], check=True,
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
        export = f.home / "export"
        self.assertEqual(fettle("audit", "export", str(export)).returncode, 0)
        key = str(f.home / "audit/log.pub")
        verified = fettle("audit", "verify", str(export), "--key", key)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        data = bytearray(export.read_bytes())
        data[len(data) // 2] ^= 1
        export.write_bytes(data)
        self.assertNotEqual(fettle("audit", "verify", str(export), "--key", key).returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

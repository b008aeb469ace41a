"""Ctrl-C stops everything in order: whoever takes calls first, then those who decide, then those who follow them.

Method: `deploy/run` on a data folder of this test; SIGINT to its whole process group, as a terminal sends it; then the times
at which each service's log says that it began and ended its stop.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
ORDER = (("gateway",), ("budget", "training", "referral", "person"), ("analytics", "audit"))


class StopTest(unittest.TestCase):

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fettle-stop-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def run_until_ready(self, log):
        process = subprocess.Popen([ROOT / "deploy/run", "--home", self.home, "--bus=none", "--people", "1"], cwd=ROOT, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGTERM))
        deadline = time.monotonic() + START_SECONDS_MAX
        while b"Ctrl-C stops everything" not in pathlib.Path(log.name).read_bytes():
            self.assertTrue(process.poll() is None and time.monotonic() < deadline, pathlib.Path(log.name).read_text())
            time.sleep(0.2)
        return process

    def times(self, service):
        """(when the stop began, when it had ended), as the service's log says."""
        said = {}
        for line in (self.home / f"{service}.log").read_text().splitlines():
            record = json.loads(line)
            # The log leaves out zeros at the end of a fraction.
            whole, _, fraction = record["time"].rstrip("Z").partition(".")
            said.setdefault(record["message"], []).append(f"{whole}.{fraction:0<9}")
        self.assertEqual(len(said.get("stopping", [])), 1, service)
        self.assertEqual(len(said.get("stopped", [])), 1, service)
        return said["stopping"][0], said["stopped"][0]

    def test_ctrl_c_to_the_whole_group_stops_in_order(self):
        with open(self.home / "run.log", "wb") as log:
            process = self.run_until_ready(log)
            started = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)
            # Impatience changes nothing.
            time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(timeout=STOP_SECONDS_MAX), 130)
        print(f"stopped in {time.monotonic() - started:.1f} s", flush=True)
        text = (self.home / "run.log").read_text()
        self.assertFalse(re.search("error", text), text)
        ended_before = ""
        for group in ORDER:
            times = [self.times(service) for service in group]
            self.assertGreater(min(begun for begun, _ in times), ended_before, group)
            ended_before = max(ended for _, ended in times)


if __name__ == "__main__":
    unittest.main(verbosity=2)

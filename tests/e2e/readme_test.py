"""What the README promises: its commands run as they stand there, and what was recorded survives a stop.

Method: `deploy/run` on a data folder of this test, then every command and the Python of the README against it; Ctrl-C, the
same start again, and the same answers. A command that the README gains is run here without a change to this file; one that
is not known to end by itself fails the test.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
COMMAND_SECONDS_MAX = 60
# The first is run by this test, the second runs this test.
TWO_COMMANDS = ["deploy/run", "tests/run"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def inline_commands():
    return [c for c in re.findall(r"`([^`\n]+)`", README) if c.startswith(("build/bin/", "kcat "))]


class Running:
    """`deploy/run` until the end of the block, then Ctrl-C."""

    def __init__(self, home):
        self.home = home

    def __enter__(self):
        self.log = tempfile.TemporaryFile("w+")
        self.started = time.monotonic()
        self.process = subprocess.Popen([ROOT / "deploy/run", "--home", self.home, "--people", "12"], cwd=ROOT, stdout=self.log,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        while "Ctrl-C stops everything" not in self.text():
            if self.process.poll() is not None or time.monotonic() - self.started > START_SECONDS_MAX:
                self.stop()
                raise AssertionError(f"deploy/run did not come up:\n{self.text()}")
            time.sleep(0.2)
        self.seconds = time.monotonic() - self.started
        return self

    def __exit__(self, *_):
        self.code = self.stop()
        self.said = self.text()
        self.log.close()

    def stop(self):
        # As a terminal does it: to the whole group.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=STOP_SECONDS_MAX)

    def text(self):
        self.log.seek(0)
        return self.log.read()


class ReadmeTest(unittest.TestCase):

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fettle-readme-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def shell(self, command):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS_MAX, env={**os.environ, "FETTLE_HOME": str(self.home)})
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        self.assertTrue(done.stdout.strip(), f"{command}: said nothing")
        return done.stdout

    def topic(self, name):
        return self.shell(f"kcat -b localhost:9092 -t {name} -C -e -q -f '%k %h\\n' | sort")

    def test_every_command_of_the_readme_runs_and_what_was_recorded_survives(self):
        two, *others = blocks("sh")
        self.assertEqual(two.split("\n")[:2], TWO_COMMANDS)
        with Running(self.home):
            for block in others:
                # The README's data folder is the default one, this test's its own.
                for command in block.replace("export FETTLE_HOME=$PWD/data\n", "").strip().splitlines():
                    with self.subTest(command=command):
                        self.shell(command)
            for command in inline_commands():
                with self.subTest(command=command):
                    self.shell(command)
            before = {topic: self.topic(topic) for topic in ("fettle.person.v1", "fettle.referral.v1", "fettle.training.v1")}
            listed = self.shell("build/bin/fettle list --page-size 100")
            self.python()
        again = Running(self.home)
        with again:
            self.assertLess(again.seconds, 20, "a start of what is built")
            self.assertEqual(self.shell("build/bin/fettle list --page-size 100"), listed)
            for topic, events in before.items():
                self.assertEqual(self.topic(topic), events, topic)
        self.assertNotIn("ended with an error", again.said)

    def python(self):
        """The README's Python, on each message of a topic."""
        reader = "\n".join([
            "from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition",
            "from google.protobuf import descriptor_pb2, descriptor_pool, message_factory",
            "consumer = Consumer({'bootstrap.servers': 'localhost:9092', 'group.id': 'readme'})",
            "consumer.assign([TopicPartition('fettle.referral.v1', p, OFFSET_BEGINNING) for p in range(6)])",
            "message = consumer.poll(20)", blocks("python")[0], "assert event_type.FromString(message.value()).header.position > 0"])
        done = subprocess.run([ROOT / "build/tools/python/bin/python", "-c", reader], cwd=ROOT, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS_MAX)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())

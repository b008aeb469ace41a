"""A start that cannot be, and a disk that is full: one clear line, a non-zero exit, nothing lost.

Method: each program by itself, with good settings but for one, from a table (program, setting, what is wrong with it, the
line). The line names the setting and the cause, and is the only one on stderr that is no line of the log.
"""
import os
import pathlib
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import BUILD, ROOT, Fettle, Refused, new_id  # noqa: E402

SECONDS_MAX = 20
MISSING = "/nowhere/file"


def bad_starts(damaged, taken_port):
    """(program, setting, its value, the line, without the program's name); a line ending in … is the line's beginning."""
    for program in ("person", "budget", "audit", "analytics", "gateway"):
        yield program, "listen_prot", 1, f"command line: --listen_prot is not a setting of {program}; did you mean listen_port?"
        yield program, "listen_port", 65536, "command line: setting listen_port = 65536 is out of bounds: 0 to 65535"
        yield program, "listen_port", "x", "command line: setting listen_port = x is not a whole number"
        yield program, "listen_port", taken_port, f"listen_port: cannot listen on 127.0.0.1:{taken_port}: Address already in use"
        yield program, "log_level", "loud", "log_level: expected debug, info, warning, error or fatal"
        yield program, "config", MISSING, f"configuration file {MISSING} cannot be read"
        yield program, "clock_file", MISSING, f"clock file {MISSING} cannot be read or does not hold an instant"
        yield program, "jwks_file", "", "jwks_file: name the JSON Web Key Set of the token issuer"
        yield program, "jwks_file", MISSING, f"jwks_file: {MISSING}: No such file or directory"
        yield program, "jwks_file", damaged, f"jwks_file: {damaged}: JWK: not a JSON object with unique names"
        for setting in ("ca_file", "certificate_file", "key_file"):
            for value in ("", MISSING, damaged):
                yield program, setting, value, f"{setting}: {value}…"
        yield program, "data_dir", "", "data_dir: name a folder"
        yield program, "data_dir", f"{damaged}/x", f"data_dir: cannot make {damaged}/x: Not a directory"
    yield "gateway", "targets_file", MISSING, f"targets_file: cannot read '{MISSING}': expected a TOML file of services"
    yield "gateway", "targets_file", damaged, f"targets_file: {damaged}:1: …"
    yield "gateway", "assets_dir", MISSING, f"assets_dir: {MISSING}: No such file or directory"
    yield "gateway", "http_address", "here", "http_address: here is no IP address"


class BadStartTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="fettle-start-"))
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)
        cls.pki = cls.home / "pki"
        subprocess.run([ROOT / "deploy/pki/make-development-pki", cls.pki], check=True, stdout=subprocess.DEVNULL)
        cls.damaged = cls.home / "damaged"
        cls.damaged.write_text("-----BEGIN NOTHING\n")

    def good(self, program):
        settings = {"listen_port": 0, "ca_file": self.pki / "ca.crt", "certificate_file": self.pki / f"{program}.crt",
                    "key_file": self.pki / f"{program}.key", "jwks_file": self.pki / "jwks.json"}
        settings["data_dir"] = self.home / program
        if program == "gateway":
            settings.update({"targets_file": ROOT / "deploy/targets.toml", "http_port": 0})
        if program in ("audit", "analytics"):
            settings.update({f"{source}_target": "" for source in ("person", "referral", "training", "budget")})
        return settings

    def run_bad(self, program, **settings):
        """The line that the program ends with."""
        arguments = [f"--{name}={value}" for name, value in {**self.good(program), **settings}.items()]
        run = subprocess.run([BUILD / f"bin/fettle-{program}", *arguments], capture_output=True, text=True, timeout=SECONDS_MAX)
        self.assertEqual(run.returncode, 1, run.stderr)
        lines = [line for line in run.stderr.splitlines() if not line.startswith('{"time"')]
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertTrue(lines[0].startswith(f"{program}: "), lines[0])
        return lines[0].removeprefix(f"{program}: ")

    def test_each_bad_setting_is_named_in_one_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            for program, setting, value, expected in bad_starts(self.damaged, taken.getsockname()[1]):
                with self.subTest(program=program, setting=setting, value=value):
                    line = self.run_bad(program, **{setting: value})
                    if expected.endswith("…"):
                        self.assertTrue(line.startswith(expected[:-1]), f"{line}\nexpected: {expected}")
                    else:
                        self.assertEqual(line, expected)

    def test_a_key_of_somebody_else_is_named(self):
        for program in ("person", "budget", "audit", "gateway"):
            with self.subTest(program=program):
                self.assertIn("key_file: ", self.run_bad(program, key_file=self.pki / "cli.key"))

    def test_the_command_line(self):
        for arguments, part in (
                (["--home", "/nowhere", "list"], "cannot read /nowhere/token"),
                (["--home", self.home, "--token", "a.b.c", "--referral=localhost:1", "list"], "cannot reach localhost:1"),
                (["--home", self.home, "token", "--key", self.damaged], str(self.damaged)),
                (["audit", "verify", MISSING, "--key", self.damaged], str(self.damaged)),
                (["events", "nowhere"], "no topic nowhere")):
            with self.subTest(arguments=arguments):
                run = subprocess.run([BUILD / "bin/fettle", *arguments], capture_output=True, text=True, timeout=SECONDS_MAX)
                lines = run.stderr.splitlines()
                self.assertEqual((run.returncode, len(lines), run.stdout), (1, 1, ""), run.stderr)
                self.assertTrue(lines[0].startswith("fettle: ") and part in lines[0], lines[0])


class KeptTest(unittest.TestCase):
    """What a start refuses to touch is as it was."""

    def test_a_database_of_a_newer_schema_or_in_use_is_left_alone(self):
        for service, file in (("person", "person.db"), ("person", "keys.db"), ("training", "training.db"), ("audit", "audit.db")):
            with self.subTest(service=service, file=file), Fettle(services=("person", "training", "audit")) as f:
                f.seed()
                path = f.home / service / file
                last = f.call(f"{service}.GetControlTotal", {"log": "LOG_EVENTS"}, f.auditor).last_position
                # In use.
                used = f.processes.pop(service)
                f.start(service)
                self.assertNotEqual(f.processes.pop(service).wait(timeout=SECONDS_MAX), 0)
                self.assertIn(f"{service}.db", f.log(service).splitlines()[-1])
                f.processes[service] = used
                f.call(f"{service}.GetControlTotal", {"log": "LOG_EVENTS"}, f.auditor)
                f.stop(service)
                # Newer.
                with sqlite3.connect(path) as db:
                    (version,) = db.execute("PRAGMA user_version").fetchone()
                    db.execute(f"PRAGMA user_version = {version + 1}")
                f.start(service)
                self.assertNotEqual(f.processes.pop(service).wait(timeout=SECONDS_MAX), 0)
                self.assertEqual(f.log(service).splitlines()[-1],
                                 f"{service}: {path} has schema version {version + 1}; this program knows versions up to {version}: "
                                 "start the program that wrote it")
                with sqlite3.connect(path) as db:
                    db.execute(f"PRAGMA user_version = {version}")
                f.restart(service)
                # Audit goes on with its checkpoints.
                self.assertGreaterEqual(f.call(f"{service}.GetControlTotal", {"log": "LOG_EVENTS"}, f.auditor).last_position, last)


class FullDiskTest(unittest.TestCase):
    """A disk of 3 MB: a small tmpfs for root, a limit on the size of files (RLIMIT_FSIZE) for everybody else."""

    CALLERS = 4
    BYTES = 3 << 20

    def start(self, f, service):
        folder = f.home / service
        folder.mkdir()
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.BYTES}", "tmpfs", folder], check=True)
            self.addCleanup(shutil.rmtree, f.home, ignore_errors=True)
            self.addCleanup(subprocess.run, ["umount", folder], check=True)
            self.addCleanup(f.stop, service)
            f.start(service)
        else:
            # SIGXFSZ would end the process before it can say why.
            f.start(service, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (self.BYTES, self.BYTES)),
                    restore_signals=False)
        f.wait_ready(service)

    def more_room(self, f, service):
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", f"remount,size={self.BYTES * 16}", f.home / service], check=True)

    def fill(self, f, service, rpc, request, token):
        """Calls until the process has ended. Ids of the events that were acknowledged."""
        acknowledged, process = [], f.processes[service]

        def run():
            while process.poll() is None:
                try:
                    answer = f.call(rpc, request(), token, deadline=2)
                    acknowledged.extend(answer.result.event_ids)
                except Refused as refusal:
                    self.codes.add(f"{refusal.code} {refusal.reason}")

        self.codes = set()
        threads = [threading.Thread(target=run) for _ in range(self.CALLERS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        ended = process.poll()
        process.kill() if ended is None else None
        for thread in threads:
            thread.join()
        self.assertIsNotNone(ended, f"{service} lives on; it answered {self.codes}")
        f.processes.pop(service)
        return ended, acknowledged

    def check(self, service, rpc, request, role):
        others = tuple(s for s in ("person", "training") if s != service)
        with Fettle(services=("person", "training"), started=others) as f:
            self.start(f, service)
            if service == "person":
                f.seed()
            token = f.token(*role)
            code, acknowledged = self.fill(f, service, rpc, request, token)
            line = f.log(service).splitlines()[-1]
            print(f"{service}: {len(acknowledged)} acknowledged, exit {code}, {line}, callers saw {sorted(self.codes)}", flush=True)
            self.assertEqual(code, 1)
            self.assertTrue(line.startswith(f"{service}: "), line)
            self.assertRegex(line, r"full|disk|too large")
            self.assertGreater(len(acknowledged), 10)
            self.more_room(f, service)
            f.channels.pop(service).close()
            f.start(service)
            f.wait_ready(service)
            f.call(rpc, request(), token)
            event = f.event_type(service)
            ids = {event.FromString(value).header.id for _, value in f.feed(service)}
            self.assertEqual(set(acknowledged) - ids, set())
            f.stop(service)

    def test_training(self):
        self.check("training", "training.RegisterLearner", lambda: {"practitioner_id": new_id()}, ("trainer", Fettle.PROVIDER, "tom"))

    def test_person(self):
        self.check("person", "person.EnsurePerson", lambda: {
            "demographics": {"first_name": {"text": "Ada"}, "family_name": {"text": "Example"}, "birth_date": {"text": "1950-01-01"}},
            "nhs_number_status": "NHS_NUMBER_STATUS_TRACE_REQUIRED", "number_policy": "NUMBER_POLICY_STRICT",
            "gp_practice": Fettle.PRACTICE}, ("referrer", Fettle.PRACTICE, "gp.one"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

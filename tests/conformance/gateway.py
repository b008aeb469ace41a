"""A gateway of its own for a test, beside the services of a running Fettle."""
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

# The packages that tests need are in a virtual environment of the build.
VENV = pathlib.Path(__file__).resolve().parents[2] / "build/tools/python"
if pathlib.Path(sys.prefix) != VENV and VENV.exists():
    os.execv(VENV / "bin/python3", [VENV / "bin/python3", *sys.argv])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import BUILD, free_port  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TARGET = "111111111"
PARTNER = "RND"
READY_SECONDS_MAX = 20

# What partners address to us with their responses.
REPLIES = "2000099999"

TARGETS = """number_policy = "{policy}"
reply_service_id = "{replies}"
[[service]]
dos_service_id = "{target}"
service_id = "{service_id}"
organisation = "{organisation}"
name = "Social prescribing link workers"
"""


class Gateway:
    """The gateway of a running Fettle, as a partner's system meets it."""

    def __init__(self, fettle, policy, **settings):
        """`settings`: of the program."""
        self.fettle, self.port = fettle, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.targets = fettle.home / "targets.toml"
        self.targets.write_text(TARGETS.format(policy=policy, replies=REPLIES, target=TARGET, service_id=fettle.SERVICE_ID,
                                               organisation=fettle.PROVIDER))
        self.token_file = fettle.home / "partner.token"
        self.token_file.write_text(fettle.token("integrator", PARTNER, "partner"))
        pki = fettle.home / "pki"
        # Of its feed, where audit and analytics of this Fettle look for it.
        feed_port = fettle.ports.setdefault("gateway", free_port())
        self.arguments = [
            BUILD / "bin/fettle-gateway", f"--data_dir={fettle.home}/gateway", f"--kafka={fettle.kafka}",
            f"--listen_port={feed_port}", f"--http_port={self.port}", f"--targets_file={self.targets}",
            f"--ca_file={pki}/ca.crt", f"--certificate_file={pki}/gateway.crt", f"--key_file={pki}/gateway.key",
            f"--jwks_file={pki}/jwks.json", f"--person_target=localhost:{fettle.ports['person']}",
            f"--referral_target=localhost:{fettle.ports['referral']}", f"--base_url={self.url}/FHIR/R4",
            *(f"--{name}={value}" for name, value in settings.items())]
        if "analytics" in fettle.ports:
            self.arguments.append(f"--analytics_target=localhost:{fettle.ports['analytics']}")

    def partner(self, organisation, url, token):
        """Messages of ours to this organisation go there. Before the start."""
        file = self.fettle.home / f"{organisation}.token"
        file.write_text(token)
        with open(self.targets, "a", encoding="utf-8") as out:
            out.write(f'[[partner]]\norganisation = "{organisation}"\nendpoint = "{url}"\ntoken_file = "{file}"\n')

    def __enter__(self):
        self.start()
        return self

    def start(self):
        with open(self.fettle.home / "gateway.log", "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                opener.open(f"{self.url}/health", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the gateway did not start:\n{self.fettle.log('gateway')}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=READY_SECONDS_MAX)

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def post(self, folder, *more):
        """The exit code of post.py."""
        return subprocess.run(
            [sys.executable, HERE / "post.py", folder, "--url", self.url, "--token-file", self.token_file,
             "--organisation", PARTNER, "--target", TARGET, *more], check=False).returncode

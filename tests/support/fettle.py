"""A Fettle of its own for a test: real processes, a development PKI, fresh data, free ports.

Calls go through the published descriptors alone, as an analyst's or integrator's tool would make them.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FETTLE_BUILD", ROOT / "build"))
SERVICES = ("person", "referral", "training", "budget")
READY_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20


def load_descriptors():
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (BUILD / "fettle.descriptors.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


POOL = load_descriptors()


def message(name):
    """The message class of a full name, for example fettle.referral.v1.ReferralEvent."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def new_id():
    return str(uuid.uuid4())


class Refused(Exception):
    """A gRPC call that was refused: code, message, and the ErrorInfo's reason and metadata."""

    def __init__(self, error):
        super().__init__(f"{error.code().name} {error.details()}")
        self.code = error.code().name
        self.reason = ""
        self.metadata = {}
        self.violations = []
        self.trailing = dict(error.trailing_metadata() or ())
        for key, value in error.trailing_metadata() or ():
            if key != "grpc-status-details-bin":
                continue
            status = message("google.rpc.Status").FromString(value) if _has_status() else None
            for detail in status.details if status else ():
                kind = detail.type_url.rsplit("/", 1)[1]
                if kind == "google.rpc.ErrorInfo":
                    info = message(kind).FromString(detail.value)
                    self.reason, self.metadata, self.domain = info.reason, dict(info.metadata), info.domain
                elif kind == "google.rpc.BadRequest":
                    bad = message(kind).FromString(detail.value)
                    self.violations = [v.field for v in bad.field_violations]


def _has_status():
    global POOL
    try:
        POOL.FindMessageTypeByName("google.rpc.Status")
    except KeyError:
        _add_google_rpc()
    return True


def _add_google_rpc():
    """google.rpc.* is no dependency of our contracts; a tool takes it from googleapis-common-protos."""
    from google.rpc import error_details_pb2, status_pb2
    for file in (status_pb2, error_details_pb2):
        proto = descriptor_pb2.FileDescriptorProto()
        file.DESCRIPTOR.CopyToProto(proto)
        for dependency in file.DESCRIPTOR.dependencies:
            dep = descriptor_pb2.FileDescriptorProto()
            dependency.CopyToProto(dep)
            try:
                POOL.FindFileByName(dep.name)
            except KeyError:
                POOL.Add(dep)
        POOL.Add(proto)


class Kafka:
    """A real broker of its own, from the published jars. `with Kafka() as k:` k.address, k.kill(), k.start()."""

    def __init__(self, data=None):
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="kafka-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.environment = {**os.environ, "FETTLE_BIN": str(BUILD / "bin"), "FETTLE_KAFKA_JARS": str(ROOT / "build/kafka")}

    def run(self, *words):
        subprocess.run([ROOT / "deploy/kafka/kafka", *map(str, words)], check=True, env=self.environment,
                       stdout=subprocess.DEVNULL)

    def start(self):
        self.run("start", self.data, self.port)

    def kill(self):
        for line in subprocess.run(["pgrep", "-f", str(self.data)], capture_output=True, text=True).stdout.split():
            os.kill(int(line), signal.SIGKILL)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            time.sleep(0.1)

    def stop(self):
        self.run("stop", self.data)

    def __enter__(self):
        self.run("install", ROOT / "build/kafka")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)


class Fettle:
    """`with Fettle() as f:` runs the services; f.call("referral.GetReferral", {...}, token=...).

    `started`: those of them that run from the beginning; the others wait for start().
    """

    def __init__(self, services=SERVICES, kafka="none", home=None, settings=None, started=None):
        self.services = services
        self.started = started or services
        self.kafka = kafka
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="fettle-"))
        self.keep = home is not None
        self.settings = settings or {}
        self.ports = {s: free_port() for s in services}
        self.processes = {}
        self.channels = {}
        self.tokens = {}

    def __enter__(self):
        subprocess.run([ROOT / "deploy/pki/make-development-pki", self.home / "pki"], check=True,
                       stdout=subprocess.DEVNULL)
        for service in self.started:
            self.start(service)
        for service in self.started:
            self.wait_ready(service)
        return self

    def __exit__(self, *_):
        for service in reversed(self.services):
            self.stop(service)
        for channel in self.channels.values():
            channel.close()
        if not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def start(self, service, **popen):
        """`popen`: more arguments of subprocess.Popen."""
        pki = self.home / "pki"
        arguments = [
            BUILD / "bin" / f"fettle-{service}", f"--data_dir={self.home / service}",
            f"--listen_port={self.ports[service]}", f"--ca_file={pki}/ca.crt",
            f"--certificate_file={pki}/{service}.crt", f"--key_file={pki}/{service}.key",
            f"--jwks_file={pki}/jwks.json", f"--kafka={self.kafka}"
        ]
        if service in ("referral", "training", "budget"):
            arguments.append(f"--person_target=localhost:{self.ports['person']}")
        if service in ("audit", "analytics"):
            # Nobody is asked who does not run: the default ports may be another system's.
            followed = (*SERVICES, "gateway", "audit", *(("analytics",) if service == "audit" else ()))
            arguments += [f"--{s}_target=localhost:{self.ports[s]}" if s in self.ports else f"--{s}_target=" for s in followed]
        if service == "budget":
            arguments.append(f"--training_target=localhost:{self.ports['training']}")
        arguments += [f"--{k}={v}" for k, v in self.settings.get(service, {}).items()]
        with open(self.home / f"{service}.log", "ab") as log:
            self.processes[service] = subprocess.Popen(arguments, stdout=log, stderr=log, **popen)

    def wait_ready(self, service):
        check = self.channel(service).unary_unary("/grpc.health.v1.Health/Check")
        check(b"", timeout=READY_SECONDS_MAX, wait_for_ready=True)

    def stop(self, service, how=signal.SIGTERM):
        process = self.processes.pop(service, None)
        if process is None:
            return None
        process.send_signal(how)
        return process.wait(timeout=STOP_SECONDS_MAX)

    def restart(self, service, how=signal.SIGTERM):
        self.stop(service, how)
        channel = self.channels.pop(service, None)
        if channel is not None:
            channel.close()
        self.start(service)
        self.wait_ready(service)

    def log(self, service):
        return (self.home / f"{service}.log").read_text(errors="replace")

    def channel(self, service):
        if service not in self.channels:
            pki = self.home / "pki"
            credentials = grpc.ssl_channel_credentials((pki / "ca.crt").read_bytes(),
                                                       (pki / "cli.key").read_bytes(),
                                                       (pki / "cli.crt").read_bytes())
            self.channels[service] = grpc.secure_channel(
                f"localhost:{self.ports[service]}", credentials,
                options=[("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 100),
                         ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_receive_message_length", 8 << 20)])
        return self.channels[service]

    def token(self, role, organisation, subject="somebody"):
        key = (role, organisation, subject)
        if key not in self.tokens:
            self.tokens[key] = subprocess.run(
                [BUILD / "bin/fettle", "--home", self.home, "token", "--role", role, "--organisation",
                 organisation, "--subject", subject], check=True, capture_output=True, text=True).stdout.strip()
        return self.tokens[key]

    def call(self, rpc, request, token=None, deadline=10, raw=False, trailing=None):
        """SERVICE.Method with a dict or bytes; the answer as a message (raw: its bytes). Raises Refused."""
        service, method = rpc.split(".")
        package = "journal" if method in ("ReadJournal", "GetOperation", "GetControlTotal") else service
        name = f"fettle.{package}.v1"
        request_type, response_type = message(f"{name}.{method}Request"), message(f"{name}.{method}Response")
        if isinstance(request, dict):
            if "request_id" in request_type.DESCRIPTOR.fields_by_name and "request_id" not in request:
                request = {**request, "request_id": new_id()}
            request = json_format.ParseDict(request, request_type())
        stub = self.channel(service).unary_unary(
            f"/{name}.{package.capitalize()}Service/{method}", lambda m: m if isinstance(m, bytes) else
            m.SerializeToString(), None)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        try:
            answer, call = stub.with_call(request, timeout=deadline, metadata=metadata, wait_for_ready=True)
        except grpc.RpcError as error:
            raise Refused(error) from None
        if trailing is not None:
            trailing.update(dict(call.trailing_metadata() or ()))
        return answer if raw else response_type.FromString(answer)

    # The people and places that most tests need.

    ICB, PRACTICE, PROVIDER, COUNCIL = "QWO", "A1001", "SVC01", "LA100"
    SERVICE_ID = "11111111-1111-4111-8111-111111111111"

    def seed(self):
        admin = self.token("administrator", self.ICB)
        for code, name, kind in ((self.ICB, "West Yorkshire ICB", "ICB"), (self.PRACTICE, "A surgery", "GP_PRACTICE"),
                                 (self.PROVIDER, "Social prescribing", "VCSE"), (self.COUNCIL, "A council", "LOCAL_AUTHORITY")):
            self.call("person.RegisterOrganisation", {"organisation": {
                "ods_code": code, "name": name, "kind": f"ORGANISATION_KIND_{kind}", "start_date": "2015-01-01",
                "icb": self.ICB}}, admin)

    def event_type(self, service):
        """The message of the service's topic."""
        return message(f"fettle.{service}.v1.{service.capitalize()}Event")

    def feed(self, service, log="LOG_EVENTS"):
        """All items of a service's feed as (position, bytes)."""
        last = self.call(f"{service}.GetControlTotal", {"log": log}, self.auditor).last_position
        if last == 0:
            return []
        request = message("fettle.journal.v1.ReadJournalRequest")(
            log=1 if log == "LOG_EVENTS" else 2, from_position=1, to_position=last)
        stub = self.channel(service).unary_stream("/fettle.journal.v1.JournalService/ReadJournal",
                                                  lambda m: m.SerializeToString(),
                                                  message("fettle.journal.v1.ReadJournalResponse").FromString)
        return [(item.position, item.value) for item in
                stub(request, timeout=60, metadata=[("authorization", f"Bearer {self.auditor}")], wait_for_ready=True)]

    @property
    def auditor(self):
        return self.token("auditor", self.ICB, "aud")

    @property
    def gp(self):
        return self.token("referrer", self.PRACTICE, "gp.one")

    @property
    def link_worker(self):
        return self.token("link_worker", self.PROVIDER, "wendy")

    def person(self, number="9990000018", first="Ada", family="Example", born="1959-05-04", **more):
        demographics = {"first_name": {"text": first}, "family_name": {"text": family}, "birth_date": {"text": born}}
        if number:
            demographics["nhs_number"] = {"text": number}
        return self.call("person.EnsurePerson", {
            "demographics": demographics, "number_policy": "NUMBER_POLICY_STRICT", "gp_practice": self.PRACTICE,
            "nhs_number_status": "NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED" if number else
            "NHS_NUMBER_STATUS_TRACE_REQUIRED", **more}, self.gp).person_id

    def referral_request(self, person, words="Feels alone", service=None, **more):
        return {
            "request_id": new_id(), "person_id": person, "intake": "INTAKE_DIRECT",
            "service": {"service_id": service or self.SERVICE_ID, "organisation": self.PROVIDER, "name": "Link workers"},
            "details": {
                "referrer": {"name": {"text": "Dr One"}, "service": "Surgery", "organisation": self.PRACTICE,
                             "contact": {"text": "0113 496 0000"}},
                "referral_date": time.strftime("%Y-%m-%d"), "source_code": "108161000000109", "method": "REFERRAL_METHOD_SECURE_EMAIL",
                "reason": {"code": "LONELINESS", "text": {"text": words}}, "priority": "PRIORITY_ROUTINE",
                "risks": [{"kind": "RISK_KIND_NONE_KNOWN"}], "consent": "CONSENT_DIRECT_CARE_INFORMED"}, **more}

    # The way to a budget that money can be spent from.

    CLINICIAN, CARE_COORDINATOR = "olive.ot", "wendy"

    @property
    def therapist(self):
        return self.token("occupational_therapist", self.PROVIDER, self.CLINICIAN)

    @property
    def finance(self):
        return self.token("finance", self.ICB, "fiona")

    def train(self):
        """The clinician's training, without which no plan is signed."""
        admin, trainer = self.token("administrator", self.ICB), self.token("trainer", self.PROVIDER, "tom")
        who, course = {"practitioner_id": self.CLINICIAN}, {"course_code": "PHB-1", "course_version": 1}
        self.call("training.RegisterLearner", {**who, "occupation_code": "R0950"}, trainer)
        self.call("training.RecordEmployment", {**who, "employment": {
            "organisation": self.PROVIDER, "start_date": "2020-01-01"}}, trainer)
        self.call("training.RegisterCourse", {"course": {
            **course, "title": "Budgets", "capabilities": ["PERSONAL_HEALTH_BUDGETS"]}}, admin)
        self.call("training.AccreditProgramme", {
            **course, "programme_code": "PHB-PROG", "provider": "An institute",
            "period": {"start_date": "2020-01-01", "end_date": "2039-01-01"}}, admin)
        self.call("training.RecordCompletion", {
            **who, **course, "programme_code": "PHB-PROG", "completion_date": "2024-05-01"}, trainer)

    def active_budget(self, person, pence, words="gets about"):
        """A budget with one line, CHAIR, and one portion of `pence`, to be spent from today on."""
        today, commissioner = time.strftime("%Y-%m-%d"), self.token("commissioner", self.ICB, "colin")
        category = "BUDGET_CATEGORY_WHEELCHAIR"
        on = {"budget_id": self.call("budget.RequestBudget", {"person_id": person, "category": category},
                                     self.therapist).budget_id}
        self.call("budget.DetermineEligibility", {**on, "category": category, "decision_reference": "E-1",
                                                  "decision_date": today}, commissioner)
        self.call("budget.RecordAssessment", {**on, "assessment_date": today, "summary": {"text": words}}, self.therapist)
        self.call("budget.SetIndicativeAmount", {**on, "indicative": {
            "amount_pence": pence, "period_start_date": today, "period_end_date": "2039-01-01", "method_code": "BANDING",
            "evidence_reference": "B-2", "communicated_date": today}}, commissioner)
        self.call("budget.StartPlanning", on, self.therapist)
        self.call("budget.SubmitPlan", {**on, "plan": {
            "needs": [{"need_code": "MOBILITY", "text": {"text": words}}],
            "outcomes": [{"outcome_code": "OUTDOORS", "need_codes": ["MOBILITY"]}],
            "lines": [{"line_code": "CHAIR", "amount_pence": pence, "outcome_codes": ["OUTDOORS"],
                       "category_code": "WHEELCHAIR", "supplier": {"text": words}}]}}, self.therapist)
        self.call("budget.RecordContribution", {**on, "contribution": {
            "funder": self.ICB, "amount_pence": pence, "basis_code": "AGREED", "agreement_date": today}}, commissioner)
        self.call("budget.SignOffClinically", {**on, "practitioner_id": self.CLINICIAN, "sign_off_date": today,
                                               "risks_agreed": True}, self.therapist)
        self.call("budget.ApproveBudget", {
            **on, "final_amount_pence": pence, "care_coordinator_id": self.CARE_COORDINATOR,
            "portions": [{"option": "PORTION_OPTION_NOTIONAL", "amount_pence": pence}]}, self.finance)
        self.call("budget.ActivateBudget", {**on, "start_date": today}, commissioner)
        return on["budget_id"]

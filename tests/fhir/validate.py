#!/usr/bin/env python3
"""Every FHIR resource that Fettle returns, validated against R4 with HAPI FHIR's validator. Exit 1 when one has an error.

Method: a fresh gateway is asked for each row of RESOURCES; all answers are validated in one JVM, and a line is printed for
each. An endpoint joins with a row. What the validator cannot know offline (profiles and code systems of UK Core and the
NHS) are warnings, which are counted. An answer to a message holds the partner's own resources: the message as it was sent is
validated too, and what is wrong with it at the same element is the sender's. Our own messages must have nothing of that kind.
A resource of ours that declares a profile of UK Core has the elements that the profile marks as must support.
"""
import collections
import dataclasses
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "conformance"))
from gateway import PARTNER, TARGET, Gateway  # noqa: E402
import partner as receiver  # noqa: E402
from fettle import Fettle  # noqa: E402
import messages  # noqa: E402
from messages import Case  # noqa: E402
import post  # noqa: E402

PUBLISHED = TESTS / "fixtures/bars"
# The validator names the resource again, with its id, which an answer has and the message had not.
RESOURCE_IN_PATH = re.compile(r"/\*.*?\*/")


UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
# Must-support elements of the profiles in UK Core's own table; of names with | one is enough.
MUST_SUPPORT = {
    "ServiceRequest": ("basedOn", "status", "intent", "category", "priority", "code", "subject", "authoredOn", "requester"),
    "Task": ("status", "intent", "code", "focus", "for", "authoredOn", "requester", "owner", "reasonCode|reasonReference",
             "restriction", "input"),
    "CarePlan": ("status", "intent", "category", "subject"),
}


@dataclasses.dataclass
class Answer:
    status: int
    body: bytes
    sent: bytes = b""
    sent_is_ours: bool = True


class Partner:
    """Asks the gateway as a partner's system does."""

    def __init__(self, fettle, gateway, receiver):
        self.fettle, self.url, self.receiver = fettle, f"{gateway.url}/FHIR/R4", receiver
        self.service_id = None
        self.token = fettle.token("integrator", PARTNER, "partner")
        self.case = Case()
        self.first = self.case.message()
        self.first_id = str(uuid.uuid4())

    def request(self, method, path, body=None, token=None, **headers):
        """`headers`: with _ for -; None leaves one out."""
        sent = {**post.headers(token or self.token, PARTNER, TARGET),
                **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, answer, _ = post.post(f"{self.url}/{path}", body, {k: v for k, v in sent.items() if v is not None}, method)
        return Answer(status, answer)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def raw(self, body, **more):
        return self.request("POST", "$process-message", body, **more)

    def send(self, bundle, case=None, **more):
        body = json.dumps(bundle).encode()
        answer = self.raw(body, X_Correlation_Id=(case or Case()).correlation, **more)
        return dataclasses.replace(answer, sent=body)

    def publish(self, name):
        body = (PUBLISHED / name).read_bytes()
        return dataclasses.replace(self.raw(body), sent=body, sent_is_ours=False)

    def change(self, *words, **more):
        return self.send(self.case.message(*words, **more), self.case)

    def refused_field(self):
        case = Case()
        return self.send(case.message(person={**case.person, "family": "n" * 36}), case)

    def sends(self, *steps, ours=False):
        """The last message of ours that a referral leads to, which is the partner's own or (`ours`) one of ours to it."""
        f = self.fettle
        before = len(self.receiver.seen)
        if ours:
            referral = f.call("referral.SubmitReferral", f.referral_request(
                f.person(next(messages.NUMBERS)), service=self.their_service()), f.gp).referral_id
        else:
            answer = self.send(Case().message())
            referral = post.referral_id(answer.status, answer.body)
        for rpc, more in steps:
            f.call(f"referral.{rpc}", {"referral_id": referral, **more}, f.gp if ours else f.link_worker)
        told = sum(rpc in TOLD for rpc, _ in steps) + ours
        deadline = time.monotonic() + 20
        while len(self.receiver.seen) < before + told and time.monotonic() < deadline:
            time.sleep(0.05)
        return Answer(200, self.receiver.seen[before + told - 1][1])

    def their_service(self):
        """A service of ours that works in the partner's system."""
        if not self.service_id:
            self.service_id = str(uuid.uuid4())
            self.fettle.call("referral.RegisterService", {
                "service_id": self.service_id, "organisation": self.fettle.PROVIDER,
                "description": {"name": "Elsewhere", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "dos_service_id": "2000011148"}},
                self.fettle.token("administrator", self.fettle.ICB))
        return self.service_id

    def history(self):
        case = Case()
        answer = self.send(case.message(), case)
        self.send(case.message("update", "on-hold"), case)
        return self.get(f"ServiceRequest/{post.referral_id(answer.status, answer.body)}/_history")

    def plan(self):
        answer = self.send(Case().message())
        referral = post.referral_id(answer.status, answer.body)
        words = {"text": "words"}
        for rpc, more in (*START, ("RecordCarePlan", {"plan": {
                "what_matters": words, "strengths": words, "agreement": "PLAN_AGREEMENT_PERSON",
                "goals": [{"number": 1, "description": words, "importance": 8, "status": "GOAL_STATUS_ACHIEVED"}],
                "actions": [{"what": words, "who": words, "when": words, "confidence": 7, "goal_number": 1}]}})):
            self.fettle.call(f"referral.{rpc}", {"referral_id": referral, **more}, self.fettle.link_worker)
        return self.get(f"CarePlan/{referral}")

    def read_one(self, resource_type):
        """One of those that the search finds."""
        found = json.loads(self.get(resource_type).body)["entry"][0]["resource"]["id"]
        return self.get(f"{resource_type}/{found}")

    def services(self):
        """The directory, with a service in it."""
        self.fettle.call("referral.RegisterService", {"organisation": self.fettle.PROVIDER, "description": {
            "name": "Link workers", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "what": "Time, and somebody to talk to",
            "where": "At the surgery, or at home", "for_whom": "Adults", "opening": "Closed on bank holidays"}},
            self.fettle.token("administrator", self.fettle.ICB))
        return self.get("HealthcareService")

    def while_stopped(self, how):
        """A message that meets a referral service that hangs, or is gone. Rows behind it have none."""
        if how == "hangs":
            self.fettle.processes["referral"].send_signal(signal.SIGSTOP)
        else:
            self.fettle.processes["referral"].send_signal(signal.SIGCONT)
            self.fettle.stop("referral")
        return self.send(Case().message())


# Commands after which a partner hears something.
TOLD = ("AcceptReferral", "RejectReferral", "CloseAsNoContact", "StartReferral", "CompleteReferral", "WithdrawReferral", "MarkEnteredInError")
TODAY = time.strftime("%Y-%m-%d")
ACCEPT = (("StartTriage", {}), ("AcceptReferral", {}))
START = (*ACCEPT, ("StartReferral", {"worker_id": "wendy", "first_contact_date": TODAY}))

# What, HTTP status, how to come by it; in this order. 500 is not here: nothing that can be sent causes one.
RESOURCES = (
    ("CapabilityStatement", 200, lambda p: p.get("metadata")),
    ("answer to a new referral", 200, lambda p: p.send(p.first, p.case, X_Request_Id=p.first_id)),
    ("answer to an update", 200, lambda p: p.change("update", "on-hold")),
    ("answer to a cancellation", 200, lambda p: p.change("update", "revoked")),
    ("answer to a new validation", 200, lambda p: p.send(Case("validation").message())),
    ("answer to a referral of somebody unknown", 200,
     lambda p: p.send(Case(person={"gender": "female"}).message(risk=False, consent=False))),
    ("answer to a referral of nobody", 200, lambda p: p.send(Case(person={}).message())),
    ("our request", 200, lambda p: p.sends(ours=True)),
    ("our cancellation", 200, lambda p: p.sends(("WithdrawReferral", {"reason_code": "NO_LONGER_REQUIRED"}), ours=True)),
    ("our cancellation of an error", 200, lambda p: p.sends(("MarkEnteredInError", {"reason_code": "WRONG_PERSON"}), ours=True)),
    ("our response: taken", 200, lambda p: p.sends(*ACCEPT)),
    ("our response: started", 200, lambda p: p.sends(*START)),
    ("our response: completed", 200, lambda p: p.sends(
        *START, ("CompleteReferral", {"closed_date": TODAY, "outcomes": [{"code": "CONNECTED_TO_GROUP"}]}))),
    ("our response: did not attend", 200, lambda p: p.sends(*ACCEPT, ("RecordContact", {"contact": {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "channel": "CONTACT_CHANNEL_TELEPHONE",
        "outcome": "CONTACT_OUTCOME_NO_ANSWER", "worker_id": "wendy"}}), ("CloseAsNoContact", {}))),
    ("our response: rejected", 200, lambda p: p.sends(("RejectReferral", {"reason_code": "22"}))),
    ("answer to the published request", 200, lambda p: p.publish("ValidationRequest.json")),
    ("referrals", 200, lambda p: p.get("ServiceRequest?_count=2")),
    ("a referral", 200, lambda p: p.read_one("ServiceRequest")),
    ("versions of a referral", 200, lambda p: p.history()),
    ("a care plan", 200, lambda p: p.plan()),
    ("care plans", 200, lambda p: p.get("CarePlan?_count=50")),
    ("care plans with a status", 200, lambda p: p.get("CarePlan?status=active")),
    ("work on referrals", 200, lambda p: p.get("Task")),
    ("work on a referral", 200, lambda p: p.read_one("Task")),
    ("a search that finds nothing", 200, lambda p: p.get("Task?business-status=paused")),
    ("directory of services", 200, lambda p: p.services()),
    ("a service", 200, lambda p: p.read_one("HealthcareService")),
    ("message definitions", 200, lambda p: p.get("MessageDefinition")),
    ("a message definition", 200, lambda p: p.read_one("MessageDefinition")),
    ("outcome of a search that is not understood", 400, lambda p: p.get("Task?patient=1")),
    ("outcome of a referral that is none", 404, lambda p: p.get("ServiceRequest/1")),
    ("outcome of no JSON", 400, lambda p: p.raw(b"{")),
    ("outcome of an unknown workflow", 400, lambda p: p.send(Case().message("new", "draft"))),
    ("outcome of a missing header", 400, lambda p: p.send(Case().message(), X_Request_Id=None)),
    ("outcome of a field that is refused", 400, lambda p: p.refused_field()),
    ("outcome of no token", 401, lambda p: p.send(Case().message(), Authorization=None)),
    ("outcome of another organisation's token", 403,
     lambda p: p.send(Case().message(), token=p.fettle.token("integrator", p.fettle.COUNCIL))),
    ("outcome of an unknown case", 404, lambda p: p.send(Case().message("update"))),
    ("outcome of a response to nothing", 404, lambda p: p.publish("ValidationResponse.json")),
    ("outcome of another method", 405, lambda p: p.get("$process-message")),
    ("outcome of another format", 406, lambda p: p.send(Case().message(), Accept="application/fhir+xml")),
    ("outcome of a repeated message", 409, lambda p: p.send(p.first, p.case, X_Request_Id=p.first_id)),
    ("outcome of other content with the same ids", 409, lambda p: p.send(p.case.message(), p.case, X_Request_Id=p.first_id)),
    ("outcome of too large a body", 413, lambda p: p.raw(b" " * (2 << 20))),
    ("outcome of a booking", 422, lambda p: p.publish("Booking.json")),
    ("outcome of too large a header", 431, lambda p: p.send(Case().message(), NHSD_Requesting_Software="x" * (64 << 10))),
    ("outcome of an endpoint that is none", 501, lambda p: p.get("Slot")),
    ("outcome of a service that hangs", 408, lambda p: p.while_stopped("hangs")),
    ("outcome of a service that is gone", 503, lambda p: p.while_stopped("is gone")),
)


def collect():
    with Fettle(services=("person", "referral")) as fettle:
        fettle.seed()
        fettle.call("person.RegisterOrganisation", {"organisation": {
            "ods_code": PARTNER, "name": "A partner", "kind": "ORGANISATION_KIND_NHS_TRUST", "start_date": "2015-01-01"}},
            fettle.token("administrator", fettle.ICB))
        # One day without an answer is enough for "did not attend".
        fettle.call("referral.RegisterService", {
            "service_id": fettle.SERVICE_ID, "organisation": fettle.PROVIDER,
            "description": {"name": "Link workers", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "no_contact_days": 1}},
            fettle.token("administrator", fettle.ICB))
        theirs = receiver.Partner()
        gateway = Gateway(fettle, "lenient", delivery_poll_ms=50)
        for organisation in (PARTNER, fettle.PROVIDER):
            gateway.partner(organisation, theirs.url, "a-token-of-theirs")
        with gateway:
            partner = Partner(fettle, gateway, theirs)
            return [(name, status, ask(partner)) for name, status, ask in RESOURCES]


def validate(bodies):
    """{name: [(severity, element, text)]} of {name: JSON}."""
    found = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for name, body in bodies.items():
            (pathlib.Path(folder) / f"{name}.json").write_bytes(body)
        lines = subprocess.run([TESTS / "fhir/validator", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in lines.splitlines():
        file, severity, element, text = line.split("\t", 3)
        found[file.removesuffix(".json")].append((severity, RESOURCE_IN_PATH.sub("", element), text))
    return found


def resources(value):
    """Every resource in a JSON value."""
    if isinstance(value, dict):
        if "resourceType" in value:
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from resources(item)


def unfilled(body):
    """(element, text) of each must-support element that a resource lacks whose profile it declares."""
    for resource in resources(json.loads(body)):
        for profile in resource.get("meta", {}).get("profile", ()):
            for names in MUST_SUPPORT.get(profile.removeprefix(UK_CORE), ()):
                if not any(resource.get(name) for name in names.split("|")):
                    yield f"{resource['resourceType']}.{names}", f"{profile} is declared, whose must-support element is not filled"


def errors(found):
    return [(element, text) for severity, element, text in found if severity in ("error", "fatal")]


def main():
    answers = collect()
    bodies = {}
    for number, (_, _, answer) in enumerate(answers):
        bodies[f"{number:03}"] = answer.body
        if answer.sent and answer.status == 200:
            bodies[f"{number:03}-sent"] = answer.sent
    # That what is wrong is seen.
    bodies["canary"] = json.dumps({"resourceType": "CarePlan", "meta": {"profile": [f"{UK_CORE}CarePlan"]}, "status": "no such code",
                                   "intent": "plan", "subject": {"display": "Ada"}}).encode()
    found = validate(bodies)
    faults = []
    if not errors(found["canary"]) or [element for element, _ in unfilled(bodies["canary"])] != ["CarePlan.category"]:
        faults.append("nothing is found wrong with a resource that is")
    warnings = 0
    for number, (name, status, answer) in enumerate(answers):
        sent = errors(found[f"{number:03}-sent"])
        ours = [error for error in errors(found[f"{number:03}"]) if error not in sent]
        if answer.sent_is_ours:
            ours += sent
        if not answer.sent:
            ours += unfilled(answer.body)
        if answer.status != status:
            ours.append(("", f"{status} is expected, not {answer.status}: {answer.body[:300].decode(errors='replace')}"))
        unknown = sum(severity == "warning" for severity, _, _ in found[f"{number:03}"])
        warnings += unknown
        kind = json.loads(answer.body).get("resourceType", "-")
        theirs = f", {len(sent)} of the sender's" if sent and not answer.sent_is_ours else ""
        print(f"{kind:20} {answer.status} {name}: {len(ours)} errors{theirs}, {unknown} warnings")
        faults += [f"{name}: {element}: {text}" for element, text in ours]
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    print(f"{len(answers)} resources, {len(faults)} errors, {warnings} warnings (not known offline)")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

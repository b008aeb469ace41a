"""INV-146: nothing private leaves, and nothing lies open where it is kept.

Method: all services, a gateway and a broker; people, words and a partner's message that are made of canaries, accepted and
refused in every way that answers differently; then every byte that left (topics, feeds, HTTP answers and headers, error
texts and trailers of gRPC, metrics, logs, the audit log's export) and every file of every service is searched. That the
canaries were taken is shown by who may read them.
"""
import copy
import json
import pathlib
import sqlite3
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "conformance")]
from fettle import BUILD, ROOT, SERVICES, Fettle, Kafka, Refused, free_port, new_id  # noqa: E402
from gateway import PARTNER, TARGET, Gateway  # noqa: E402
import post  # noqa: E402

CATCH_UP_SECONDS_MAX = 30
EVERYBODY = SERVICES + ("audit", "analytics")
TOPICS = [line.split()[0] for line in (ROOT / "deploy/kafka/topics.txt").read_text().splitlines() if line.startswith("fettle.")]
NUMBER, BIRTH_DATE = "9990000026", "1961-02-03"
PARTNERS_NUMBER, PARTNERS_BIRTH_DATE = "9990000034", "1962-03-04"
CANARIES = [c.encode() for c in (
    "CANARY", "Canary", NUMBER, "999 000 0026", BIRTH_DATE, PARTNERS_NUMBER, "999 000 0034", PARTNERS_BIRTH_DATE)]
EXAMPLE = json.loads((TESTS / "fixtures/bars/ValidationRequest.json").read_text())


def canary_message():
    bundle = copy.deepcopy(EXAMPLE)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        kind = resource["resourceType"]
        if kind == "Encounter":
            resource["identifier"][0]["value"] = new_id()
        elif kind == "Patient":
            resource["identifier"][0]["value"] = PARTNERS_NUMBER
            resource["birthDate"] = PARTNERS_BIRTH_DATE
            resource["name"] = [{"use": "official", "family": "CANARYJONES", "given": ["CANARYJULIE"]}]
            resource["address"] = [{"use": "home", "line": ["CANARY STREET"], "postalCode": "LS10 4YU"}]
            resource["contact"][0]["telecom"] = [{"system": "email", "value": "Canary@example.test", "use": "home"}]
    return bundle


class PrivateTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.kafka = cls.enterClassContext(Kafka())
        cls.metrics_ports = {name: free_port() for name in (*EVERYBODY, "gateway")}
        cls.fettle = f = cls.enterClassContext(Fettle(
            services=EVERYBODY, kafka=cls.kafka.address,
            settings={s: {"metrics_port": cls.metrics_ports[s], "log_level": "debug"} for s in EVERYBODY}))
        f.seed()
        f.train()
        gateway = Gateway(f, "lenient")
        gateway.arguments += [f"--metrics_port={cls.metrics_ports['gateway']}", "--log_level=debug"]
        cls.gateway = cls.enterClassContext(gateway)
        cls.left = {}  # what left, by where

    def keep(self, where, data):
        """Something that left."""
        self.left[where] = self.left.get(where, b"") + b"\n" + (data if isinstance(data, bytes) else str(data).encode())

    def call(self, rpc, request, token):
        trailing = {}
        answer = self.fettle.call(rpc, request, token, trailing=trailing)
        self.keep("trailing metadata of answers", trailing)
        return answer

    def refused(self, rpc, request, token):
        with self.assertRaises(Refused) as caught:
            self.fettle.call(rpc, request, token)
        self.keep("error texts", str(caught.exception))
        for key, value in caught.exception.trailing.items():
            self.keep("trailing metadata of errors", key)
            self.keep("trailing metadata of errors", value)

    def http(self, path, body=None, headers=None):
        """(status, body) of the gateway; headers and body are kept."""
        request = urllib.request.Request(self.gateway.url + path, data=body, headers=headers or {})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                status, data, received = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, data, received = error.code, error.read(), error.headers
        self.keep("HTTP headers", f"{status} {path}\n{received}")
        # The answer to a message that was taken repeats it to who sent it, as BaRS has it.
        if not (status == 200 and path.endswith("$process-message")):
            self.keep("HTTP answers", data)
        return status, data

    def send(self, body, **more):
        token = self.fettle.token("integrator", PARTNER, "partner")
        headers = {**post.headers(token, PARTNER, TARGET), **more}
        status, _ = self.http("/FHIR/R4/$process-message", body if isinstance(body, bytes) else json.dumps(body).encode(), headers)
        return status

    def people_and_referrals(self):
        f = self.fettle
        person = self.call("person.EnsurePerson", {
            "demographics": {
                "nhs_number": {"text": "999 000 0026"}, "first_name": {"text": "CANARYFIRST"}, "family_name": {"text": "CANARYFAMILY"},
                "birth_date": {"text": BIRTH_DATE}, "address_lines": [{"text": "1 CANARY LANE"}], "postcode": {"text": "LS1 1AA"},
                "telephone": {"text": "CANARYPHONE"}, "email": {"text": "Canary@example.test"}},
            "number_policy": "NUMBER_POLICY_STRICT", "gp_practice": f.PRACTICE,
            "nhs_number_status": "NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED"}, f.gp).person_id
        request = f.referral_request(person, words="CANARYWORDS")
        request["details"]["referrer"].update(name={"text": "Dr CANARYREFERRER"}, contact={"text": "CANARYCONTACT"})
        request["details"]["risks"] = [{"kind": "RISK_KIND_TO_SELF", "description": {"text": "CANARYRISK"}}]
        referral = self.call("referral.SubmitReferral", request, f.gp)
        today, words = time.strftime("%Y-%m-%d"), {"text": "CANARYPLAN"}
        for rpc, more in (("StartTriage", {}), ("AcceptReferral", {"comment": {"text": "CANARYCOMMENT"}}),
                          ("StartReferral", {"worker_id": "wendy", "first_contact_date": today}),
                          ("RecordCarePlan", {"plan": {
                              "what_matters": words, "strengths": words, "needs": [{"text": words}],
                              "goals": [{"number": 1, "description": words, "outcome": words, "importance": 1}],
                              "actions": [{"what": words, "who": words, "when": words, "confidence": 1}],
                              "agreement": "PLAN_AGREEMENT_NONE", "not_agreed_reason": words, "representative": words}}),
                          ("ReviewCarePlan", {"review": {
                              "kind": "PLAN_REVIEW_KIND_FORMAL", "date": today, "outcome": "PLAN_REVIEW_OUTCOME_ENDS", "note": words,
                              "goal_outcomes": [{"goal_number": 1, "status": "GOAL_STATUS_ACHIEVED", "outcome": words}]}}),
                          ("AddPlanRisk", {"risk": {"kind": "RISK_KIND_OTHER", "description": words}}),
                          ("EndPlanRisk", {"number": 1, "end_date": today, "reason": words}),
                          ("RecordSharedDecision", {"decision": {
                              "subject": words, "what_matters": words, "decision": words,
                              "options": [{"description": words, "risks": [words], "benefits": [words]}]}}),
                          ("CompleteReferral", {"closed_date": today, "outcomes": [
                              {"code": "CONNECTED_TO_GROUP", "note": {"text": "CANARYNOTE"}}]})):
            self.call(f"referral.{rpc}", {"referral_id": referral.referral_id, **more}, f.link_worker)
        # Who may read them, reads them: the canaries were taken.
        shown = self.call("referral.GetReferral", {"referral_id": referral.referral_id}, f.link_worker).referral
        self.assertEqual(shown.details.reason.text.text, "CANARYWORDS")
        self.assertEqual(shown.comment.text, "CANARYCOMMENT")
        self.assertEqual(shown.care.decisions[0].options[0].risks[0].text, "CANARYPLAN")
        self.call("referral.GetMyReferral", {"referral_id": referral.referral_id}, f.token("person", f.PRACTICE, person))
        self.call("referral.GetReferralHistory", {"referral_id": referral.referral_id}, f.link_worker)
        self.assertEqual(self.family_name_of(NUMBER), "CANARYFAMILY")
        return person, referral

    def family_name_of(self, number):
        found = self.call("person.FindPersonByNhsNumber", {"nhs_number": {"text": number}}, self.fettle.gp).person_id
        admin = self.fettle.token("administrator", self.fettle.ICB)
        return self.call("person.GetPerson", {"person_id": found}, admin).demographics.family_name.text

    def refusals(self, person, referral):
        f = self.fettle
        demographics = {"nhs_number": {"text": NUMBER}, "first_name": {"text": "CANARYFIRST"}, "birth_date": {"text": BIRTH_DATE}}
        strict = {"number_policy": "NUMBER_POLICY_STRICT"}
        for more in ({"nhs_number": {"text": NUMBER + "1"}}, {"nhs_number": {"text": "CANARYNUMBER"}}, {"gender": {"text": "CANARY"}},
                     {"first_name": {"text": "CANARYFIRST" * 9}}, {"birth_date": {"text": "CANARYDATE"}}):
            self.refused("person.EnsurePerson", {"demographics": {**demographics, **more}, **strict}, f.gp)
        # A role that may not, no token, a number of nobody.
        self.refused("person.EnsurePerson", {"demographics": demographics, **strict}, f.token("trainer", f.PROVIDER))
        self.refused("person.EnsurePerson", {"demographics": demographics, **strict}, None)
        self.refused("person.FindPersonByNhsNumber", {"nhs_number": {"text": "9990000042"}}, f.gp)
        self.refused("person.FindPersonByNhsNumber", {"nhs_number": {"text": NUMBER}}, f.token("trainer", f.PROVIDER))
        request = f.referral_request(person, words="CANARYWORDS" * 20)
        self.refused("referral.SubmitReferral", request, f.gp)
        request = f.referral_request(person, words="CANARYWORDS")
        del request["details"]["risks"]
        self.refused("referral.SubmitReferral", request, f.gp)
        request = f.referral_request(person, words="CANARYWORDS")
        self.call("referral.SubmitReferral", request, f.gp)
        self.refused("referral.SubmitReferral", {**request, "request_id": new_id()}, f.gp)
        request["details"]["reason"]["text"]["text"] = "CANARYOTHER"
        self.refused("referral.SubmitReferral", request, f.gp)
        self.refused("referral.RejectReferral", {"referral_id": referral.referral_id, "reason_code": "OTHER",
                                                 "comment": {"text": "CANARYCOMMENT"}}, f.link_worker)
        self.refused("budget.RecordAssessment", {"budget_id": new_id(), "assessment_date": "2026-01-01",
                                                 "summary": {"text": "CANARYSUMMARY"}}, f.therapist)

    def messages(self):
        bundle = canary_message()
        ids = {"X-Request-Id": new_id(), "X-Correlation-Id": new_id()}
        self.assertEqual(self.send(bundle, **ids), 200)
        self.assertEqual(self.send(bundle, **ids), 409)
        changed = copy.deepcopy(bundle)
        changed["id"] = new_id()
        self.assertEqual(self.send(changed, **ids), 409)
        self.assertEqual(self.family_name_of(PARTNERS_NUMBER), "CANARYJONES")
        text = json.dumps(bundle)
        for broken in (text[:-40].encode(), text.replace('"CANARYJONES"', '["CANARYJONES"]').encode(),
                       text.replace("CANARYJONES", "CANARYJONES" * 9).encode(), b'{"CANARYNAME": "CANARYVALUE", "CANARYNAME": 1}',
                       text.replace('"servicerequest-request"', '"CANARYCODE"').encode(), b"CANARY\xff"):
            self.assertIn(self.send(broken) // 100, (4,), broken[:60])
        self.assertEqual(self.send(bundle, Authorization="Bearer CANARY.x.y"), 401)
        other = self.fettle.token("integrator", self.fettle.COUNCIL)
        self.assertEqual(self.send(bundle, Authorization=f"Bearer {other}"), 403)

    def api(self, person):
        """The plain API's refusals: of the gateway, and of the service."""
        request = self.fettle.referral_request(person, service=new_id())
        request["details"]["reason"]["text"]["text"] = "CANARYWORDS" * 20
        headers = {"Authorization": f"Bearer {self.fettle.gp}", "Content-Type": "application/json"}
        for body in (json.dumps(request), json.dumps({"intake": "CANARYINTAKE"}), json.dumps({"details": {"CANARYFIELD": 1}}),
                     json.dumps({"CANARYFIELD": 1}), '{"CANARYNAME": 1, "CANARYNAME": 1}', "CANARY"):
            self.assertEqual(self.http("/api/v1/referrals", body.encode(), headers)[0], 400, body[:60])

    def pages(self, journey):
        analyst = self.fettle.token("analyst", self.fettle.ICB, "ann")
        self.assertEqual(self.http("/")[0], 200)
        status, _ = self.http(f"/journeys/{journey}", headers={"Cookie": f"fettle_token={analyst}"})
        self.assertEqual(status, 200)
        self.http(f"/journeys/{journey}")
        self.assertEqual(self.http("/FHIR/R4/metadata")[0], 200)

    def kcat(self, topic):
        return subprocess.run(["kcat", "-b", self.kafka.address, "-t", topic, "-C", "-e", "-q", "-f", "%h %k %s\n"], check=True,
                              capture_output=True, timeout=60).stdout

    def caught_up(self):
        """Until audit and analytics have taken all that there is now."""
        f, deadline = self.fettle, time.monotonic() + CATCH_UP_SECONDS_MAX
        goal = {}
        for service in SERVICES:
            for log, suffix in (("LOG_EVENTS", ""), ("LOG_ACCESS", ":access")):
                goal[f"urn:fettle:{service}:main{suffix}"] = f.call(f"{service}.GetControlTotal", {"log": log}, f.auditor).last_position
        for consumer, token in (("audit", f.auditor), ("analytics", f.token("analyst", f.ICB, "ann"))):
            while True:
                taken = {s.source: s.contiguous for s in f.call(f"{consumer}.GetProgress", {}, token).sources}
                behind = {s: (taken.get(s, 0), p) for s, p in goal.items() if taken.get(s, 0) < p}
                if not behind:
                    break
                self.assertLess(time.monotonic(), deadline, f"{consumer}: {behind}")
                time.sleep(0.3)

    def collect(self):
        f = self.fettle
        for topic in TOPICS:
            self.keep(f"topic {topic}", self.kcat(topic))
        for topic in [f"fettle.{s}.v1" for s in SERVICES] + ["fettle.access.v1"]:
            self.assertIn(b"urn:fettle:", self.left[f"topic {topic}"])
        for service in EVERYBODY:
            for log in ("LOG_EVENTS", "LOG_ACCESS"):
                for _, value in f.feed(service, log):
                    self.keep(f"feed of {service}", value)
        for name, port in self.metrics_ports.items():
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                self.keep(f"metrics of {name}", answer.read())
            self.assertIn(b"fettle_", self.left[f"metrics of {name}"])
        export = f.home / "export"
        subprocess.run([BUILD / "bin/fettle", "--home", f.home, "--token", f.auditor, f"--audit=localhost:{f.ports['audit']}",
                        "audit", "export", str(export)], check=True, capture_output=True, timeout=60)
        self.keep("export of the audit log", export.read_bytes())
        for service in reversed(EVERYBODY):
            f.stop(service)
        self.gateway.stop()
        for name in (*EVERYBODY, "gateway"):
            self.keep(f"log of {name}", f.log(name))
        # Sealed at rest too. What spans pages in the file is whole in the table.
        for path in f.home.glob("*/*"):
            if path.parent.name in EVERYBODY:
                self.keep(f"file {path.parent.name}/{path.name}", path.read_bytes())
        for service in EVERYBODY:
            with sqlite3.connect(f.home / service / f"{service}.db") as db:
                for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    for row in db.execute(f'SELECT * FROM "{table}"'):
                        for value in row:
                            self.keep(f"table {table} of {service}", value)

    def test_inv_146_nothing_private_leaves(self):
        person, referral = self.people_and_referrals()
        self.refusals(person, referral)
        self.fettle.active_budget(person, 300000, words="CANARYPLAN")
        self.messages()
        self.api(person)
        self.caught_up()
        self.pages(referral.correlation_id)
        self.collect()
        for where, data in sorted(self.left.items()):
            for canary in CANARIES:
                at = data.find(canary)
                self.assertEqual(at, -1, f"{where}: {data[max(0, at - 80):at + 40]}")
        print(f"{len(self.left)} places, {sum(map(len, self.left.values())) >> 10} KB searched", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)

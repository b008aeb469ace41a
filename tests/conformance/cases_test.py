#!/usr/bin/env python3
"""Cases of several messages against real processes: what a partner's system sees when it repeats, updates, withdraws, and
when a service is gone in the middle."""
import concurrent.futures
import copy
import json
import time
import unittest
import uuid

from gateway import PARTNER, TARGET, Gateway
from fettle import ROOT, Fettle, Kafka
from fettle import message as message_type
import post

ACCESS = message_type("fettle.journal.v1.AccessEvent")
CATCH_UP_SECONDS_MAX = 30
EXAMPLE = json.loads((ROOT / "tests/fixtures/bars/ValidationRequest.json").read_text())
TEST_NUMBERS = iter(("9990000018", "9990000026", "9990000034", "9990000042", "9990000050"))


def message(reason="new", status="active", number=None, updated=None, incomplete=False):
    bundle = copy.deepcopy(EXAMPLE)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        kind = resource["resourceType"]
        if kind == "MessageHeader":
            resource["reason"]["coding"][0]["code"] = reason
        elif kind == "ServiceRequest":
            resource["status"] = status
            resource["meta"]["lastUpdated"] = updated or resource["meta"]["lastUpdated"]
        elif kind == "Patient":
            if number:
                resource["identifier"][0]["value"] = number
            if incomplete:
                for name in ("identifier", "name", "birthDate"):
                    del resource[name]
        elif kind == "Encounter":
            # A case number of this test alone.
            resource["identifier"][0]["value"] = str(uuid.uuid4())
    return bundle


class Cases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fettle = cls.enterClassContext(Fettle(services=("person", "referral")))
        cls.fettle.seed()
        cls.gateway = cls.enterClassContext(Gateway(cls.fettle, "lenient"))
        cls.partner = cls.fettle.token("integrator", PARTNER, "partner")

    def send(self, bundle, correlation, request=None, token=None):
        """(HTTP status and codes, referral id)."""
        headers = post.headers(token or self.partner, PARTNER, TARGET)
        headers["X-Correlation-Id"] = correlation
        headers["X-Request-Id"] = request or str(uuid.uuid4())
        status, answer, _ = post.post(f"{self.gateway.url}/FHIR/R4/$process-message", json.dumps(bundle).encode(), headers)
        return f"{status} {post.codes(answer)}", post.referral_id(status, answer)

    def referral(self, referral_id):
        return self.fettle.call("referral.GetReferral", {"referral_id": referral_id}, self.partner).referral

    def test_incomplete_case_is_completed_by_its_updates(self):
        """INV-158: one new without name and number, updates in order, each twice: one referral, complete demographics."""
        correlation = str(uuid.uuid4())
        number = next(TEST_NUMBERS)
        steps = [message(incomplete=True), message("update", "on-hold", number, "2021-11-26T15:01:00Z"),
                 message("update", "active", number, "2021-11-26T16:02:00+01:00")]
        ids = set()
        for bundle in steps:
            request = str(uuid.uuid4())
            answer, referral_id = self.send(bundle, correlation, request)
            self.assertEqual(answer, "200 -")
            ids.add(referral_id)
            if bundle is steps[0]:
                self.assertIn("first_name", self.referral(referral_id).missing_items)
            self.assertEqual(self.send(bundle, correlation, request)[0], "409 REC_CONFLICT duplicate")
        self.assertEqual(len(ids), 1)
        referral = self.referral(ids.pop())
        self.assertNotIn("first_name", referral.missing_items)
        admin = self.fettle.token("administrator", self.fettle.ICB)
        person = self.fettle.call("person.GetPerson", {"person_id": referral.person_id}, admin)
        self.assertEqual(person.demographics.family_name.text, "Jones")
        self.assertEqual(person.demographics.nhs_number.text, number)

    def test_outdated_update_changes_nothing(self):
        """INV-150."""
        correlation, number = str(uuid.uuid4()), next(TEST_NUMBERS)
        _, referral_id = self.send(message(number=number, updated="2021-11-26T15:00:00Z"), correlation)
        version = self.referral(referral_id).version
        old = message("update", "active", number, "2021-11-26T14:59:59.9Z")
        self.assertEqual(self.send(old, correlation)[0], "409 REC_CONFLICT conflict")
        self.assertEqual(self.referral(referral_id).version, version)

    def test_same_ids_with_another_body_is_a_conflict(self):
        """INV-149."""
        correlation, request, number = str(uuid.uuid4()), str(uuid.uuid4()), next(TEST_NUMBERS)
        self.assertEqual(self.send(message(number=number), correlation, request)[0], "200 -")
        self.assertEqual(self.send(message(number=number), correlation, request)[0], "409 REC_CONFLICT conflict")

    def test_the_same_message_at_once_has_one_effect(self):
        correlation, request, bundle = str(uuid.uuid4()), str(uuid.uuid4()), message()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: self.send(bundle, correlation, request), range(32)))
        self.assertEqual(sum(answer == "200 -" for answer, _ in answers), 1, answers)
        self.assertEqual({answer for answer, _ in answers}, {"200 -", "409 REC_CONFLICT duplicate"})

    def test_cancellation_and_new_start(self):
        """INV-32, 157: one open referral of a person and service; after a withdrawal there may be another."""
        correlation, number = str(uuid.uuid4()), next(TEST_NUMBERS)
        self.assertEqual(self.send(message(number=number), correlation)[0], "200 -")
        self.assertEqual(self.send(message(number=number), str(uuid.uuid4()))[0], "409 REC_CONFLICT conflict")
        later = "2021-11-27T00:00:00Z"
        answer, referral_id = self.send(message("update", "revoked", number, later), correlation)
        self.assertEqual(answer, "200 -")
        self.assertEqual(self.referral(referral_id).withdrawal_reason_code, "NO_LONGER_REQUIRED")
        self.assertEqual(self.send(message("update", "revoked", number, later), correlation)[0], "404 REC_NOT_FOUND not-found")
        self.assertEqual(self.send(message(number=number), str(uuid.uuid4()))[0], "200 -")

    def test_callers_without_the_right(self):
        correlation = str(uuid.uuid4())
        self.assertEqual(self.send(message(), correlation, token="x.y.z")[0], "401 REC_UNAUTHORIZED forbidden")
        other = self.fettle.token("integrator", self.fettle.COUNCIL)
        self.assertEqual(self.send(message(), correlation, token=other)[0], "403 REC_FORBIDDEN forbidden")
        nurse = self.fettle.token("link_worker", PARTNER)
        self.assertEqual(self.send(message(), correlation, token=nurse)[0], "403 REC_FORBIDDEN forbidden")
        # INV-131: the first is nobody's, the second the gateway's, the third the referral service's to record.
        recorded = {service: [(e.access_recorded.reason, e.header.organisation) for e in
                              (ACCESS.FromString(value) for _, value in self.fettle.feed(service, "LOG_ACCESS"))
                              if e.header.correlation_id == correlation] for service in ("gateway", "referral")}
        self.assertEqual(recorded, {"gateway": [("ORGANISATION_NOT_OF_TOKEN", self.fettle.COUNCIL)],
                                    "referral": [("ROLE_NOT_ALLOWED", PARTNER)]})

    def test_z_a_service_that_is_gone_is_a_retry(self):
        """INV-162: not more than 5 s, and the retry has the single effect."""
        correlation, request, bundle = str(uuid.uuid4()), str(uuid.uuid4()), message()
        self.fettle.stop("referral")
        self.assertIn(self.send(bundle, correlation, request)[0],
                      ("503 REC_SERVICE_UNAVAILABLE transient", "408 REC_TIMEOUT timeout"))
        self.fettle.start("referral")
        self.fettle.wait_ready("referral")
        self.assertEqual(self.send(bundle, correlation, request)[0], "200 -")
        self.assertEqual(self.send(bundle, correlation, request)[0], "409 REC_CONFLICT duplicate")

    def test_nothing_private_in_the_log(self):
        """INV-146."""
        self.send(message(), str(uuid.uuid4()))
        log = self.fettle.log("gateway")
        for canary in ("Julie", "Jones", "3478526985", "1959-05-04", "LS10 4YU", "07736312544"):
            self.assertNotIn(canary, log)


class Followers(unittest.TestCase):
    """Audit and analytics take the gateway's access records from the bus and ask the gateway itself for its totals."""

    def test_a_refusal_of_the_gateway_reaches_audit_and_analytics(self):
        kafka = self.enterContext(Kafka())
        fettle = self.enterContext(Fettle(services=("person", "referral", "audit", "analytics", "gateway"), kafka=kafka.address,
                                          started=("person", "referral", "audit", "analytics")))
        gateway = self.enterContext(Gateway(fettle, "lenient"))
        headers = post.headers(fettle.token("integrator", fettle.COUNCIL), PARTNER, TARGET)
        self.assertEqual(post.post(f"{gateway.url}/FHIR/R4/$process-message", b"{}", headers)[0], 403)
        source = "urn:fettle:gateway:main:access"
        analyst = fettle.token("analyst", fettle.ICB, "ann")
        for service, token in (("audit", fettle.auditor), ("analytics", analyst)):
            deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
            while True:
                sources = {s.source: s.contiguous for s in fettle.call(f"{service}.GetProgress", {}, token).sources}
                if sources.get(source) == 1 or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
            self.assertEqual(sources.get(source), 1, service)
            # 1: a match. Asked by its certificate, the gateway records no more.
            blocks = fettle.call(f"{service}.GetControlTotals", {"source": source}, token).blocks
            self.assertEqual([b.outcome for b in blocks], [1], service)


if __name__ == "__main__":
    unittest.main()

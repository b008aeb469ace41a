#!/usr/bin/env python3
"""Messages of our own against real processes: a case that arrives piece by piece, and every cell of the decision table.

Method: the table below is written from the standard, not from our code; each cell is a message of its own (messages.py). What
it allows is accepted in its narrow form, which we would send, and in its wide form, which published messages take; everything
else is refused and leaves no event in any journal.
"""
import itertools
import json
import unittest
import uuid

from gateway import PARTNER, TARGET, Gateway
from fettle import Fettle
from fettle import message as message_type
from messages import NARROW, Case
import post

ACCEPTED, INVARIANT, DUPLICATE = "200 -", "400 REC_BAD_REQUEST invariant", "409 REC_CONFLICT duplicate"

# ServiceRequest.status, Encounter.status and CarePlan.status: all that FHIR R4 has.
REQUEST_STATUSES = ("draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown")
ENCOUNTER_STATUSES = ("planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error",
                      "unknown")
PLAN_STATUSES = REQUEST_STATUSES
REASONS = ("new", "update", "delete", "replace")

# (reason, ServiceRequest.status) of a servicerequest-request: the categories that the narrow form allows. A message that is in
# no row is refused. Rows of servicerequest-response stand here as soon as we send what they answer.
REQUEST_ROWS = {
    ("new", "active"): ("referral", "validation"),
    ("update", "active"): ("validation",),
    ("update", "on-hold"): ("validation",),
    ("update", "revoked"): ("referral", "validation"),
    ("update", "entered-in-error"): ("referral", "validation"),
    ("delete", "revoked"): (),
    ("delete", "entered-in-error"): (),
}
# Of a new message, in the wide form.
NEW_PLANS = ("active", "completed")
NOT_NEW_ENCOUNTERS = ("cancelled", "entered-in-error")


class Sender(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fettle = cls.enterClassContext(Fettle(services=("person", "referral")))
        cls.fettle.seed()
        cls.fettle.call("person.RegisterOrganisation", {"organisation": {
            "ods_code": PARTNER, "name": "A hospital", "kind": "ORGANISATION_KIND_NHS_TRUST", "start_date": "2015-01-01",
            "icb": cls.fettle.ICB}}, cls.fettle.token("administrator", cls.fettle.ICB))
        cls.gateway = cls.enterClassContext(Gateway(cls.fettle, "lenient"))
        cls.partner = cls.fettle.token("integrator", PARTNER, "partner")

    def send(self, case, bundle, request=None):
        """(HTTP status and codes, referral id)."""
        headers = post.headers(self.partner, PARTNER, TARGET)
        headers["X-Correlation-Id"] = case.correlation
        headers["X-Request-Id"] = request or str(uuid.uuid4())
        status, answer, _ = post.post(f"{self.gateway.url}/FHIR/R4/$process-message", json.dumps(bundle).encode(), headers)
        return f"{status} {post.codes(answer)}", post.referral_id(status, answer)

    def events(self):
        """How many events each journal holds."""
        return {service: self.fettle.call(f"{service}.GetControlTotal", {"log": "LOG_EVENTS"}, self.fettle.auditor).last_position
                for service in ("person", "referral")}


class PieceByPiece(Sender):
    def test_one_new_and_three_updates_each_twice(self):
        """INV-149, 158: one referral, four versions in their order, complete at the end."""
        case = Case()
        whole, kept = case.person, []
        nameless = {"birth_date": whole["birth_date"]}
        named = {**nameless, "family": whole["family"], "given": whole["given"], "practice": whole["practice"]}
        numbered = {**named, "nhs_number": whole["nhs_number"], "gender": whole["gender"]}
        for bundle in (case.message(person=nameless, risk=False, consent=False),
                       case.message("update", "active", person=named, risk=False, consent=False),
                       case.message("update", "on-hold", person=numbered, consent=False),
                       case.message("update", "active")):
            kept.append(str(uuid.uuid4()))
            answer, referral_id = self.send(case, bundle, kept[-1])
            self.assertEqual(answer, ACCEPTED)
            before = self.events()
            self.assertEqual(self.send(case, bundle, kept[-1])[0], DUPLICATE)
            self.assertEqual(self.events(), before)
            if len(kept) == 1:
                first = referral_id
                missing = self.referral(first).missing_items
                self.assertEqual(sorted(missing), ["consent", "family_name", "first_name", "gp_practice", "risks"])
            self.assertEqual(referral_id, first)
        referral = self.referral(first)
        self.assertEqual(list(referral.missing_items), [])
        facts = [getattr(event, event.WhichOneof("event")) for event in self.story(first)]
        messages = [fact.partner_message for fact in facts if "partner_message" in fact.DESCRIPTOR.fields_by_name]
        self.assertEqual([m.request_id for m in messages if m.request_id], kept)
        person = self.fettle.call("person.GetPerson", {"person_id": referral.person_id},
                                  self.fettle.token("administrator", self.fettle.ICB))
        for key, field in (("nhs_number", "nhs_number"), ("family", "family_name"), ("given", "first_name"),
                           ("birth_date", "birth_date"), ("postcode", "postcode")):
            self.assertEqual(getattr(person.demographics, field).text, whole[key])

    def referral(self, referral_id):
        return self.fettle.call("referral.GetReferral", {"referral_id": referral_id}, self.partner).referral

    def story(self, referral_id):
        """The events of one referral."""
        event_type = message_type("fettle.referral.v1.ReferralEvent")
        for _, value in self.fettle.feed("referral"):
            event = event_type.FromString(value)
            if event.header.stream_id == referral_id:
                yield event


class DecisionTable(Sender):
    """INV-154."""

    def test_new(self):
        """A new message of each category, with each Encounter and CarePlan."""
        for category, encounter, plan in itertools.product(NARROW, ENCOUNTER_STATUSES, PLAN_STATUSES):
            case = Case(category)
            is_new = plan in NEW_PLANS and encounter not in NOT_NEW_ENCOUNTERS
            narrow_plan, narrow_encounters = NARROW[category]
            is_narrow = plan == narrow_plan and encounter in narrow_encounters
            self.assertTrue(is_new or not is_narrow)
            with self.subTest(category=category, encounter=encounter, plan=plan, narrow=is_narrow):
                self.check(case, case.message(plan=plan, encounter=encounter), is_new)

    def test_each_reason_with_each_status(self):
        """Of an open case: what is not refused changes it, what is refused leaves it as it was."""
        for category, reason, status in itertools.product(NARROW, REASONS, REQUEST_STATUSES):
            case = Case(category)
            if reason != "new":
                self.assertEqual(self.send(case, case.message())[0], ACCEPTED)
            categories = REQUEST_ROWS.get((reason, status))
            with self.subTest(category=category, reason=reason, status=status, narrow=category in (categories or ())):
                self.check(case, case.message(reason, status), categories is not None)

    def check(self, case, bundle, is_accepted):
        before = self.events()
        answer, _ = self.send(case, bundle)
        if is_accepted:
            self.assertEqual(answer, ACCEPTED)
            self.assertNotEqual(self.events(), before)
        else:
            self.assertEqual(answer, INVARIANT)
            self.assertEqual(self.events(), before)


if __name__ == "__main__":
    unittest.main()

"""Real person and referral processes: what holds across processes, restarts and callers."""
import concurrent.futures
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import Fettle, Refused, message, new_id  # noqa: E402


class ReferralTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = Fettle(services=("person", "referral")).__enter__()
        cls.fettle.seed()

    @classmethod
    def tearDownClass(cls):
        cls.fettle.__exit__()

    def refused(self, code, reason, rpc, request, token):
        with self.assertRaises(Refused) as caught:
            self.fettle.call(rpc, request, token)
        self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason))
        return caught.exception

    def submit(self, number, **more):
        person = self.fettle.person(number=number, born="1970-01-01")
        return self.fettle.call("referral.SubmitReferral", self.fettle.referral_request(person, **more), self.fettle.gp)

    def test_1_a_referral_goes_from_gp_to_outcome(self):
        f, gp, worker = self.fettle, self.fettle.gp, self.fettle.link_worker
        referral = self.submit("9990000018").referral_id
        today = time.strftime("%Y-%m-%d")
        for rpc, more in (("StartTriage", {}), ("AcceptReferral", {"comment": {"text": "welcome"}}),
                          ("StartReferral", {"worker_id": "wendy", "first_contact_date": today}),
                          ("CompleteReferral", {"closed_date": today, "outcomes": [{"code": "CONNECTED_TO_GROUP"}]})):
            f.call(f"referral.{rpc}", {"referral_id": referral, **more}, worker)
        shown = f.call("referral.GetReferral", {"referral_id": referral}, worker).referral
        self.assertEqual(shown.version, 6)  # submitted, triage, accepted, started, counted, completed
        self.assertEqual(shown.details.reason.text.text, "Feels alone")
        self.assertEqual(shown.comment.text, "welcome")
        self.assertEqual(f.call("referral.GetReferral", {"referral_id": referral}, gp).referral.status, shown.status)
        self.refused("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED", "referral.StartTriage", {"referral_id": referral}, worker)

    def test_2_64_callers_with_one_request_id_have_one_effect_also_after_a_restart(self):
        f = self.fettle
        request = f.referral_request(f.person(number="9990000034", born="1970-01-01"))

        def send(_):
            trailing = {}
            return f.call("referral.SubmitReferral", request, f.gp, raw=True, trailing=trailing), trailing

        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(send, range(64)))
        self.assertEqual(len({answer for answer, _ in answers}), 1)
        self.assertEqual(sum("fettle-replayed" in t for _, t in answers), 63)
        f.restart("referral", signal.SIGKILL)
        answer, trailing = send(0)
        self.assertEqual(answer, answers[0][0])
        self.assertEqual(trailing.get("fettle-replayed"), "true")
        other = {**request, "details": {**request["details"], "priority": "PRIORITY_URGENT"}}
        self.refused("FAILED_PRECONDITION", "REQUEST_ID_REUSED", "referral.SubmitReferral", other, f.gp)
        # The same id from another organisation is another request: it meets the open referral (INV-32).
        self.refused("ALREADY_EXISTS", "OPEN_REFERRAL_EXISTS", "referral.SubmitReferral", request,
                     f.token("referrer", f.COUNCIL, "gp.one"))

    def test_3_get_operation_tells_what_became_of_a_request(self):
        f = self.fettle
        request = f.referral_request(f.person(number="9990000042", born="1970-01-01"))
        response = f.call("referral.SubmitReferral", request, f.gp, raw=True)
        done = f.call("referral.GetOperation", {"request_id": request["request_id"]}, f.gp)
        self.assertEqual((done.state, done.response), (1, response))
        self.assertEqual(f.call("referral.GetOperation", {"request_id": new_id()}, f.gp).state, 2)
        self.assertEqual(f.call("referral.GetOperation", {"request_id": request["request_id"]}, f.link_worker).state, 2)

    def test_4_who_may_not_see_a_referral_gets_the_answer_of_one_that_is_not_there(self):
        f = self.fettle
        referral = self.submit("9990000050").referral_id
        stranger = f.token("link_worker", "XYZ99", "sam")
        missing = self.refused("NOT_FOUND", "REFERRAL_NOT_FOUND", "referral.GetReferral", {"referral_id": new_id()}, stranger)
        foreign = self.refused("NOT_FOUND", "REFERRAL_NOT_FOUND", "referral.GetReferral", {"referral_id": referral}, stranger)
        self.assertEqual(str(missing), str(foreign))
        self.refused("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", "referral.GetReferral", {"referral_id": referral},
                     f.token("trainer", f.PROVIDER))
        with self.assertRaises(Refused) as caught:
            f.call("referral.GetReferral", {"referral_id": referral}, "x.y.z")
        self.assertEqual(caught.exception.code, "UNAUTHENTICATED")

    def test_5_bad_input_names_the_field_and_has_no_effect(self):
        f = self.fettle
        person = f.person(number="9990000069", born="1970-01-01")
        request = f.referral_request(person)
        request["details"]["reason"]["text"] = {"text": "x" * 151}  # INV-23
        refusal = self.refused("INVALID_ARGUMENT", "TEXT_TOO_LONG", "referral.SubmitReferral", request, f.gp)
        self.assertEqual(refusal.violations, ["details.reason.text"])
        request["details"]["reason"]["text"] = {"text": "é" * 150}
        request["details"]["source_code"] = "108161000000108"  # INV-16
        self.refused("INVALID_ARGUMENT", "FORMAT_INVALID", "referral.SubmitReferral", request, f.gp)
        request["details"]["source_code"] = "108161000000109"
        del request["details"]["risks"]  # INV-22
        self.refused("INVALID_ARGUMENT", "MANDATORY_ITEM_MISSING", "referral.SubmitReferral", request, f.gp)
        request["details"]["risks"] = [{"kind": "RISK_KIND_NONE_KNOWN"}]
        f.call("referral.SubmitReferral", request, f.gp)

    def test_6_inv_4_strict_numbers_are_refused_and_lenient_ones_kept_as_not_traced(self):
        f = self.fettle
        bad = {"demographics": {"nhs_number": {"text": "9990000019"}, "first_name": {"text": "A"}, "family_name": {"text": "B"},
                                "birth_date": {"text": "1980-01-01"}}, "number_policy": "NUMBER_POLICY_STRICT",
               "nhs_number_status": "NHS_NUMBER_STATUS_PRESENT_AND_VERIFIED"}
        self.refused("INVALID_ARGUMENT", "NHS_NUMBER_INVALID", "person.EnsurePerson", bad, f.gp)
        kept = f.call("person.EnsurePerson", {**bad, "number_policy": "NUMBER_POLICY_LENIENT"}, f.gp).person_id
        shown = f.call("person.GetPerson", {"person_id": kept}, f.gp)
        self.assertEqual(shown.nhs_number_status, 2)
        # A number that fails its check digit identifies nobody.
        self.refused("NOT_FOUND", "PERSON_NOT_FOUND", "person.FindPersonByNhsNumber", {"nhs_number": {"text": "9990000019"}}, f.gp)
        again = f.call("person.EnsurePerson", {**bad, "number_policy": "NUMBER_POLICY_LENIENT"}, f.gp)
        self.assertNotEqual(again.person_id, kept)

    def test_7_inv_8_a_number_has_one_holder_and_survives_a_merge(self):
        f = self.fettle
        holder = f.person(number="9990000077", born="1990-01-01")
        self.assertEqual(f.person(number="999 000 0077", born="1990-01-01"), holder)
        other = f.person(number="9990000077", born="1991-01-01")
        self.assertNotEqual(other, holder)
        self.assertEqual(f.call("person.GetPerson", {"person_id": other}, f.gp).nhs_number_status, 4)
        survivor = f.person(number="9990000085", born="1990-01-01")
        f.call("person.MergePersons", {"surviving_person_id": survivor, "merged_person_id": holder},
               f.token("administrator", f.ICB))
        found = f.call("person.FindPersonByNhsNumber", {"nhs_number": {"text": "9990000077"}}, f.gp)
        self.assertEqual(found.person_id, survivor)
        self.refused("FAILED_PRECONDITION", "PERSON_MERGED", "referral.SubmitReferral", f.referral_request(holder), f.gp)

    def test_8_a_detail_that_is_removed_is_gone_also_after_a_restart(self):
        f = self.fettle
        person = f.person(number="9990000093", born="1990-01-01")
        points = [{"kind": kind, "value": {"text": text}, "rank": 1} for kind, text in (
            ("CONTACT_KIND_TELEPHONE", "0113 496 0001"), ("CONTACT_KIND_EMAIL", "ada@example.org"))]
        strict = {"person_id": person, "number_policy": "NUMBER_POLICY_STRICT"}
        f.call("person.UpdatePerson", {**strict, "demographics": {
            "address_lines": [{"text": "1 High Street"}], "profile": {"contact_points": points}}}, f.link_worker)
        removed = {**strict, "removed": ["REMOVABLE_DETAIL_TELEPHONE", "REMOVABLE_DETAIL_ADDRESS"]}
        refusal = self.refused("INVALID_ARGUMENT", "DETAIL_GIVEN_AND_REMOVED", "person.UpdatePerson",
                               {**removed, "demographics": {"telephone": {"text": "0113 496 0002"}}}, f.link_worker)
        self.assertEqual(refusal.violations, ["demographics.telephone"])
        f.call("person.UpdatePerson", removed, f.link_worker)
        for _ in range(2):
            shown = f.call("person.GetPerson", {"person_id": person}, f.link_worker).demographics
            self.assertFalse(shown.HasField("telephone") or shown.address_lines)
            self.assertEqual([point.value.text for point in shown.profile.contact_points], ["ada@example.org"])
            self.assertEqual(shown.email.text, "ada@example.org")
            f.restart("person", signal.SIGKILL)
        _, value = f.feed("person")[-1]
        event = f.event_type("person").FromString(value)
        self.assertEqual(list(event.person_updated.removed), [2, 4])
        self.assertFalse(event.person_updated.HasField("demographics"))

    def test_9_who_may_be_known_already_is_told_before_a_record_is_made(self):
        f = self.fettle
        like = {"first_name": {"text": "Mary-Ann"}, "family_name": {"text": "O'Neill"}, "birth_date": {"text": "1990-01-01"},
                "postcode": {"text": "LS1 4AP"}}
        known = f.call("person.EnsurePerson", {
            "demographics": like, "number_policy": "NUMBER_POLICY_STRICT",
            "nhs_number_status": "NHS_NUMBER_STATUS_TRACE_REQUIRED"}, f.link_worker).person_id
        sought = {"demographics": {**like, "family_name": {"text": "ONEILL"}, "postcode": {"text": "ls14ap"}}}

        def found():
            answer = f.call("person.FindPossibleDuplicates", sought, f.link_worker)
            return [duplicate.person_id for duplicate in answer.duplicates]

        self.assertEqual(found(), [known])
        access = message("fettle.journal.v1.AccessEvent").FromString(f.feed("person", "LOG_ACCESS")[-1][1])
        self.assertEqual(access.access_recorded.method, "fettle.person.v1.PersonService.FindPossibleDuplicates")
        self.assertEqual(list(access.header.subjects), [known])
        self.refused("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", "person.FindPossibleDuplicates", sought, f.gp)
        # INV-139: a likeness would confirm the postcode.
        f.call("person.RestrictPerson", {"person_id": known}, f.link_worker)
        self.assertEqual(found(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""Two installations that refer to each other over BaRS, and a partner that is slow, refuses, hangs up and says it again."""
import json
import pathlib
import signal
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
from gateway import TARGET, Gateway  # noqa: E402
from partner import Partner  # noqa: E402
from fettle import Fettle, Refused, new_id  # noqa: E402
import messages  # noqa: E402
import post  # noqa: E402

WAIT_SECONDS_MAX = 40
TODAY = time.strftime("%Y-%m-%d")


def wait_for(what, seconds=WAIT_SECONDS_MAX):
    """The first answer of `what` that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came in {seconds} s")
        time.sleep(0.1)


def status_name(referral):
    return referral.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[referral.status].name.removeprefix(
        "REFERRAL_STATUS_")


def delivery_names(fettle, referral, token):
    shown = fettle.call("referral.ListDeliveries", {"referral_id": referral}, token).deliveries
    names = []
    for item in shown:
        kind, status = item.delivery.message.DESCRIPTOR, item.delivery.DESCRIPTOR
        signal_name = kind.fields_by_name["signal"].enum_type.values_by_number[item.delivery.message.signal].name
        status_text = status.fields_by_name["status"].enum_type.values_by_number[item.delivery.status].name
        names.append((signal_name.removeprefix("SIGNAL_"), status_text.removeprefix("DELIVERY_STATUS_")))
    return names


class TwoInstallations(unittest.TestCase):
    """`near` refers; the service works at `far`."""

    @classmethod
    def setUpClass(cls):
        cls.near = cls.enterClassContext(Fettle(services=("person", "referral")))
        cls.far = cls.enterClassContext(Fettle(services=("person", "referral")))
        for fettle in (cls.near, cls.far):
            fettle.seed()
        cls.near_gateway = Gateway(cls.near, "strict", delivery_poll_ms=50)
        cls.far_gateway = Gateway(cls.far, "strict", delivery_poll_ms=50)
        # Each has a token of the other's issuer.
        cls.near_gateway.partner(Fettle.PROVIDER, f"{cls.far_gateway.url}/FHIR/R4",
                                 cls.far.token("integrator", Fettle.PRACTICE, "near"))
        cls.far_gateway.partner(Fettle.PRACTICE, f"{cls.near_gateway.url}/FHIR/R4",
                                cls.near.token("integrator", Fettle.PROVIDER, "far"))
        cls.enterClassContext(cls.near_gateway)
        cls.enterClassContext(cls.far_gateway)
        cls.near.call("referral.RegisterService", {
            "service_id": Fettle.SERVICE_ID, "organisation": Fettle.PROVIDER,
            "description": {"name": "Link workers", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "dos_service_id": TARGET}},
            cls.near.token("administrator", Fettle.ICB))
        cls.numbers = messages.nhs_numbers(9990002000)

    def refer(self):
        """(referral at `near`, its copy at `far`)."""
        person = self.near.person(number=next(self.numbers), born="1959-05-04")
        near = self.near.call("referral.SubmitReferral", self.near.referral_request(person), self.near.gp)

        def arrived():
            listed = self.far.call("referral.ListReferrals", {}, self.far.link_worker).referrals
            return [r.referral_id for r in listed if r.correlation_id == near.correlation_id]
        return near.referral_id, wait_for(arrived)[0]

    def at_far(self, referral, *steps):
        for rpc, more in steps:
            self.far.call(f"referral.{rpc}", {"referral_id": referral, **more}, self.far.link_worker)

    def near_is(self, referral, status):
        def looks():
            shown = self.near.call("referral.GetReferral", {"referral_id": referral}, self.near.gp).referral
            return shown if status_name(shown) == status else None
        return wait_for(looks)

    def test_1_a_referral_is_moved_by_the_responses_of_the_partner_that_it_was_sent_to(self):
        near, far = self.refer()
        shown = self.far.call("referral.GetReferral", {"referral_id": far}, self.far.link_worker).referral
        self.assertEqual(shown.details.reason.text.text, "Feels alone")
        self.assertEqual(shown.details.reason.code, "LONELINESS")
        self.assertEqual(list(shown.missing_items), [])
        self.assertEqual(shown.referring_organisation, Fettle.PRACTICE)
        self.at_far(far, ("StartTriage", {}), ("AcceptReferral", {}))
        self.near_is(near, "ACCEPTED")
        self.at_far(far, ("StartReferral", {"worker_id": "wendy", "first_contact_date": TODAY}))
        self.assertEqual(self.near_is(near, "ACTIVE").first_contact_date, TODAY)
        self.at_far(far, ("CompleteReferral", {"closed_date": TODAY, "outcomes": [{"code": "CONNECTED_TO_GROUP"}]}))
        last = self.near_is(near, "COMPLETED")
        self.assertEqual(len(last.partner_responses), 3)
        self.assertEqual(delivery_names(self.near, near, self.near.gp), [("REQUEST", "DELIVERED")])
        self.assertEqual(delivery_names(self.far, far, self.far.link_worker),
                         [("TAKEN", "DELIVERED"), ("STARTED", "DELIVERED"), ("COMPLETED", "DELIVERED")])

    def test_2_a_rejection_comes_with_its_reason(self):
        near, far = self.refer()
        self.at_far(far, ("StartTriage", {}), ("RejectReferral", {"reason_code": "22"}))
        self.assertEqual(self.near_is(near, "REJECTED").rejection_reason_code, "22")

    def test_3_a_withdrawal_reaches_the_partner(self):
        near, far = self.refer()
        self.near.call("referral.WithdrawReferral", {"referral_id": near, "reason_code": "NO_LONGER_REQUIRED"}, self.near.gp)
        wait_for(lambda: status_name(self.far.call("referral.GetReferral", {"referral_id": far},
                                                   self.far.link_worker).referral) == "WITHDRAWN")
        self.assertEqual(wait_for(lambda: [n for n in delivery_names(self.near, near, self.near.gp) if n[0] == "CANCEL"
                                           and n[1] != "DUE"]), [("CANCEL", "DELIVERED")])

    def test_4_what_is_due_outlives_both_processes(self):
        near, far = self.refer()
        self.at_far(far, ("StartTriage", {}))
        self.far_gateway.stop(signal.SIGKILL)
        self.at_far(far, ("AcceptReferral", {}))
        self.far.restart("referral", signal.SIGKILL)
        self.assertEqual(delivery_names(self.far, far, self.far.link_worker), [("TAKEN", "DUE")])
        self.far_gateway.start()
        self.near_is(near, "ACCEPTED")

    def test_5_only_who_was_asked_answers_and_only_once(self):
        near, far = self.refer()
        del far
        bundle = self.response_to(near)
        body, ids = json.dumps(bundle).encode(), new_id()

        def send(organisation, body=body, request_id=ids):
            sent = post.headers(self.near.token("integrator", organisation, "far"), organisation, "2000099999")
            status, answer, _ = post.post(f"{self.near_gateway.url}/FHIR/R4/$process-message", body,
                                          {**sent, "X-Request-Id": request_id, "X-Correlation-Id": ids})
            return status, post.codes(answer)

        self.assertEqual(send(Fettle.COUNCIL), (404, "REC_NOT_FOUND not-found"))
        self.assertEqual(send(Fettle.PROVIDER), (200, "-"))
        self.assertEqual(send(Fettle.PROVIDER), (409, "REC_CONFLICT duplicate"))
        self.assertEqual(send(Fettle.PROVIDER, body + b" "), (409, "REC_CONFLICT conflict"))
        bundle["entry"][0]["resource"]["response"]["identifier"] = new_id()
        # INV-156
        self.assertEqual(send(Fettle.PROVIDER, json.dumps(bundle).encode(), new_id()), (404, "REC_NOT_FOUND not-found"))
        request = {"resourceType": "Bundle"}
        self.assertEqual(send(Fettle.PROVIDER, json.dumps(request).encode(), new_id())[0], 400)
        self.near_is(near, "ACTIVE")

    def test_6_a_partner_searches_the_plans_of_its_referrals(self):
        words = {"text": "to walk by the sea"}
        planned = set()
        for _ in range(2):
            _, far = self.refer()
            self.at_far(far, ("StartTriage", {}), ("AcceptReferral", {}),
                        ("StartReferral", {"worker_id": "wendy", "first_contact_date": TODAY}),
                        ("RecordCarePlan", {"plan": {"what_matters": words, "agreement": "PLAN_AGREEMENT_PERSON"}}))
            planned.add(far)
        headers = post.headers(self.far.token("integrator", Fettle.PRACTICE, "near"), Fettle.PRACTICE, TARGET)
        found, pages = set(), 0
        url = f"{self.far_gateway.url}/FHIR/R4/CarePlan?status=active&_count=1"
        while url:
            status, answer, _ = post.post(url, None, headers, "GET")
            self.assertEqual(status, 200, answer)
            bundle, pages = json.loads(answer), pages + 1
            for entry in bundle.get("entry", ()):
                self.assertEqual(entry["resource"]["description"], words["text"])
                found.add(entry["resource"]["id"])
            url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        self.assertEqual(found & planned, planned)
        self.assertGreaterEqual(pages, 2)
        # Of another organisation there are none.
        headers = post.headers(self.far.token("integrator", Fettle.COUNCIL, "other"), Fettle.COUNCIL, TARGET)
        status, answer, _ = post.post(f"{self.far_gateway.url}/FHIR/R4/CarePlan", None, headers, "GET")
        self.assertEqual((status, json.loads(answer).get("entry")), (200, None))

    def test_7_what_is_closed_there_is_not_cancelled(self):
        """INV-157: the partner closed it, and its message has not come yet when we take the referral back."""
        started = (("StartTriage", {}), ("AcceptReferral", {}), ("StartReferral", {"worker_id": "wendy", "first_contact_date": TODAY}))
        for last, ends, partner_status in (
                (("DeclineReferral", {"decision_date": TODAY}), "DELIVERED", "revoked"),
                (("CompleteReferral", {"closed_date": TODAY, "outcomes": [{"code": "CONNECTED_TO_GROUP"}]}), "FAILED", "completed")):
            near, far = self.refer()
            wait_for(lambda: delivery_names(self.near, near, self.near.gp) == [("REQUEST", "DELIVERED")])
            self.near_gateway.stop()
            self.at_far(far, *started, last)
            self.near.call("referral.WithdrawReferral", {"referral_id": near, "reason_code": "NO_LONGER_REQUIRED"}, self.near.gp)
            self.near_gateway.start()
            wait_for(lambda: delivery_names(self.near, near, self.near.gp)[1:] == [("CANCEL", ends)])
            cancel = self.near.call("referral.ListDeliveries", {"referral_id": near}, self.near.gp).deliveries[1].delivery
            self.assertEqual((cancel.partner_status, cancel.attempts), (partner_status, 1))

    def response_to(self, referral):
        """What a system that is not ours answers: the wide form, no word of ours."""
        sent = self.near.call("referral.ListDeliveries", {"referral_id": referral}, self.near.gp).deliveries[0]
        case = messages.Case()
        bundle = case.message("update", "active")
        header = bundle["entry"][0]["resource"]
        header["eventCoding"]["code"] = "servicerequest-response"
        header["response"] = {"identifier": sent.delivery.message.bundle_id, "code": "ok"}
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Encounter":
                entry["resource"]["status"] = "in-progress"
        return bundle


class DifficultPartner(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = cls.enterClassContext(Fettle(services=("person", "referral")))
        cls.fettle.seed()
        cls.partner = Partner()
        cls.addClassCleanup(cls.partner.stop)
        cls.gateway = Gateway(cls.fettle, "strict", delivery_poll_ms=50, partner_answer_ms_max=500)
        for organisation in (Fettle.PRACTICE, Fettle.PROVIDER):
            cls.gateway.partner(organisation, cls.partner.url, "a-token-of-theirs")
        cls.enterClassContext(cls.gateway)
        cls.elsewhere = new_id()
        cls.fettle.call("referral.RegisterService", {
            "service_id": cls.elsewhere, "organisation": Fettle.PROVIDER,
            "description": {"name": "Elsewhere", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "dos_service_id": "2000011148"}},
            cls.fettle.token("administrator", Fettle.ICB))
        cls.numbers = messages.nhs_numbers(9990003000)

    def decided(self, *answers):
        """The id of a referral of the partner's that was rejected; the partner answers like this."""
        self.partner.will(*answers)
        case = messages.Case()
        sent = post.headers(self.fettle.token("integrator", Fettle.PRACTICE, "partner"), Fettle.PRACTICE, TARGET)
        status, answer, _ = post.post(f"{self.gateway.url}/FHIR/R4/$process-message", json.dumps(case.message()).encode(),
                                      {**sent, "X-Correlation-Id": case.correlation})
        self.assertEqual(status, 200)
        referral = post.referral_id(status, answer)
        self.fettle.call("referral.RejectReferral", {"referral_id": referral, "reason_code": "22"}, self.fettle.link_worker)
        return referral

    def page(self, path, token=None, **form):
        """As a browser gets it, the link worker's unless another `token` is named; `form`: posts it."""
        status, answer, _ = post.post(
            self.gateway.url + path, urllib.parse.urlencode(form).encode() if form else None,
            {"Authorization": f"Bearer {token or self.fettle.link_worker}", "Sec-Fetch-Site": "same-origin"}, "POST" if form else "GET")
        self.assertEqual(status, 200, answer)
        return answer.decode()

    def delivery(self, referral):
        return self.fettle.call("referral.ListDeliveries", {"referral_id": referral}, self.fettle.link_worker).deliveries[0].delivery

    def ends_as(self, referral, status):
        wait_for(lambda: delivery_names(self.fettle, referral, self.fettle.link_worker) == [("REJECTED", status)])
        return self.delivery(referral)

    def test_a_partner_that_fails_in_every_way_gets_the_same_message_until_it_has_it(self):
        """INV-151, INV-152: a slow answer, a cut connection, an answer without ids; then 409 duplicate is delivered."""
        referral = self.decided("is slow", "hangs up", (200, {"X-Request-Id": "none"}, ""), (409, {}, "duplicate"))
        last = self.ends_as(referral, "DELIVERED")
        self.assertEqual((last.attempts, last.http_status, last.issue_code), (4, 409, "duplicate"))
        self.assertEqual(len({(h["X-Request-Id"], h["X-Correlation-Id"], body) for h, body, _ in self.partner.seen}), 1)
        self.assertEqual({h["Authorization"] for h, _, _ in self.partner.seen}, {"Bearer a-token-of-theirs"})
        times = [when for _, _, when in self.partner.seen]
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertEqual(len(pauses), 3)
        self.assertGreater(pauses[0], 5)
        self.assertGreater(pauses[2], 20)

    def cancelled(self, *current, made="their-id"):
        """A referral that the partner took, and that was taken back; the partner shows it like this."""
        self.partner.will((200, {}, ""), made=made, current=current)
        person = self.fettle.person(number=next(self.numbers), born="1959-05-04")
        referral = self.fettle.call("referral.SubmitReferral", self.fettle.referral_request(person, service=self.elsewhere),
                                    self.fettle.gp).referral_id
        wait_for(lambda: delivery_names(self.fettle, referral, self.fettle.gp) == [("REQUEST", "DELIVERED")])
        self.fettle.call("referral.WithdrawReferral", {"referral_id": referral, "reason_code": "NO_LONGER_REQUIRED"}, self.fettle.gp)
        return referral

    def cancel_ends_as(self, referral, status):
        wait_for(lambda: delivery_names(self.fettle, referral, self.fettle.gp)[1:] == [("CANCEL", status)])
        return self.fettle.call("referral.ListDeliveries", {"referral_id": referral}, self.fettle.gp).deliveries[1].delivery

    def test_what_is_cancelled_is_read_first(self):
        """INV-157: until the partner says that it is active, nothing is sent; a question that fails is asked again."""
        referral = self.cancelled("hangs up", 503, "active")
        last = self.cancel_ends_as(referral, "DELIVERED")
        self.assertEqual(last.attempts, 3)
        self.assertEqual(len(self.partner.seen), 2)
        request, cancel = (headers for headers, _, _ in self.partner.seen)
        self.assertEqual({path for path, _ in self.partner.read}, {"/FHIR/R4/ServiceRequest/their-id"})
        self.assertEqual(len(self.partner.read), 3)
        for _, headers in self.partner.read:
            self.assertNotIn(headers["X-Request-Id"], (request["X-Request-Id"], cancel["X-Request-Id"]))
            for name in ("X-Correlation-Id", "NHSD-Target-Identifier", "NHSD-End-User-Organisation", "NHSD-Requesting-Software",
                         "Authorization", "Accept"):
                self.assertEqual(headers[name], cancel[name], name)
            self.assertNotIn("Content-Type", headers)

    def test_what_is_not_active_there_is_not_cancelled(self):
        """INV-157"""
        for current, ends, shown in (("revoked", "DELIVERED", ("revoked", 200)), ("completed", "FAILED", ("completed", 200)),
                                     ("unknown", "FAILED", ("unknown", 200)), (403, "FAILED", ("", 403))):
            referral = self.cancelled(current)
            last = self.cancel_ends_as(referral, ends)
            self.assertEqual((last.partner_status, last.http_status), shown)
            self.assertEqual((len(self.partner.seen), len(self.partner.read)), (1, 1))
        self.assertEqual(last.issue_code, "x")
        self.assertIn("refused to say whether the referral is active there (403 x), so it was not cancelled",
                      self.page(f"/desk/referrals/{referral}", self.fettle.gp))

    def test_a_partner_without_the_read_is_told_all_the_same(self):
        """INV-157: 404, 405 and 501 to the question; the partner refuses the cancellation if it must."""
        for current in (404, 405, 501):
            last = self.cancel_ends_as(self.cancelled(current), "DELIVERED")
            self.assertEqual((last.http_status, last.attempts), (200, 1))
            self.assertEqual((len(self.partner.seen), len(self.partner.read)), (2, 1))

    def test_what_no_answer_named_is_cancelled_unread(self):
        for made in ("", "9990000018", "nhs-999.000.0018"):
            self.cancel_ends_as(self.cancelled("completed", made=made), "DELIVERED")
            self.assertEqual((len(self.partner.seen), len(self.partner.read)), (2, 0))

    def test_a_partner_that_asks_for_time_gets_it(self):
        referral = self.decided((429, {"Retry-After": "8"}, "throttled"), (200, {}, ""))
        self.ends_as(referral, "DELIVERED")
        self.assertGreater(self.partner.seen[1][2] - self.partner.seen[0][2], 8)

    def test_a_refusal_is_final_and_seen_and_can_be_sent_again(self):
        referral = self.decided((400, {}, "invariant"), (200, {}, ""))
        last = self.ends_as(referral, "FAILED")
        self.assertEqual((last.http_status, last.issue_code, last.attempts), (400, "invariant", 1))
        failed = self.fettle.call("referral.ListDeliveries", {}, self.fettle.link_worker).deliveries
        self.assertEqual([item.referral_id for item in failed], [referral])
        page = self.page("/desk/messages")
        self.assertIn(f"/desk/referrals/{referral}", page)
        path = f"/desk/referrals/{referral}"
        self.assertIn("refused it (400 invariant)", self.page(path))
        self.page(f"{path}/send-again", request_id=new_id(), delivery_id=last.message.delivery_id)
        self.ends_as(referral, "DELIVERED")
        self.assertEqual(self.partner.seen[0][1], self.partner.seen[1][1])
        self.assertEqual(self.fettle.call("referral.ListDeliveries", {}, self.fettle.link_worker).deliveries[:], [])

    def test_nobody_else_works_the_queue(self):
        with self.assertRaises(Refused) as caught:
            self.fettle.call("referral.ListDueDeliveries", {}, self.fettle.link_worker)
        self.assertEqual(caught.exception.reason, "ROLE_NOT_ALLOWED")
        for line in (self.fettle.home / "gateway.log").read_text().splitlines():
            self.assertNotIn("a-token-of-theirs", line)


if __name__ == "__main__":
    unittest.main(verbosity=2)

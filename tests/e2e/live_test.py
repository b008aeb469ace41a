#!/usr/bin/env python3
"""What a look at an open page costs: each read of people's records is recorded, and an open page looks once a minute."""
import collections
import pathlib
import re
import sys
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("support", "conformance")]
from fettle import Fettle, message, new_id  # noqa: E402
from gateway import Gateway  # noqa: E402

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NUMBERS = ("9990000018", "9990000026", "9990000034")
LIST = ("ListReferrals",)
LIMITS = {"triage_days": 5, "information_days": 7, "first_contact_days": 14, "last_contact_days": 21}
REFERRAL = ("GetReferral", "ListDeliveries", "GetPerson")


class LiveTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = f = cls.enterClassContext(Fettle(services=("person", "referral")))
        f.seed()
        cls.gateway = cls.enterClassContext(Gateway(f, "lenient"))
        cls.referrals = [
            f.call("referral.SubmitReferral", f.referral_request(f.person(number=number)), f.gp).referral_id for number in NUMBERS]

    def get(self, path, version=None):
        """(status, body, version)"""
        headers = {"Authorization": f"Bearer {self.fettle.link_worker}"} | ({"If-None-Match": version} if version else {})
        try:
            with OPENER.open(urllib.request.Request(self.gateway.url + path, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers["ETag"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["ETag"]

    def reads(self):
        access = message("fettle.journal.v1.AccessEvent")
        return collections.Counter(
            access.FromString(value).access_recorded.method.rsplit(".", 1)[-1].rsplit("/", 1)[-1]
            for service in ("person", "referral") for _, value in self.fettle.feed(service, "LOG_ACCESS"))

    def cost(self, path, version=None):
        before = self.reads()
        status, body, tag = self.get(path, version)
        cost = self.reads() - before
        return status, body, tag, {method: count for method, count in cost.items() if method in LIST + REFERRAL}

    def test_1_a_list_that_did_not_change_costs_its_own_read(self):
        status, body, version, cost = self.cost("/desk/triage")
        self.assertEqual((status, cost), (200, {"ListReferrals": 3, "GetPerson": 3}))
        self.assertEqual(version, 'W/"%s"' % re.search('data-live-version="([0-9a-f]+)"', body)[1])
        for _ in range(2):
            self.assertEqual(self.cost("/desk/triage", version), (304, "", version, {"ListReferrals": 3}))
        self.fettle.call("referral.StartTriage", {"referral_id": self.referrals[0]}, self.fettle.link_worker)
        status, body, changed, cost = self.cost("/desk/triage", version)
        self.assertEqual((status, cost), (200, {"ListReferrals": 3, "GetPerson": 3}))
        self.assertNotEqual(changed, version)
        self.assertIn("In triage", body)

    def test_2_a_referral_that_did_not_change_is_not_sent_again(self):
        path = f"/desk/referrals/{self.referrals[1]}"
        status, body, version, cost = self.cost(path)
        self.assertEqual((status, cost), (200, dict.fromkeys(REFERRAL, 1)))
        self.assertEqual(self.cost(path, version), (304, "", version, dict.fromkeys(REFERRAL, 1)))
        # INV-139: who looks on learns of a restriction that was put on meanwhile.
        shown = self.fettle.call("referral.GetReferral", {"referral_id": self.referrals[1]}, self.fettle.link_worker)
        self.fettle.call("person.RestrictPerson", {"person_id": shown.referral.person_id}, self.fettle.link_worker)
        status, body, _, _ = self.cost(path, version)
        self.assertEqual(status, 200)
        self.assertIn("Restricted person", body)
        self.assertIn("data-live-at-once", body)

    def test_3_the_start_page_is_not_sent_again_and_is_nobodys_data(self):
        status, _, version, cost = self.cost("/")
        self.assertEqual((status, cost), (200, {}))
        self.assertEqual(self.get("/", version)[0], 304)

    def test_4_who_is_known_is_not_looked_up_again_for_nobody_of_them(self):
        f = self.fettle
        f.call("referral.RegisterService", {
            "service_id": f.SERVICE_ID, "organisation": f.PROVIDER, "description": {
                "name": "Link workers", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "stage_limits": LIMITS}},
               f.token("administrator", f.ICB))
        form = {"first": "Ada", "family": "Live", "born-day": "4", "born-month": "5", "born-year": "1950", "practice": f.PRACTICE,
                "service": f.SERVICE_ID, "reason": "LONELINESS", "priority": "PRIORITY_ROUTINE", "risk": "RISK_KIND_NONE_KNOWN",
                "consent": "CONSENT_EXPLICIT", "referrer": "Dr One", "team": "Surgery", "contact": "0113 496 0000"}
        for chosen, count in (("", 1), ("new", 0)):
            before = self.reads()
            body = urllib.parse.urlencode(form | {"request_id": new_id(), "same-person": chosen}).encode()
            headers = {"Authorization": f"Bearer {f.link_worker}", "Sec-Fetch-Site": "same-origin"}
            request = urllib.request.Request(f"{self.gateway.url}/desk/new", body, headers)
            with OPENER.open(request, timeout=10) as answer:
                self.assertRegex(answer.url, "/desk/referrals/.*done=new")
            self.assertEqual((self.reads() - before)["FindPossibleDuplicates"], count)


if __name__ == "__main__":
    unittest.main(verbosity=2)

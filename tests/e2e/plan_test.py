"""Real processes: the plan, measures, the history, the person's own view, what analytics counts of it, a death."""
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import SERVICES, Fettle, Refused, message, new_id  # noqa: E402

CATCH_UP_SECONDS_MAX = 30
SHOWN, SUPPRESSED = 1, 2
CRITERIA = ("person_central", "conversation_held", "outcomes_agreed", "one_sharable_plan", "review_arranged")
BODIES = ["%d: " % n + "body " * 100_000 for n in range(4)]  # each half a message


class PlanTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = f = Fettle(services=SERVICES + ("audit", "analytics")).__enter__()
        f.seed()
        cls.today = time.strftime("%Y-%m-%d")
        cls.person = f.person(number="9990000018", born="1970-01-01")
        cls.me = f.token("person", f.PRACTICE, cls.person)
        cls.integrator = f.token("integrator", f.PRACTICE, "ers")

    @classmethod
    def tearDownClass(cls):
        cls.fettle.__exit__()

    def refused(self, code, reason, rpc, request, token, field=None):
        with self.assertRaises(Refused) as caught:
            self.fettle.call(rpc, request, token)
        self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason))
        if field:
            self.assertIn(field, caught.exception.violations)
        return caught.exception

    def work(self, rpc, more, token=None):
        return self.fettle.call(f"referral.{rpc}", {"referral_id": self.referral, **more}, token or self.fettle.link_worker)

    def message(self, number):
        return {"request_id": new_id(), "correlation_id": self.case, "body_sha256": "aGFzaA==", "case_number": "CASE-1",
                "category": "referral", "body": {"text": BODIES[number]}}

    def plan(self):
        return {"what_matters": {"text": "my garden"}, "strengths": {"text": "plants"},
                "needs": [{"text": {"text": "company"}}],
                "goals": [{"number": 1, "description": {"text": "to be outside"}, "importance": 9}],
                "actions": [{"what": {"text": "allotment"}, "who": {"text": "Ada and Wendy"}, "confidence": 7,
                             "goal_number": 1}],
                "agreement": "PLAN_AGREEMENT_PERSON", "funding": "CARE_FUNDING_NHS",
                "criteria": {**dict.fromkeys(CRITERIA, True), "date": self.today}}

    def test_1_inv_158_a_case_of_one_new_and_three_updates_has_four_versions_with_their_bodies(self):
        f, cls = self.fettle, type(self)
        cls.case = new_id()
        request = f.referral_request(self.person, intake="INTAKE_BARS_INCOMPLETE_ALLOWED", partner_message=self.message(0))
        cls.referral = f.call("referral.SubmitReferral", request, self.integrator).referral_id
        for number in (1, 2, 3):
            self.work("ProvideMissingDetails", {"partner_message": self.message(number)}, self.integrator)
        for token in (f.gp, f.link_worker):
            versions, page = [], ""
            while not versions or page:
                answer = self.work("GetReferralHistory", {"page": {"page_token": page}}, token)
                versions += answer.versions
                page = answer.next_page_token
            self.assertEqual([v.version for v in versions], [1, 2, 3, 4])
            self.assertEqual([v.partner_message.body.text for v in versions], BODIES)
            self.assertEqual(versions[0].event_type, "ReferralSubmitted")
            self.assertEqual(versions[0].caller, "user:ers")
            self.assertIn("details.risks", versions[0].changed)
        self.refused("NOT_FOUND", "REFERRAL_NOT_FOUND", "referral.GetReferralHistory", {"referral_id": self.referral},
                     f.token("link_worker", "XYZ99", "sam"))

    def test_2_a_plan_is_made_reviewed_and_kept_over_a_restart(self):
        f = self.fettle
        for rpc, more in (("StartTriage", {}), ("AcceptReferral", {}),
                          ("StartReferral", {"worker_id": "wendy", "first_contact_date": self.today}),
                          ("RecordPlanOffer", {"offer": "PLAN_OFFER_ACCEPTED", "date": self.today})):
            self.work(rpc, more)
        for field, value in (("goals", 0), ("goals", 11), ("actions", 0), ("actions", 11)):  # INV-24
            plan = self.plan()
            key = "importance" if field == "goals" else "confidence"
            plan[field][0][key] = value
            self.refused("INVALID_ARGUMENT", "NUMBER_OUT_OF_RANGE", "referral.RecordCarePlan",
                         {"referral_id": self.referral, "plan": plan}, f.link_worker, f"plan.{field}[0].{key}")
        done = self.work("RecordCarePlan", {"plan": self.plan()})
        self.assertEqual((done.plan_version, done.is_pcsp), (1, True))
        self.assertEqual(self.work("AddPlanRisk", {"risk": {"kind": "RISK_KIND_TO_SELF",
                                                            "description": {"text": "falls"}}}).number, 1)
        self.work("EndPlanRisk", {"number": 1, "end_date": self.today, "reason": {"text": "has a stick"}})
        option = {"description": {"text": "allotment"}, "risks": [{"text": "rain"}], "benefits": [{"text": "air"}]}
        decision = {"subject": {"text": "where"}, "what_matters": {"text": "outside"}, "options": [option]}
        for missing in ("what_matters", "options"):  # INV-45
            self.refused("INVALID_ARGUMENT", "FIELD_REQUIRED", "referral.RecordSharedDecision",
                         {"referral_id": self.referral, "decision": {**decision, missing: None}}, f.link_worker,
                         f"decision.{missing}")
        for missing in ("risks", "benefits"):
            self.refused("INVALID_ARGUMENT", "FIELD_REQUIRED", "referral.RecordSharedDecision",
                         {"referral_id": self.referral, "decision": {**decision, "options": [{**option, missing: []}]}},
                         f.link_worker, f"decision.options[0].{missing}")
        self.work("RecordSharedDecision", {"decision": decision})
        baseline = {"point": "MEASURE_POINT_BASELINE", "date": self.today}
        self.refused("INVALID_ARGUMENT", "NUMBER_OUT_OF_RANGE", "referral.RecordMeasure",  # INV-47
                     {"referral_id": self.referral, "measure": {**baseline, "ons4": {
                         "version": "ONS4_VERSION_ADULT", "worthwhile": 11}}}, f.link_worker, "measure.ons4.worthwhile")
        self.work("RecordMeasure", {"measure": {**baseline, "ons4": {"version": "ONS4_VERSION_ADULT", "worthwhile": 0}}})
        self.assertEqual(self.work("RecordMeasure", {"measure": {**baseline, "pam": {
            "score_tenths": 552, "version": "PAM-13"}}}).pam_level, 3)
        self.work("ReviewCarePlan", {"review": {
            "kind": "PLAN_REVIEW_KIND_FORMAL", "date": self.today, "outcome": "PLAN_REVIEW_OUTCOME_CONTINUES",
            "note": {"text": "goes well"}, "goal_outcomes": [{"goal_number": 1, "status": "GOAL_STATUS_ACHIEVED",
                                                              "outcome": {"text": "goes every week"}}]}})
        before = self.work("GetReferral", {}).referral
        f.restart("referral", signal.SIGKILL)
        care = self.work("GetReferral", {}, f.gp).referral.care
        self.assertEqual(care, before.care)
        self.assertEqual(care.plan.what_matters.text, "my garden")
        self.assertEqual(care.plan.goals[0].outcome.text, "goes every week")
        self.assertEqual(care.risks[0].end_reason.text, "has a stick")
        self.assertEqual(care.decisions[0].options[0].benefits[0].text, "air")
        self.assertTrue(care.measures[0].measure.ons4.HasField("worthwhile"))
        self.assertFalse(care.measures[0].measure.ons4.HasField("anxious_yesterday"))
        self.assertEqual(list(before.measure_changes), [])

    def test_3_the_person_sees_their_own_in_plain_words_and_nobody_elses(self):
        f = self.fettle
        mine = f.call("referral.ListMyReferrals", {}, self.me).referrals
        self.assertEqual([r.referral_id for r in mine], [self.referral])
        self.assertEqual(mine[0].status_words, "The service is helping you.")
        shown = self.work("GetMyReferral", {}, self.me).referral
        self.assertEqual((shown.worker_id, shown.service_name), ("wendy", "Link workers"))
        self.assertEqual(shown.plan.what_matters.text, "my garden")
        self.assertEqual(shown.plan.actions[0].who.text, "Ada and Wendy")
        self.assertNotIn("falls", str(shown))
        other = f.token("person", f.PRACTICE, f.person(number="9990000026", born="1971-01-01"))
        self.assertEqual(len(f.call("referral.ListMyReferrals", {}, other).referrals), 0)
        foreign = self.refused("NOT_FOUND", "REFERRAL_NOT_FOUND", "referral.GetMyReferral", {"referral_id": self.referral}, other)
        missing = self.refused("NOT_FOUND", "REFERRAL_NOT_FOUND", "referral.GetMyReferral", {"referral_id": new_id()}, other)
        self.assertEqual(str(foreign), str(missing))
        for rpc in ("GetReferral", "GetReferralHistory"):
            self.refused("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", f"referral.{rpc}", {"referral_id": self.referral}, self.me)
        self.refused("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", "referral.GetMyReferral", {"referral_id": self.referral}, f.gp)
        self.refused("PERMISSION_DENIED", "ROLE_NOT_ALLOWED", "person.ListOrganisations", {}, self.me)
        self.assertEqual(len(f.call("referral.ListServices", {}, self.me).services), 0)
        # Each reading left its record, with whom it was about (INV-131).
        access = message("fettle.journal.v1.AccessEvent")
        reads = [access.FromString(value).header for _, value in f.feed("referral", "LOG_ACCESS")]
        mine = [h for h in reads if h.caller == f"user:{self.person}" and list(h.subjects) == [self.person]]
        self.assertGreaterEqual(len(mine), 2)

    def test_4_inv_43_44_analytics_counts_the_plan_and_its_review(self):
        f, month = self.fettle, self.today[:7]
        analyst = f.token("analyst", f.ICB, "ann")

        def state(measure):
            figures = f.call("analytics.GetFigures", {"measure_id": measure, "month": month}, analyst).figures
            return {(figure.area_level, figure.area): (figure.state, figure.value) for figure in figures}

        until = time.monotonic() + CATCH_UP_SECONDS_MAX
        while time.monotonic() < until and "*" not in str(state("PCSP1")):
            time.sleep(0.2)
        for measure in ("SP2_REFERRED", "PCSP", "PCSP1"):
            # One person: there, and not shown.
            self.assertEqual([shown for at, shown in state(measure).items() if at[1] == f.ICB], [(SUPPRESSED, "*")], measure)
        self.assertEqual([shown for at, shown in state("SP2_DECLINED").items() if at[1] == f.ICB], [(SHOWN, "0")])

    def test_5_inv_171_a_death_ends_what_is_asked_of_others(self):
        f = self.fettle
        admin, death = f.token("administrator", f.ICB), {"death_date": self.today, "notification": "DEATH_NOTIFICATION_FORMAL"}
        self.refused("NOT_FOUND", "PERSON_NOT_FOUND", "person.RecordDeath", {**death, "person_id": new_id()},
                     admin)
        person = f.person(number="9990000034", born="1950-01-01")
        type(self).referral = f.call("referral.SubmitReferral", f.referral_request(person), f.gp).referral_id
        self.work("StartTriage", {})
        f.call("person.RecordDeath", {**death, "person_id": person}, admin)
        self.refused("FAILED_PRECONDITION", "PERSON_DECEASED", "referral.AcceptReferral", {"referral_id": self.referral},
                     f.link_worker)
        self.work("RejectReferral", {"reason_code": "40"})


if __name__ == "__main__":
    unittest.main(verbosity=2)

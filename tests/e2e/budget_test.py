"""A personal health budget from request to payment, over real person, training and budget processes."""
import concurrent.futures
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import Fettle, Refused, new_id  # noqa: E402

TODAY = time.strftime("%Y-%m-%d")


class BudgetTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = f = Fettle(services=("person", "training", "budget")).__enter__()
        f.seed()
        cls.therapist = f.token("occupational_therapist", f.PROVIDER, "olive.ot")
        cls.commissioner = f.token("commissioner", f.ICB, "colin")
        cls.finance = f.token("finance", f.ICB, "fiona")
        trainer = f.token("trainer", f.PROVIDER, "tom")
        admin = f.token("administrator", f.ICB)
        f.call("training.RegisterLearner", {"practitioner_id": "olive.ot", "occupation_code": "R0950"}, trainer)
        f.call("training.RecordEmployment", {"practitioner_id": "olive.ot", "employment": {
            "organisation": f.PROVIDER, "start_date": "2020-01-01"}}, trainer)
        f.call("training.RegisterCourse", {"course": {"course_code": "PHB-1", "course_version": 1, "title": "Budgets",
                                                      "capabilities": ["PERSONAL_HEALTH_BUDGETS"]}}, admin)
        f.call("training.AccreditProgramme", {"programme_code": "PHB-PROG", "course_code": "PHB-1", "course_version": 1,
                                              "provider": "An institute", "period": {"start_date": "2020-01-01", "end_date": "2030-01-01"}}, admin)
        cls.trainer = trainer

    @classmethod
    def tearDownClass(cls):
        cls.fettle.__exit__()

    def refused(self, code, reason, rpc, request, token):
        with self.assertRaises(Refused) as caught:
            self.fettle.call(rpc, request, token)
        self.assertEqual((caught.exception.code, caught.exception.reason), (code, reason))

    def train(self):
        self.fettle.call("training.RecordCompletion", {
            "practitioner_id": "olive.ot", "course_code": "PHB-1", "course_version": 1, "programme_code": "PHB-PROG",
            "completion_date": "2024-05-01"}, self.trainer)

    def planned(self, number):
        f = self.fettle
        person = f.person(number=number, born="1950-01-01")
        budget = f.call("budget.RequestBudget", {"person_id": person, "category": "BUDGET_CATEGORY_WHEELCHAIR"},
                        self.therapist).budget_id
        on = {"budget_id": budget}
        f.call("budget.DetermineEligibility", {**on, "category": "BUDGET_CATEGORY_WHEELCHAIR", "decision_reference": "E-1",
                                               "decision_date": TODAY}, self.commissioner)
        f.call("budget.RecordAssessment", {**on, "assessment_date": TODAY, "summary": {"text": "needs a chair"}}, self.therapist)
        f.call("budget.SetIndicativeAmount", {**on, "indicative": {
            "amount_pence": 300000, "period_start_date": TODAY, "period_end_date": "2031-01-01", "method_code": "BANDING",
            "evidence_reference": "B-2", "communicated_date": TODAY}}, self.commissioner)
        f.call("budget.StartPlanning", on, self.therapist)
        f.call("budget.SubmitPlan", {**on, "plan": {
            "needs": [{"need_code": "MOBILITY", "text": {"text": "gets about"}}],
            "outcomes": [{"outcome_code": "OUTDOORS", "need_codes": ["MOBILITY"]}],
            "lines": [{"line_code": "CHAIR", "amount_pence": 300000, "outcome_codes": ["OUTDOORS"],
                       "category_code": "WHEELCHAIR", "supplier": {"text": "A maker"}}]}}, self.therapist)
        for funder, pence in ((f.ICB, 200000), (f.COUNCIL, 100000)):
            f.call("budget.RecordContribution", {**on, "contribution": {
                "funder": funder, "amount_pence": pence, "basis_code": "AGREED", "agreement_date": TODAY}}, self.commissioner)
        return budget

    SIGN = {"practitioner_id": "olive.ot", "sign_off_date": TODAY, "risks_agreed": True}
    APPROVAL = {"final_amount_pence": 300000, "care_coordinator_id": "wendy",
                "portions": [{"option": "PORTION_OPTION_NOTIONAL", "amount_pence": 300000}]}

    def test_1_the_clinician_must_have_been_competent_on_that_date(self):
        budget = self.planned("9990000018")
        self.refused("FAILED_PRECONDITION", "CLINICIAN_NOT_COMPETENT", "budget.SignOffClinically",
                     {"budget_id": budget, **self.SIGN}, self.therapist)
        self.train()
        self.fettle.call("budget.SignOffClinically", {"budget_id": budget, **self.SIGN}, self.therapist)
        shown = self.fettle.call("budget.GetBudget", {"budget_id": budget}, self.commissioner).budget
        self.assertTrue(shown.clinical_sign_off.competence.competent)
        self.assertTrue(shown.clinical_sign_off.competence.completion_id)

    def test_2_whose_pound_bought_this_wheelchair(self):
        f = self.fettle
        self.train()
        budget = self.planned("9990000026")
        on = {"budget_id": budget}
        f.call("budget.SignOffClinically", {**on, **self.SIGN}, self.therapist)
        f.call("budget.ApproveBudget", {**on, **self.APPROVAL}, self.finance)
        f.call("budget.ActivateBudget", {**on, "start_date": TODAY}, self.commissioner)
        spend = {**on, "line_code": "CHAIR", "portion": 1, "amount_pence": 200000, "category_code": "WHEELCHAIR",
                 "spend_date": TODAY}

        def commit(_):  # INV-58: each fits, both together do not
            try:
                return f.call("budget.CommitSpend", {**spend, "request_id": new_id()}, self.therapist).commitment_id
            except Refused as refusal:
                return refusal.reason

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(commit, range(2)), key=len)
        self.assertEqual(len(outcomes[1]), 36, outcomes)
        self.assertNotEqual(len(outcomes[0]), 36, outcomes)
        chair = outcomes[1]
        paid = f.call("budget.PaySpend", {**on, "commitment_id": chair, "amount_pence": 200000, "client_reference": "INV-7",
                                          "payment_date": TODAY}, self.finance)
        self.assertEqual([(c.funder, c.amount_pence) for c in paid.charges], [(f.ICB, 200000)])
        # INV-66: the same reference with other content is refused, for ever.
        self.refused("ALREADY_EXISTS", "CLIENT_REFERENCE_USED", "budget.PaySpend", {
            **on, "commitment_id": chair, "amount_pence": 1, "client_reference": "INV-7", "payment_date": TODAY}, self.finance)
        f.restart("budget")
        rest = f.call("budget.CommitSpend", {**spend, "amount_pence": 100000}, self.therapist).commitment_id
        paid = f.call("budget.PaySpend", {**on, "commitment_id": rest, "amount_pence": 100000, "client_reference": "INV-8",
                                          "payment_date": TODAY}, self.finance)
        self.assertEqual([(c.funder, c.amount_pence) for c in paid.charges], [(f.COUNCIL, 100000)])
        f.call("budget.ReverseTransaction", {**on, "transaction_id": paid.transaction_id, "reason_code": "RETURNED"}, self.finance)
        statement = f.call("budget.GetStatement", on, self.finance)
        self.assertEqual(len(statement.entries), 6)
        for transaction in (entry.transaction for entry in statement.entries):  # INV-64
            self.assertEqual(sum(p.debit_pence for p in transaction.postings), sum(p.credit_pence for p in transaction.postings))


if __name__ == "__main__":
    unittest.main(verbosity=2)

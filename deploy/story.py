#!/usr/bin/env python3
"""One person's story against a running Fettle, step by step: a published BaRS message arrives over HTTP and becomes a
referral; what it lacked is brought; the referral is accepted, started and completed; a personal health budget is opened,
approved by a practitioner whose training is checked on that date, and paid from; the log proves each event and the measures
move. Prints every step with its ids; exit 0 only if all of it happened.

    python3 deploy/story.py [--fettle build/bin/fettle] [--gateway http://127.0.0.1:8080] [--home $FETTLE_HOME, or data] [--message FILE]
"""
import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
TODAY = time.strftime("%Y-%m-%d")
CATCH_UP_SECONDS_MAX = 60

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--fettle", default=str(ROOT / "build/bin/fettle"))
parser.add_argument("--gateway", default="http://127.0.0.1:8080")
parser.add_argument("--home", default=os.environ.get("FETTLE_HOME", str(ROOT / "data")))
parser.add_argument("--message", default=str(ROOT / "tests/fixtures/bars/ValidationRequest.json"))
arguments = parser.parse_args()
tokens = {}
number = 0


def step(text, **ids):
    global number
    number += 1
    print(f"{number:2}. {text}" + "".join(f"\n      {k} {v}" for k, v in ids.items()), flush=True)


def fettle(*words, token=None):
    run = subprocess.run([arguments.fettle, "--home", arguments.home, *(["--token", token] if token else []), *words],
                         capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        sys.exit(f"story: {' '.join(words[:3])} failed: {run.stderr.strip()}")
    return run.stdout


def who(role, organisation, subject):
    key = (role, organisation, subject)
    if key not in tokens:
        tokens[key] = fettle("token", "--role", role, "--organisation", organisation, "--subject", subject).strip()
    return tokens[key]


def call(rpc, token, **request):
    return json.loads(fettle("--json", "call", rpc, json.dumps(request), token=token))


def header(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def post(body, token, request_id, correlation_id):
    request = urllib.request.Request(f"{arguments.gateway}/FHIR/R4/$process-message", data=body, method="POST", headers={
        "Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json; version=1.4.0", "X-Request-Id": request_id, "X-Correlation-Id": correlation_id,
        "NHSD-Target-Identifier": header({"system": "https://fhir.nhs.uk/Id/dos-service-id", "value": "111111111"}),
        "NHSD-End-User-Organisation": header({"resourceType": "Organization", "name": "Moor Ambulance Trust", "identifier": [
            {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RND"}]}),
        "NHSD-Requesting-Software": header({"resourceType": "Device", "deviceName": [{"name": "story", "type": "user-friendly-name"}]})})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


partner = who("integrator", "RND", "ambulance.system")
worker = who("link_worker", "RYE", "wendy")
therapist = who("occupational_therapist", "SVC01", "olive.ot")
commissioner = who("commissioner", "QWO", "colin")
finance = who("finance", "QWO", "fiona")
analyst = who("analyst", "QWO", "ann")
auditor = who("auditor", "QWO", "aud")

# A published message names a person whose NHS number fails its check digit: it identifies nobody, so each run is a person
# of its own.
before = call("analytics.GetFigures", analyst)
correlation, request_id = str(uuid.uuid4()), str(uuid.uuid4())
body = pathlib.Path(arguments.message).read_bytes()
status, answer = post(body, partner, request_id, correlation)
if status != 200:
    sys.exit(f"story: the message was answered {status}: {json.dumps(answer)[:600]}")
referral = next(e["resource"]["id"] for e in answer["entry"] if e["resource"]["resourceType"] == "ServiceRequest")
step("A BaRS message arrives over HTTP and becomes a referral", referral=referral, journey=correlation)
status, answer = post(body, partner, request_id, correlation)
if (status, answer["issue"][0]["code"]) != (409, "duplicate"):
    sys.exit(f"story: the repeated message was answered {status}")
step("The same message again: 409 duplicate, no second effect")

shown = call("referral.GetReferral", worker, referral_id=referral)["referral"]
person = shown["person_id"]
step("What the message lacked is listed", person=person, missing=", ".join(shown.get("missing_items", [])) or "nothing")
missing = call("referral.ProvideMissingDetails", worker, referral_id=referral, details={
    "referrer": {"name": {"text": "Dr One"}, "service": "Ambulance service", "organisation": "RND",
                 "contact": {"text": "0113 496 0000"}},
    "referral_date": TODAY, "source_code": "108161000000109", "priority": "PRIORITY_ROUTINE",
    "reason": {"code": "EQUIPMENT"}, "risks": [{"kind": "RISK_KIND_NONE_KNOWN"}],
    "consent": "CONSENT_DIRECT_CARE_INFORMED"}).get("missing_items", [])
if missing:
    sys.exit(f"story: still missing: {missing}")
step("The missing details are brought")
for rpc, text, more in (("StartTriage", "Triage begins", {}), ("AcceptReferral", "The service accepts", {}),
                        ("StartReferral", "First contact", {"worker_id": "wendy", "first_contact_date": TODAY})):
    result = call(f"referral.{rpc}", worker, referral_id=referral, **more)["result"]
    step(text, events=", ".join(result["event_ids"]))

budget = call("budget.RequestBudget", therapist, person_id=person, category="BUDGET_CATEGORY_WHEELCHAIR",
              correlation_id=correlation)["budget_id"]
step("A personal health budget is requested", budget=budget)
on = {"budget_id": budget}
call("budget.DetermineEligibility", commissioner, **on, category="BUDGET_CATEGORY_WHEELCHAIR", decision_reference="E-1",
     decision_date=TODAY)
call("budget.RecordAssessment", therapist, **on, assessment_date=TODAY, summary={"text": "A chair for rough ground"})
call("budget.SetIndicativeAmount", commissioner, **on, indicative={
    "amount_pence": 300000, "period_start_date": TODAY, "period_end_date": f"{int(TODAY[:4]) + 5}-01-01",
    "method_code": "BANDING", "evidence_reference": "B-2", "communicated_date": TODAY})
call("budget.StartPlanning", therapist, **on)
call("budget.SubmitPlan", therapist, **on, plan={
    "needs": [{"need_code": "MOBILITY"}], "outcomes": [{"outcome_code": "OUTDOORS", "need_codes": ["MOBILITY"]}],
    "lines": [{"line_code": "CHAIR", "amount_pence": 300000, "outcome_codes": ["OUTDOORS"], "category_code": "WHEELCHAIR"}]})
for funder, pence in (("QWO", 200000), ("LA100", 100000)):
    call("budget.RecordContribution", commissioner, **on, contribution={
        "funder": funder, "amount_pence": pence, "basis_code": "AGREED", "agreement_date": TODAY})
step("Eligible, assessed, £3,000.00 indicated, planned; the ICB gives £2,000.00, the council £1,000.00")
call("budget.SignOffClinically", therapist, **on, practitioner_id="olive.ot", sign_off_date=TODAY, risks_agreed=True)
competence = call("budget.GetBudget", commissioner, **on)["budget"]["clinical_sign_off"]["competence"]
step("The therapist signs; her training was checked on this date", completion=competence["completion_id"], date=competence["date"])
call("budget.ApproveBudget", finance, **on, final_amount_pence=300000, care_coordinator_id="wendy",
     portions=[{"option": "PORTION_OPTION_NOTIONAL", "amount_pence": 300000}])
call("budget.ActivateBudget", commissioner, **on, start_date=TODAY)
commitment = call("budget.CommitSpend", therapist, **on, line_code="CHAIR", portion=1, amount_pence=250000,
                  category_code="WHEELCHAIR", spend_date=TODAY)["commitment_id"]
paid = call("budget.PaySpend", finance, **on, commitment_id=commitment, amount_pence=250000,
            client_reference=f"PAY-{budget[:8]}", payment_date=TODAY)
step("Approved, active; the chair is paid", transaction=paid["transaction_id"], charged=", ".join(
    f"{c['funder']} £{int(c['amount_pence']) / 100:,.2f}" for c in paid["charges"]))
call("referral.CompleteReferral", worker, referral_id=referral, closed_date=TODAY, outcomes=[{"code": "EQUIPMENT_PROVIDED"}])
step("The referral is completed with its outcome")

wanted = {"ReferralSubmitted", "ReferralCompleted", "BudgetRequested", "BudgetApproved", "SpendPaid"}
for _ in range(CATCH_UP_SECONDS_MAX * 2):
    steps = call("analytics.GetJourney", analyst, correlation_id=correlation).get("steps", [])
    kinds = {s["event_type"] for s in steps}
    if wanted <= kinds:
        break
    time.sleep(0.5)
else:
    sys.exit(f"story: analytics has not seen {sorted(wanted - kinds)} after {CATCH_UP_SECONDS_MAX} s")
step(f"The journey over all services: {len(steps)} events", first=steps[0]["event_type"], last=steps[-1]["event_type"])

home = pathlib.Path(arguments.home)
for s in steps:
    source = f"urn:fettle:{s['service']}:main"
    for _ in range(CATCH_UP_SECONDS_MAX * 2):
        run = subprocess.run([arguments.fettle, "--home", arguments.home, "--token", auditor, "audit", "proof", source,
                              s["position"], "--key", str(home / "audit/log.pub")], capture_output=True, text=True)
        if run.returncode == 0:
            break
        time.sleep(0.5)
    else:
        sys.exit(f"story: no proof for {source} {s['position']}: {run.stderr.strip()}")
step(f"The audit log proves each of the {len(steps)} events, with the pinned key")
fettle("audit", "export", str(home / "audit.export"), token=auditor)
verified = fettle("audit", "verify", str(home / "audit.export"), "--key", str(home / "audit/log.pub"))
step("The whole log, exported and verified offline", result=verified.strip().splitlines()[-1])
after = call("analytics.GetFigures", analyst)


def national(answer):
    return {f["measure_id"]: f.get("value", "") for f in answer.get("figures", []) if f["area_level"] == "AREA_LEVEL_NATIONAL"}


moved = {k: f"{national(before).get(k, '-')} -> {v}" for k, v in national(after).items() if national(before).get(k) != v}
if not moved:
    sys.exit("story: no measure moved")
step("The measures moved", **moved)
print("The whole story happened.")

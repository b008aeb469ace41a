"""Starts a system with a few people in it, and runs day_test.mjs against its pages. Arguments are those of node's test runner."""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import ROOT, Fettle, free_port, new_id  # noqa: E402

TOOLS = ROOT / "build/tools"
# How many of one worker's people it takes for a second page.
MANY = 21
LIMITS = {"triage_days": 5, "information_days": 7, "first_contact_days": 14, "last_contact_days": 21}


def numbers():
    """NHS numbers of the test range that pass their check digit."""
    for body in range(999000100, 999001000):
        digits = str(body)
        check = 11 - sum((10 - i) * int(digit) for i, digit in enumerate(digits)) % 11
        if check != 10:
            yield f"{digits}{check % 11}"


class People:
    """Each with an open referral, in one state or another."""

    def __init__(self, fettle):
        self.fettle, self.numbers = fettle, numbers()

    def refer(self, first, family, details=None, **more):
        f = self.fettle
        person = f.person(number=next(self.numbers), first=first, family=family, born="1950-05-04", **more)
        request = f.referral_request(person)
        request["details"].update(details or {})
        return f.call("referral.SubmitReferral", request, f.gp).referral_id

    def refer_by_message(self, first, family):
        """From a partner whose system has no address here: it cannot be told."""
        f = self.fettle
        request = f.referral_request(f.person(number=next(self.numbers), first=first, family=family, born="1950-05-04"))
        message = {"request_id": new_id(), "correlation_id": new_id(), "bundle_id": new_id(), "body": {"text": "{}"}}
        request.update({"intake": "INTAKE_BARS_COMPLETE", "partner_message": message})
        return f.call("referral.SubmitReferral", request, f.token("integrator", f.PRACTICE, "partner")).referral_id

    def accept(self, referral, worker=None):
        f = self.fettle
        f.call("referral.StartTriage", {"referral_id": referral}, f.link_worker)
        f.call("referral.AcceptReferral", {"referral_id": referral}, f.link_worker)
        if worker:
            f.call("referral.AssignWorker", {"referral_id": referral, "worker_id": worker}, f.link_worker)
        return referral


def world(fettle):
    """What day_test.mjs finds, by name."""
    people = People(fettle)
    risks = [{"kind": "RISK_KIND_FROM_OTHERS", "description": {"text": "Do not visit <b>alone</b>"}}]
    found = {"phone": people.refer("Ada", "Phone"), "desktop": people.refer("Ada", "Desktop"),
             "plain": people.accept(people.refer("Ada", "Plain"), "wendy"),
             "twice": people.accept(people.refer("Ada", "Twice"), "wendy"),
             "wrong": people.accept(people.refer("Ada", "Wrong"), "wendy"),
             "meanwhile": people.accept(people.refer("Ada", "Meanwhile"), "wendy"),
             "forged": people.accept(people.refer("Ada", "Forged"), "wendy"),
             "live": people.accept(people.refer("Ada", "Live"), "wendy"),
             "asked": people.refer("Ada", "Asked"),
             "untold": people.accept(people.refer_by_message("Ada", "Untold")),
             "risky": people.refer("Ada", "Risky", {"risks": risks, "priority": "PRIORITY_URGENT"})}
    for name in ("planned", "decided"):
        found[name] = people.accept(people.refer("Ada", name.capitalize()))
        fettle.call("referral.StartReferral", {"referral_id": found[name], "worker_id": "wendy",
                                               "first_contact_date": time.strftime("%Y-%m-%d")}, fettle.link_worker)
    found["moved"] = people.accept(people.refer("Ada", "Moved"))
    moved = fettle.call("referral.GetReferral", {"referral_id": found["moved"]}, fettle.link_worker).referral.person_id
    numbers_known = [{"kind": "CONTACT_KIND_TELEPHONE", "value": {"text": f"0113 496 000{i}"}, "rank": i} for i in (1, 2)]
    needs = [{"kind": "NEED_KIND_COMMUNICATION", "text": {"text": "Large print"}}]
    fettle.call("person.UpdatePerson", {
        "person_id": moved, "number_policy": "NUMBER_POLICY_STRICT", "demographics": {
            "address_lines": [{"text": "1 High Street"}, {"text": "Overtown"}], "postcode": {"text": "LS1 1AA"},
            "profile": {"contact_points": numbers_known, "needs": needs}}}, fettle.link_worker)
    twin = fettle.person(number=next(people.numbers), first="Ada", family="Twin", born="1950-05-04")
    fettle.call("person.UpdatePerson", {"person_id": twin, "number_policy": "NUMBER_POLICY_STRICT",
                                        "demographics": {"postcode": {"text": "LS1 1AA"}}}, fettle.link_worker)
    restricted = people.refer("Ada", "Restricted")
    person = fettle.call("referral.GetReferral", {"referral_id": restricted}, fettle.link_worker).referral.person_id
    fettle.call("person.UpdatePerson", {
        "person_id": person, "number_policy": "NUMBER_POLICY_STRICT", "demographics": {
            "telephone": {"text": "0113 496 0123"}, "address_lines": [{"text": "1 Hidden Street"}]}}, fettle.link_worker)
    fettle.call("person.RestrictPerson", {"person_id": person}, fettle.link_worker)
    found["restricted"] = restricted
    for i in range(MANY):
        people.accept(people.refer("Many", f"Person{i}"), "walter")
    return found


def main():
    http_port = free_port()
    with Fettle(services=("person", "referral", "analytics", "gateway"), started=("person", "referral", "analytics")) as fettle:
        fettle.settings["gateway"] = {
            "http_port": http_port, "targets_file": ROOT / "deploy/targets.toml",
            "assets_dir": TOOLS / "npm/node_modules/nhsuk-frontend/dist/nhsuk",
            **{f"{s}_target": f"localhost:{fettle.ports[s]}" for s in ("person", "referral", "analytics")}}
        fettle.start("gateway")
        fettle.wait_ready("gateway")
        fettle.seed()
        fettle.call("referral.RegisterService", {
            "service_id": fettle.SERVICE_ID, "organisation": fettle.PROVIDER, "description": {
                "name": "Overtown Link Workers", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING", "stage_limits": LIMITS}},
                    fettle.token("administrator", fettle.ICB))
        tokens = {"wendy": fettle.link_worker, "walter": fettle.token("link_worker", fettle.PROVIDER, "walter"),
                  "gp": fettle.gp, "trainer": fettle.token("trainer", fettle.PROVIDER, "tom"),
                  "stranger": fettle.token("link_worker", fettle.COUNCIL, "sam")}
        given = {"url": f"http://localhost:{http_port}", "tokens": tokens, "referrals": world(fettle),
                 "service": fettle.SERVICE_ID}
        run = subprocess.run([TOOLS / "node/bin/node", "--test", "--test-reporter=spec", *sys.argv[1:],
                              pathlib.Path(__file__).with_name("day_test.mjs")],
                             env={**os.environ, "FETTLE_PAGES": json.dumps(given),
                                  "FETTLE_NODE_MODULES": str(TOOLS / "npm/node_modules") + "/"}, check=False)
        leaked = [s for s in fettle.processes for word in ("Ada", "Hidden Street", "CANARY") if word in fettle.log(s)]
        if leaked:
            print(f"private words in the logs of {leaked}")
    return run.returncode or len(leaked)


if __name__ == "__main__":
    sys.exit(main())

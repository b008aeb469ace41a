"""The command line against real services: every command with and without --json, refusals included, and what it will not
do without being told."""
import json
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import BUILD, SERVICES, Fettle, new_id  # noqa: E402

CATCH_UP_SECONDS_MAX = 30


class CliTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = f = cls.enterClassContext(Fettle(services=SERVICES + ("audit", "analytics")))
        (f.home / "token").write_text(f.link_worker)
        (f.home / "auditor").write_text(f.auditor)
        (f.home / "gp").write_text(f.gp)
        (f.home / "analyst").write_text(f.token("analyst", f.ICB, "ann"))

    def run_cli(self, *words, who="token"):
        f = self.fettle
        targets = [f"--{service}=localhost:{f.ports[service]}" for service in f.services
                   if not any(str(word).startswith(f"--{service}=") for word in words)]
        return subprocess.run([BUILD / "bin/fettle", "--home", f.home, "--token", f.home / who, *targets, *map(str, words)],
                              capture_output=True, text=True, timeout=60)

    def json(self, *words, who="token"):
        run = self.run_cli("--json", *words, who=who)
        self.assertEqual((run.returncode, run.stderr), (0, ""), words)
        return json.loads(run.stdout)

    def error(self, *words, who="token"):
        run = self.run_cli("--json", *words, who=who)
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual(run.stdout, "")
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        return json.loads(run.stderr)["error"]

    def submission(self, person, **more):
        f = self.fettle
        options = {"person": person, "service": f.SERVICE_ID, "service-organisation": f.PROVIDER, "referrer": "Dr One",
                   "referring-service": "A surgery", "organisation": f.PRACTICE, "contact": "0113 496 0000",
                   "date": time.strftime("%Y-%m-%d"), "reason": "LONELINESS", "risk": "NONE_KNOWN", "consent": "EXPLICIT", **more}
        return ["submit"] + [f"--{name}={value}" for name, value in options.items() if value is not None]

    def test_1_seed_and_list(self):
        seeded = self.json("seed", "--people", 2)
        self.assertEqual((seeded["people"], seeded["referrals"]), (2, 2))
        self.assertEqual(self.json("seed", "--people", 2), seeded)
        self.assertIn("people and referrals: 2 of 2", self.run_cli("seed", "--people", 2).stdout)
        self.assertEqual(len(self.json("list")["referrals"]), 2)
        self.assertIn("token", self.json("token"))

    def test_2_a_referral_says_what_its_referrer_said_and_nothing_else(self):
        f = self.fettle
        person = f.person(number="9990000018", born="1950-01-01")
        for option in ("risk", "consent", "referring-service"):
            run = self.run_cli(*self.submission(person, **{option: None}), who="gp")
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(f"--{option}", run.stdout + run.stderr)
        refused = self.error(*self.submission(person, risk="NONE"), who="gp")
        self.assertIn("NONE_KNOWN", refused["message"])
        given = self.submission(person, risk="TO_SELF=has fallen", priority="URGENT") + ["--risk=ENVIRONMENT"]
        referral = self.json(*given, who="gp")["referral_id"]
        details = self.json("show", referral)["referral"]["details"]
        self.assertEqual([risk["kind"] for risk in details["risks"]], ["RISK_KIND_TO_SELF", "RISK_KIND_ENVIRONMENT"])
        self.assertEqual(details["risks"][0]["description"]["text"], "has fallen")
        self.assertEqual((details["consent"], details["priority"], details["referrer"]["service"]),
                         ("CONSENT_EXPLICIT", "PRIORITY_URGENT", "A surgery"))

    def test_3_refusals_are_json_too(self):
        missing = self.error("show", new_id())
        self.assertEqual((missing["code"], missing["reason"]), ("NOT_FOUND", "REFERRAL_NOT_FOUND"))
        bad = self.error("show", "x")
        self.assertEqual([violation["field"] for violation in bad["violations"]], ["referral_id"])
        self.assertEqual(self.error("list", "--status=NOWHERE")["code"], "INVALID_ARGUMENT")
        self.assertIn("--page-size", self.error("list", "--page-size=many")["message"])
        self.assertIn("REFERRAL_NOT_FOUND", self.run_cli("show", new_id()).stderr)
        self.assertIn("no rpc is called", self.error("call", "referral.Nothing")["message"])
        self.assertIn("no service", self.error("call", "nobody.GetOperation")["message"])
        self.assertIn("nowhere", self.error("audit", "verify", "/nowhere", "--key=/nowhere")["message"])
        self.assertIn("localhost:1", self.error("--referral=localhost:1", "list")["message"])

    def test_4_call_reaches_the_journal_of_a_service(self):
        request = {"request_id": new_id(), "practitioner_id": new_id()}
        trainer = self.fettle.home / "trainer"
        trainer.write_text(self.fettle.token("trainer", self.fettle.PROVIDER, "tom"))
        self.json("call", "training.RegisterLearner", json.dumps(request), who="trainer")
        ask = json.dumps({"request_id": request["request_id"]})
        self.assertEqual(self.json("call", "training.GetOperation", ask, who="trainer")["state"], "OPERATION_STATE_DONE")
        self.assertEqual(self.error("call", "training.GetOperation", who="trainer")["code"], "INVALID_ARGUMENT")
        log = {"log": "LOG_EVENTS"}
        last = int(self.json("call", "training.GetControlTotal", json.dumps(log), who="auditor")["last_position"])
        run = self.run_cli("--json", "call", "training.ReadJournal", json.dumps({**log, "from_position": 1, "to_position": last}),
                           who="auditor")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual([int(json.loads(line)["position"]) for line in run.stdout.splitlines()], list(range(1, last + 1)))
        self.assertEqual(self.error("call", "training.ReadJournal", json.dumps(log))["code"], "PERMISSION_DENIED")

    def test_4b_organisations_are_loaded_and_what_is_refused_is_named(self):
        f = self.fettle
        (f.home / "admin").write_text(f.token("administrator", f.ICB, "adam"))

        def row(code, icb, close=""):
            columns = [code, f"Place, {code}", "Y60", icb, "1 HIGH STREET", "", "", "", "", "LS1 4AP", "20100401", close,
                       "C" if close else "A", "B"] + [""] * 11 + ["4", ""]
            return ",".join(f'"{column}"' for column in columns) + "\r\n"

        practices = f.home / "epraccur.csv"
        practices.write_text(row("P10001", f.ICB) + row("P10002", f.ICB, "20200331") + row("P10003", "QXX") + "P10004,short\n")
        load = ("organisations", "load", practices, "--as=gp-practice")
        run = self.run_cli("--json", *load, who="admin")
        report = json.loads(run.stdout)
        self.assertEqual(run.returncode, 1, "lines were refused")
        self.assertEqual((report["added"], report["changed"], report["refused"]), (2, 0, 2))
        self.assertEqual([(r["line"], r["field"], r["rule"]) for r in report["refusals"]],
                         [(3, "icb", "ICB_NOT_KNOWN"), (4, "line", "COLUMNS_MISSING")])
        text = self.run_cli(*load, f"--icb={f.ICB}", who="admin")
        self.assertIn(f"{practices}:4: line: COLUMNS_MISSING: expected at least 27 columns", text.stdout)
        self.assertIn("0 added, 0 changed; lines: 2 unchanged, 1 skipped, 1 refused", text.stdout)
        practices.write_text(row("P10001", f.ICB) + row("P10002", f.ICB, "20200331"))
        successions = f.home / "succ.csv"
        successions.write_text("P10002,P10001,R,20200401,\n")
        self.assertEqual(self.json("organisations", "load", successions, "--as=succession", who="admin")["changed"], 1)
        # The file of practices knows nothing of it, and takes nothing away.
        self.assertEqual(self.json(*load, who="admin")["unchanged"], 2)
        found = self.json("call", "person.GetOrganisation", json.dumps({"ods_code": "P10002"}))
        self.assertEqual(found["current_ods_code"], "P10001")
        lists = f.home / "gp-reg-pat-prac-all.csv"
        lists.write_text("PUBLICATION,EXTRACT_DATE,TYPE,CODE,POSTCODE,SEX,AGE,NUMBER_OF_PATIENTS\n"
                         "GP_PRAC_PAT_LIST,01APR2026,GP,P10001,LS1 4AP,ALL,ALL,3898\n")
        self.assertEqual(self.json("organisations", "load", lists, "--as=patient-list", who="admin")["changed"], 1)
        practice = self.json("call", "person.GetOrganisation", json.dumps({"ods_code": "P10001"}))["organisation"]
        self.assertEqual(practice["patient_list"], {"date": "2026-04-01", "patients": "3898"})
        self.assertEqual(self.error(*load)["code"], "PERMISSION_DENIED")
        self.assertIn("--as", self.error("organisations", "load", practices, "--as=pharmacy")["message"])

    def test_5_the_audit_log(self):
        words = ("audit", "proof", "urn:fettle:person:main", 1)
        deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
        while self.run_cli(*words, who="auditor").returncode != 0:
            self.assertLess(time.monotonic(), deadline, self.run_cli(*words, who="auditor").stderr)
            time.sleep(0.3)
        self.assertIn("checkpoint", self.json(*words, who="auditor"))
        self.assertIn("checkpoint", self.json("audit", "checkpoint", who="auditor"))
        export = self.fettle.home / "export"
        exported = self.json("audit", "export", export, who="auditor")
        self.assertEqual(exported, {"file": str(export), "bytes": export.stat().st_size})
        key = self.fettle.home / "audit/log.pub"
        self.assertTrue(self.json("audit", "verify", export, "--key", key)["ok"])
        # Without the pinned key nothing is proven, and nothing is shown.
        key.rename(self.fettle.home / "hidden")
        self.assertIn("log.pub", self.error(*words, who="auditor")["message"])
        (self.fettle.home / "hidden").rename(key)
        journey = self.json("journey", new_id(), who="analyst")
        self.assertEqual(journey.get("steps", []), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

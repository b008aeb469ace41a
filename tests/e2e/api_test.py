#!/usr/bin/env python3
"""The plain JSON API of a running gateway against its own description.

The description is validated first. Then each of its paths is driven with what its schemas allow and with what they do not,
and every answer is held against them: the schemas are exactly as strict as the services.
"""
import copy
import json
import pathlib
import random
import re
import sys
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / part) for part in ("support", "conformance")]
from fettle import Fettle, new_id  # noqa: E402
from gateway import Gateway  # noqa: E402

import jsonschema  # noqa: E402
import openapi_spec_validator  # noqa: E402

SEED = 20261123
REQUESTS_OF_EACH_PATH = 20
JOURNEY_SECONDS_MAX = 20
BODY_BYTES_MAX = 1_000_000
# What a service says of a request's shape: never of one that the schema allows.
SHAPE = {"FIELD_UNKNOWN", "FIELD_TYPE_NOT_VALID", "FIELD_REQUIRED", "TEXT_TOO_LONG", "TOO_MANY_ITEMS", "NUMBER_OUT_OF_RANGE",
         "ENUM_VALUE_UNKNOWN", "PARAMETER_NOT_VALID", "HEADER_NOT_VALID", "JSON_NOT_READABLE", "FIELD_NOT_FOR_CALLERS"}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ApiTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.fettle = Fettle(services=("person", "referral", "analytics")).__enter__()
        cls.fettle.seed()
        cls.gateway = Gateway(cls.fettle, "lenient").__enter__()
        cls.document = json.loads(OPENER.open(f"{cls.gateway.url}/api/v1/openapi.json").read())
        cls.random = random.Random(SEED)
        # Two referrals share a person and a service; one is enough for what is random.
        cls.referral_id = cls.fettle.call("referral.SubmitReferral", cls.fettle.referral_request(cls.fettle.person()),
                                          cls.fettle.gp).referral_id

    @classmethod
    def tearDownClass(cls):
        cls.gateway.__exit__()
        cls.fettle.__exit__()

    def ask(self, method, path, body=None, token=None, **headers):
        """(status, answer, headers); the answer fits the description."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        sent |= {"Content-Type": "application/json"} if data is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.gateway.url + path, data=data, method=method, headers=sent)
        try:
            with OPENER.open(request, timeout=10) as response:
                status, text, received = response.status, response.read(), response.headers
        except urllib.error.HTTPError as error:
            status, text, received = error.code, error.read(), error.headers
        self.assertLess(status, 500, (method, path, body, text))
        self.assertEqual(received["Cache-Control"], "no-store", path)
        answer = json.loads(text)
        if status == 200:
            self.assertEqual(received["Content-Type"], "application/json")
            self.check(answer, self.operation(method, path)["responses"]["200"]["content"]["application/json"]["schema"], True)
        else:
            self.assertEqual(received["Content-Type"], "application/problem+json")
            self.check(answer, {"$ref": "#/components/schemas/Problem"})
            self.assertEqual(answer["status"], status)
        return status, answer, received

    def operation(self, method, path):
        path = path.split("?")[0]
        for pattern, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in operations:
                return operations[method.lower()]
        raise KeyError(f"{method} {path} is not described")

    def check(self, value, schema, is_answer=False):
        """Answers hold nothing that is not described."""
        components = self.document["components"]
        if is_answer:
            components = copy.deepcopy(components)
            for one in walk(components["schemas"]):
                if one.get("type") == "object" and "properties" in one:
                    one["additionalProperties"] = False
        jsonschema.validate(value, {**schema, "components": components}, cls=jsonschema.Draft202012Validator)

    def fits(self, value, schema):
        whole = {**schema, "components": self.document["components"]}
        return jsonschema.Draft202012Validator(whole).is_valid(value)

    def resolve(self, schema):
        if "$ref" in schema:
            return self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def made(self, schema, depth=0):
        """A random value that the schema allows."""
        schema, chance = self.resolve(schema), self.random.random
        kind = schema["type"]
        if kind == "object":
            required = schema.get("required", ())
            value = {name: self.made(one, depth + 1) for name, one in schema["properties"].items()
                     if name in required or chance() < 0.5 / (depth + 1)}
            for pair in schema.get("allOf", ()):
                one, other = pair["not"]["required"]
                if one in value:
                    value.pop(other, None)
            return value
        if kind == "array":
            return [self.made(schema["items"], depth + 1) for _ in range(max(schema.get("minItems", 0), self.random.choice((0, 1, 2))))]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if kind == "boolean":
            return chance() < 0.5
        if kind == "integer" or isinstance(kind, list):
            return self.random.randint(schema.get("minimum", 0), schema.get("maximum", 1000))
        if "pattern" in schema:
            return self.random.choice([text for text in ("", new_id(), "2026-01-31", "A1001", "108161000000109", "LONELINESS")
                                       if re.search(schema["pattern"], text)])
        if schema.get("format") == "date-time":
            return "2026-01-31T10:00:00Z"
        if schema.get("contentEncoding"):
            return "eHg="
        longest = min(schema["maxLength"], 2000)
        return self.random.choice(("x", "é\"\\\u2028\U0001f331"[:longest], "y" * longest))

    def broken(self, value, schema, path=()):
        """(where, value) for values of which one place is no longer what the schema allows."""
        schema = self.resolve(schema)
        if schema["type"] == "object" and isinstance(value, dict):
            yield path, {**value, "not_described": 1}
            for name in schema.get("required", ()):
                yield (*path, name), {key: one for key, one in value.items() if key != name}
            for name, one in value.items():
                for where, other in self.broken(one, schema["properties"][name], (*path, name)):
                    yield where, {**value, name: other}
        elif schema["type"] == "array" and isinstance(value, list):
            if value:
                yield path, value * (schema["maxItems"] + 1)
                for where, other in self.broken(value[0], schema["items"], (*path, 0)):
                    yield where, [other, *value[1:]]
        elif schema["type"] == "string":
            # A longer one does not fit into a request.
            if schema.get("maxLength", BODY_BYTES_MAX) < BODY_BYTES_MAX:
                yield path, "é" * (schema["maxLength"] + 1)
            if "pattern" in schema:
                yield path, "no such form"
            if "minLength" in schema:
                yield path, ""
        if "maximum" in schema:
            yield path, schema["maximum"] + 1
        for wrong in ([1], {"a": 1}, None, True, "NO_SUCH_VALUE", 1.5):
            yield path, wrong

    def token_for(self, operation):
        """Of the first of its roles that an organisation's people have; None for people who speak for themselves."""
        f = self.fettle
        organisations = {"referrer": f.PRACTICE, "link_worker": f.PROVIDER, "occupational_therapist": f.PROVIDER,
                         "commissioner": f.ICB, "administrator": f.ICB, "analyst": f.ICB, "*": f.ICB}
        roles = re.search(r"Roles: ([^.]+)\.", operation["description"])[1].split(", ")
        role = next((role for role in roles if role in organisations), None)
        return role and f.token(role.replace("*", "analyst"), organisations[role], "somebody")

    def operations(self):
        for pattern, operations in self.document["paths"].items():
            for method, operation in operations.items():
                path = re.sub(r"\{(\w+)\}", lambda field: self.referral_id if field[1] == "referral_id" else new_id(), pattern)
                yield method.upper(), path, operation

    def body_schema(self, operation):
        return operation["requestBody"]["content"]["application/json"]["schema"]

    def test_1_the_description_is_openapi(self):
        openapi_spec_validator.validate(self.document)
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertIn("/api/v1/referrals/{referral_id}/accept", self.document["paths"])
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for _, _, operation in self.operations():
            self.assertTrue(operation["summary"], operation["operationId"])
            self.assertTrue(operation["description"].startswith(operation["summary"]), operation["operationId"])

    def test_2_nobody_gets_in_without_a_token_or_with_another_role(self):
        stranger = self.fettle.token("trainer", self.fettle.PROVIDER, "tom")
        for method, path, operation in self.operations():
            body = {} if method == "POST" else None
            status, problem, headers = self.ask(method, path, body)
            self.assertEqual((status, problem["reason"], headers["WWW-Authenticate"]), (401, "TOKEN_MISSING", "Bearer"), path)
            self.assertEqual(self.ask(method, path, body, "x.y.z")[0], 401, path)
            if method == "GET" and not operation["parameters"]:
                self.assertEqual(self.ask(method, path, body, stranger)[1]["reason"], "ROLE_NOT_ALLOWED")

    def test_3_what_the_description_allows_has_the_right_shape(self):
        for method, path, operation in self.operations():
            token = self.token_for(operation)
            if token is None:
                continue
            for _ in range(REQUESTS_OF_EACH_PATH):
                if method == "POST":
                    body = self.made(self.body_schema(operation))
                    self.assertTrue(self.fits(body, self.body_schema(operation)), body)
                    body.pop("expected_version", None)
                    _, answer, _ = self.ask(method, path, body, token, X_Request_Id=new_id())
                else:
                    given = {p["name"]: self.made(p["schema"]) for p in operation["parameters"] if p["in"] == "query"
                             and p["name"] != "page_token" and self.random.random() < 0.4}
                    query = urllib.parse.urlencode({k: str(v).lower() if v is True or v is False else v for k, v in given.items()})
                    _, answer, _ = self.ask(method, f"{path}?{query}", None, token)
                    body = query
                # A rule may want more than the shape: then it has a name of its own.
                self.assertFalse(SHAPE & {answer.get("reason")}, (path, body, answer))

    def test_4_what_the_description_does_not_allow_is_refused_by_its_field(self):
        for method, path, operation in self.operations():
            token = self.token_for(operation)
            if token is None:
                continue
            if method == "GET":
                for query in ("not_described=1", "page_size=x&page_size=y"):
                    status, problem, _ = self.ask(method, f"{path}?{query}", None, token)
                    self.assertEqual((status, problem["errors"][0]["field"]), (400, "query"), path)
                continue
            schema = self.body_schema(operation)
            cases = [case for case in self.broken(self.made(schema), schema) if not self.fits(case[1], schema)]
            self.assertGreater(len(cases), 1, path)
            for where, body in self.random.sample(cases, min(len(cases), REQUESTS_OF_EACH_PATH)):
                status, problem, _ = self.ask(method, path, json.dumps(body).encode(), token, X_Request_Id=new_id())
                self.assertEqual(status, 400, (path, where, body, problem))
                self.assertTrue(problem["errors"], (path, where, problem))
                for error in problem["errors"]:
                    self.assertTrue(error["accepted"], (path, where, problem))

    def test_5_hostile_bodies_are_refused(self):
        f, path = self.fettle, f"/api/v1/referrals/{self.referral_id}/start-triage"
        for body, status in ((b"{", 400), (b"\xff", 400), (b'{"a":1,"a":2}', 400), (b"[" * 100_000, 400), (b"null", 400),
                             (b'{"request_id":"\\ud800"}', 400), (b'{"request_id":1e999}', 400), (b"{}" * BODY_BYTES_MAX, 413),
                             (b'{"expected_version":99999999999999999999}', 400)):
            self.assertEqual(self.ask("POST", path, body, f.link_worker)[0], status, body[:40])
        self.assertEqual(self.ask("POST", path, b"{}", f.link_worker, Content_Type="text/xml")[0], 415)
        self.assertEqual(self.ask("POST", path, b"{}", f.link_worker, X_Request_Id="17")[0], 400)
        self.assertEqual(self.ask("POST", path + "?x=1", b"{}", f.link_worker)[0], 400)
        self.assertEqual(self.ask("POST", "/api/v1/referrals/%00/start-triage", {}, f.link_worker, X_Request_Id=new_id())[0], 400)
        status, _, headers = self.ask("DELETE", f"/api/v1/referrals/{self.referral_id}", None, f.gp)
        self.assertEqual((status, headers["Allow"]), (405, "GET"))
        self.assertEqual(self.ask("GET", "/api/v1/people", None, f.gp)[1]["reason"], "PATH_NOT_FOUND")

    def test_6_a_referral_goes_from_gp_to_outcome(self):
        f, today = self.fettle, time.strftime("%Y-%m-%d")
        admin = f.token("administrator", f.ICB)
        service = {"organisation": f.PROVIDER, "description": {
            "name": "Walking group", "kind": "SERVICE_KIND_SOCIAL_PRESCRIBING"}}
        status, made, _ = self.ask("POST", "/api/v1/services", {**service, "request_id": new_id()}, admin)
        self.assertEqual(status, 200, made)
        status, shown, headers = self.ask("GET", f"/api/v1/services/{made['service_id']}", None, f.gp)
        self.assertEqual((status, shown["service"]["description"]["name"], headers["ETag"]), (200, "Walking group", '"1"'))
        status, listed, _ = self.ask("GET", f"/api/v1/services?organisation={f.PROVIDER}&page_size=10", None, f.gp)
        self.assertIn(made["service_id"], [one["service_id"] for one in listed["services"]])

        body = f.referral_request(f.person("9990000026"), service=made["service_id"])
        request_id = body.pop("request_id")
        status, referral, headers = self.ask("POST", "/api/v1/referrals", body, f.gp, X_Request_Id=request_id)
        self.assertEqual((status, headers["X-Request-Id"], headers["Fettle-Replayed"]), (200, request_id, None), referral)
        status, again, headers = self.ask("POST", "/api/v1/referrals", body, f.gp, X_Request_Id=request_id)
        self.assertEqual((status, again, headers["Fettle-Replayed"]), (200, referral, "true"))
        status, problem, _ = self.ask("POST", "/api/v1/referrals", body, f.gp, X_Request_Id=new_id())
        self.assertEqual((status, problem["reason"]), (409, "OPEN_REFERRAL_EXISTS"))
        body["details"]["reason"]["text"]["text"] = "x" * 151
        status, problem, _ = self.ask("POST", "/api/v1/referrals", body, f.gp, X_Request_Id=new_id())
        self.assertEqual((status, problem["errors"][0]["field"]), (400, "details.reason.text"))

        path = f"/api/v1/referrals/{referral['referral_id']}"
        status, shown, headers = self.ask("GET", path, None, f.link_worker)
        self.assertEqual((status, shown["referral"]["details"]["reason"]["text"]), (200, {"text": "Feels alone"}))
        stale = headers["ETag"]

        def command(word, more=None, **headers):
            return self.ask("POST", f"{path}/{word}", more or {}, f.link_worker, X_Request_Id=new_id(), **headers)

        self.assertEqual(command("start-triage", If_Match=stale)[0], 200)
        begin = time.monotonic()
        status, problem, _ = command("accept", If_Match=stale)
        self.assertEqual((status, problem["reason"], problem["metadata"]["current_version"]), (412, "VERSION_MISMATCH", "2"))
        self.assertLess(time.monotonic() - begin, 1, "it is not tried again")
        self.assertEqual(command("accept", If_Match="2")[0], 400)
        self.assertEqual(command("accept", {"comment": {"text": "welcome"}}, If_Match='"2"')[0], 200)
        self.assertEqual(command("start", {"worker_id": "wendy", "first_contact_date": today})[0], 200)
        status, problem, _ = command("start-triage")
        self.assertEqual((status, problem["reason"]), (409, "TRANSITION_NOT_ALLOWED"))
        status, listed, _ = self.ask("GET", "/api/v1/referrals?worker_id=wendy", None, f.link_worker)
        self.assertEqual([one["referral_id"] for one in listed["referrals"]], [referral["referral_id"]])
        self.assertEqual(command("complete", {"closed_date": today, "outcomes": [{"code": "CONNECTED_TO_GROUP"}]})[0], 200)

        deadline, steps = time.monotonic() + JOURNEY_SECONDS_MAX, []
        while len(steps) < 4 and time.monotonic() < deadline:
            time.sleep(0.2)
            status, journey, _ = self.ask("GET", f"/api/v1/journeys/{referral['correlation_id']}", None, f.link_worker)
            self.assertEqual(status, 200)
            steps = journey.get("steps", [])
        self.assertGreaterEqual(len(steps), 4)
        self.assertEqual(steps[0]["event_type"], "ReferralSubmitted")
        stranger = f.token("link_worker", "XYZ99", "sam")
        missing = self.ask("GET", f"/api/v1/referrals/{new_id()}", None, stranger)[1]
        self.assertEqual(self.ask("GET", path, None, stranger)[1], missing)
        self.assertEqual(missing["reason"], "REFERRAL_NOT_FOUND")


def walk(value):
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


if __name__ == "__main__":
    unittest.main()

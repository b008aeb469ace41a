#!/usr/bin/env python3
"""Posts every FHIR message below a folder to a gateway, with correct headers, and prints a line for each:

    FILE  HTTP-STATUS  OPERATION-OUTCOME-CODES  REFERRAL-ID

    post.py --url http://127.0.0.1:8080 --token-file FILE --organisation RND --target 111111111 DIR
    post.py ... --expected expected.json --policy lenient DIR     exit 1 when an answer is another one

A message is any .json file; what is no message is posted too, because partners do. Every file gets ids of its own.
Without --expected the exit code is 1 when the gateway could not be reached or answered with a 5xx.
"""

import argparse
import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid

TIMEOUT_S = 10
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
DOS = "https://fhir.nhs.uk/Id/dos-service-id"


def encoded(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def decoded(value):
    return base64.b64decode(value).decode()


def headers(token, organisation, target):
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json; version=1.4.0",
        "X-Request-Id": str(uuid.uuid4()),
        "X-Correlation-Id": str(uuid.uuid4()),
        "NHSD-Target-Identifier": encoded({"value": target, "system": DOS}),
        "NHSD-End-User-Organisation": encoded(
            {"resourceType": "Organization", "identifier": [{"system": ODS, "value": organisation}], "name": organisation}),
        "NHSD-Requesting-Software": encoded({"resourceType": "Device", "deviceName": [{"name": "Fettle conformance", "type": "user-friendly-name"}]}),
    }


def post(url, body, sent, method="POST"):
    """(status, answer, headers of the answer); status 0 when there was none."""
    request = urllib.request.Request(url, data=body, headers=sent, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers
    except OSError as error:
        return 0, str(error).encode(), {}


def codes(answer):
    """`REC_CONFLICT duplicate` of an OperationOutcome; `-` of anything else."""
    try:
        issue = json.loads(answer)["issue"][0]
        return f"{issue['details']['coding'][0]['code']} {issue['code']}"
    except (ValueError, KeyError, IndexError, TypeError):
        return "-"


def referral_id(status, answer):
    if status != 200:
        return "-"
    try:
        for entry in json.loads(answer)["entry"]:
            if entry["resource"]["resourceType"] == "ServiceRequest":
                return entry["resource"]["id"]
    except (ValueError, KeyError, TypeError):
        pass
    return "-"


def messages(folder):
    for path, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith(".json") and name != "expected.json":
                yield os.path.relpath(os.path.join(path, name), folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--url", required=True, help="of the gateway, without a path")
    parser.add_argument("--token-file", required=True, help="a file that holds the bearer token")
    parser.add_argument("--organisation", required=True, help="ODS code, as in the token")
    parser.add_argument("--target", required=True, help="the DoS service id of one of the gateway's services")
    parser.add_argument("--expected", help="JSON: {policy: {file: \"STATUS CODE CODE\"}}")
    parser.add_argument("--policy", default="lenient", help="which part of --expected holds")
    arguments = parser.parse_args()

    with open(arguments.token_file, encoding="utf-8") as file:
        token = file.read().strip()
    expected = {}
    if arguments.expected:
        with open(arguments.expected, encoding="utf-8") as file:
            expected = json.load(file)[arguments.policy]

    url = urllib.parse.urljoin(arguments.url + "/", "FHIR/R4/$process-message")
    faults, count = [], 0
    for name in messages(arguments.folder):
        count += 1
        with open(os.path.join(arguments.folder, name), "rb") as file:
            body = file.read()
        sent = headers(token, arguments.organisation, arguments.target)
        status, answer, received = post(url, body, sent)
        outcome = codes(answer)
        print(f"{name}\t{status}\t{outcome}\t{referral_id(status, answer)}", flush=True)
        if status == 0 or status >= 500:
            faults.append(f"{name}: {status}, which no message may cause: {answer[:200].decode(errors='replace')}")
        for id_header in ("X-Request-Id", "X-Correlation-Id"):
            if status and received.get(id_header) != sent[id_header]:
                faults.append(f"{name}: {id_header} is not echoed")
        if arguments.expected:
            wanted = expected.get(name, expected.get(os.path.dirname(name) + "/*"))
            got = f"{status} {outcome}"
            if wanted is None:
                faults.append(f"{name}: no expected answer is written down")
            elif got != wanted:
                faults.append(f"{name}: {got}, expected {wanted}")
    if count == 0:
        faults.append(f"{arguments.folder}: no .json file")
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    print(f"{count} messages, {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

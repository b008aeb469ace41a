"""BaRS bodies that are wrong in one to four ways, and a partner that sends them. Nothing here needs the services' contracts.

The seed and a message's number alone make the message: case_of(seed, name), then body(seed, number, case).
"""
import collections
import copy
import http.client
import json
import pathlib
import random
import sys
import urllib.parse
import uuid

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "conformance"))
from messages import Case, nhs_numbers, person  # noqa: E402
import post  # noqa: E402

PUBLISHED = [json.loads((TESTS / f"fixtures/bars/Validation{kind}.json").read_text()) for kind in ("Request", "Response")]
TIMEOUT_S = 10
# What the gateway reads of a body that is too long before it closes; of a longer one the answer may not arrive.
BODY_BYTES_MAX = 8_000_000
DEPTHS = (40, 49, 50, 51, 52, 500, 20_000)
# Up to what the gateway takes, and a little more.
STRING_CHARACTERS = (151, 1_000, 30_000, 400_000, 990_000, 1_100_000)
# Written as they are: what json.dumps cannot write.
RAW_VALUES = ("1e400", "-1e400", "1e-400", "-0", "99999999999999999999", "NaN", "Infinity", "01", "+1", "0x10", ".5", "'a'", "tru",
              "nul", "[,]", "{,}", "[1,]", '{"a":1,}', '{"a"}', "{1:2}", "/* */ 1", '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"',
              '"\\x41"', '"\t"', '"\n"', "")
WRONG_TYPES = (None, True, False, 0, -1, 3.5, 2**63, "", "text", [], {}, [[]], [None], {"": None}, [{}], {"reference": []})
# Around the rules of an NHS number; none is a valid one outside the range for tests.
NUMBERS = ("", " ", "0", "0000000000", "1111111111", "9999999999", "999 000 0018", "999-000-0018", "99900000181", "999000001",
           "9990000019", "999000001X", " 9990000018", "9990000018 ", "9990000018\u0000", "+9990000018",
           "\u0669\u0669\u0669\u0660\u0660\u0660\u0660\u0660\u0661\u0668", "-999000018", "9.99e9", "0x253760", "NULL", "9990000018;DROP TABLE person", "%39990000018")
DATES = ("", "0000-00-00", "2021-02-30", "2021-13-01", "9999-12-31", "10000-01-01", "-2021-01-01", "2021", "2021-2", "2021-06-31T24:00:00Z",
         "2021-01-01T00:00:60Z", "2021-01-01T00:00:00", "2021-01-01T00:00:00+99:99",
         "2021-01-01T00:00:00.123456789Z", "2021-01-01T00:00:00.Z", "1970-01-01T00:00:00-14:00", "yesterday", "2021-01-01\u0000")
CODES = ("new", "update", "delete", "active", "on-hold", "revoked", "completed", "entered-in-error", "draft", "unknown", "referral",
         "validation", "servicerequest-request", "servicerequest-response", "booking-request", "Bundle", "Patient", "ServiceRequest",
         "MessageHeader", "message", "collection", "1.0.0", "9.9.9", "ACTIVE", "active ")


def case_of(seed, name, number):
    """A case with ids of its own, and a person who has a number of their own."""
    rng = random.Random(f"{seed}/case/{name}")
    correlation, case_number = (str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(2))
    nhs_number = next(nhs_numbers(9_991_000_000 + 20 * number))
    return Case(rng.choice(("referral", "validation")), {**person(), "nhs_number": nhs_number}, correlation, case_number)


def open_case(seed, number):
    """One of those that are open before the first wrong message."""
    return case_of(seed, f"open {number}", number)


class Name(str):
    """A member's name that is like another, so that an object can hold it twice."""
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def places(value, found=None):
    """(container, key) of every value in a tree."""
    found = [] if found is None else found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key))
        places(item, found)
    return found


def members(tree, *names):
    return [(container, key) for container, key in places(tree) if key in names]


MUTATIONS, WEIGHTS = [], []


def wrong(weight=1):
    """One way to be wrong; the heavier it is to make and to send, the less often it comes."""
    def register(function):
        MUTATIONS.append(function)
        WEIGHTS.append(weight)
        return function
    return register


class Mutation:
    """One body on its way to being wrong. Text that json.dumps cannot write stands in `raw` until the end."""

    def __init__(self, rng, tree):
        self.rng, self.tree, self.raw, self.at_the_end = rng, tree, [], []

    def anywhere(self):
        return self.rng.choice(places(self.tree))

    def put(self, place, value):
        place[0][place[1]] = value

    def write(self, place, text):
        """`text` as it is, in place of a value."""
        self.put(place, f"@raw{len(self.raw)}@")
        self.raw.append(text)

    @wrong()
    def wrong_type(self):
        # A copy: what is done to it later must not reach the next body, nor itself.
        self.put(self.anywhere(), copy.deepcopy(self.rng.choice(WRONG_TYPES)))

    @wrong()
    def array_for_object(self):
        container, key = self.anywhere()
        value = container[key]
        self.put((container, key), value[0] if isinstance(value, list) and value else [value])

    @wrong()
    def object_for_array(self):
        container, key = self.anywhere()
        self.put((container, key), {"0": container[key]})

    @wrong()
    def left_out(self):
        container, key = self.anywhere()
        del container[key]

    @wrong()
    def repeated_item(self):
        container, key = self.anywhere()
        if isinstance(container[key], list):
            container[key] *= self.rng.choice((2, 10, 200))

    @wrong()
    def shuffled(self):
        entries = self.tree.get("entry")
        if isinstance(entries, list):
            self.rng.shuffle(entries)

    @wrong()
    def another_part(self):
        self.put(self.anywhere(), json.loads(json.dumps(self.tree if self.rng.random() < 0.05 else self.value_at(self.anywhere()))))

    def value_at(self, place):
        return place[0][place[1]]

    @wrong(0.2)
    def deep(self):
        depth, (opening, closing) = self.rng.choice(DEPTHS), self.rng.choice((("[", "]"), ('{"a":', "}"), ('{"extension":[', "]}")))
        self.write(self.anywhere(), opening * depth + "1" + closing * self.rng.choice((depth, depth - 1)))

    @wrong(0.2)
    def huge(self):
        character = self.rng.choice(("a", "\u00e9", "\U0001f600", "\\", "\u0000"))
        self.put(self.anywhere(), character * (self.rng.choice(STRING_CHARACTERS) // len(json.dumps(character))))

    @wrong()
    def raw_value(self):
        self.write(self.anywhere(), self.rng.choice(RAW_VALUES))

    @wrong()
    def name_twice(self):
        objects = [value for value in map(self.value_at, places(self.tree)) if isinstance(value, dict) and value]
        if objects:
            chosen = self.rng.choice(objects)
            name = self.rng.choice(list(chosen))
            chosen[Name(name)] = chosen[name] if self.rng.random() < 0.5 else "another"

    @wrong()
    def circle(self):
        urls = [url for url in map(self.value_at, members(self.tree, "fullUrl")) if isinstance(url, str)]
        references = members(self.tree, "reference")
        if urls and references:
            for place in self.rng.sample(references, self.rng.randint(1, len(references))):
                self.put(place, self.rng.choice(urls))

    @wrong()
    def one_url(self):
        for place in members(self.tree, "fullUrl"):
            self.put(place, "urn:uuid:" + "0" * self.rng.choice((0, 1, 36, 10_000)))

    def from_list(self, names, values):
        found = members(self.tree, *names)
        if found:
            self.put(self.rng.choice(found), self.rng.choice(values))

    @wrong()
    def number(self):
        self.from_list(("value",), NUMBERS)

    @wrong()
    def date(self):
        self.from_list(("lastUpdated", "authoredOn", "birthDate", "start", "dateTime", "timestamp"), DATES)

    @wrong()
    def code(self):
        self.from_list(("code", "status", "resourceType", "type", "versionId", "system", "use", "gender"), CODES)

    @wrong()
    def bytes_changed(self):
        def change(body):
            for _ in range(self.rng.randint(1, 8)):
                at = self.rng.randrange(len(body) + 1)
                body = body[:at] + self.rng.randbytes(self.rng.randint(0, 3)) + body[at + self.rng.randint(0, 3):]
            return body
        self.at_the_end.append(change)

    @wrong()
    def cut(self):
        self.at_the_end.append(lambda body: body[:self.rng.randrange(len(body) + 1)])

    @wrong()
    def more_behind(self):
        self.at_the_end.append(lambda body: body + self.rng.choice((b"x", b"{}", b"\x00", b"\n\n", body)))

    @wrong()
    def encoding(self):
        name = self.rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp037"))
        self.at_the_end.append(lambda body: body.decode(errors="replace").encode(name, errors="replace"))

    @wrong()
    def not_utf8(self):
        sequence = self.rng.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82", b"\x00"))
        self.write(self.anywhere(), '"@bytes@"')
        self.at_the_end.append(lambda body: body.replace(b"@bytes@", sequence))

    def bytes(self):
        text = json.dumps(self.tree, ensure_ascii=self.rng.random() < 0.5)
        for number, raw in enumerate(self.raw):
            text = text.replace(f'"@raw{number}@"', raw)
        body = text.encode(errors="surrogatepass")
        for change in self.at_the_end:
            body = change(body)
        return body[:BODY_BYTES_MAX]


def body(seed, number, case, published=False):
    """(names of what is wrong, bytes) of one message of a case that is open: something new, or newer, or taken back."""
    rng = random.Random(f"{seed}/{number}")
    if published:
        tree = json.loads(json.dumps(rng.choice(PUBLISHED)))
    else:
        tree = case.message(*rng.choice((("new", "active"), ("update", "active"), ("update", "on-hold"), ("update", "revoked"))))
    mutation, names = Mutation(rng, tree), []
    for function in rng.choices(MUTATIONS, WEIGHTS, k=rng.choice((1, 1, 1, 2, 3, 4))):
        if places(tree):
            function(mutation)
            names.append(function.__name__)
    return names, mutation.bytes()


class Partner:
    """Sends over one connection, which it opens again where the gateway closed it."""

    def __init__(self, url, token, organisation, target):
        self.address = urllib.parse.urlsplit(url).netloc
        self.headers = post.headers(token, organisation, target)
        self.connection = None

    def send(self, data, correlation, request):
        """(HTTP status, answer); status 0 and the cause when there was none."""
        headers = {**self.headers, "X-Request-Id": request, "X-Correlation-Id": correlation}
        for attempt in (1, 2):
            reused = self.connection is not None
            try:
                self.connection = self.connection or http.client.HTTPConnection(self.address, timeout=TIMEOUT_S)
                self.connection.request("POST", "/FHIR/R4/$process-message", data, headers)
                response = self.connection.getresponse()
                answer = response.read()
                if response.will_close:
                    self.close()
                if response.headers.get("X-Request-Id") != request:
                    return 0, b"X-Request-Id is not echoed: " + answer
                return response.status, answer
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # Closed between two requests, by right; anything else is a fault.
                if not reused or isinstance(error, TimeoutError) or attempt == 2:
                    return 0, repr(error).encode()
        return 0, b""

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def is_good(status, answer):
    """Taken, or refused as the sender's fault with an OperationOutcome."""
    try:
        resource = json.loads(answer)
        if 200 <= status < 300:
            return resource["resourceType"] == "Bundle"
        return 400 <= status < 500 and resource["resourceType"] == "OperationOutcome" and resource["issue"][0]["severity"] == "error"
    except (ValueError, KeyError, IndexError, TypeError):
        return False


def send_some(url, token, organisation, target, seed, numbers, open_cases):
    """Sends the messages of these numbers. ({status: count}, [(number, what was wrong, status, answer)] of the bad answers)."""
    partner, counts, faults = Partner(url, token, organisation, target), collections.Counter(), []
    for number in numbers:
        rng = random.Random(f"{seed}/{number}/case")
        case = open_case(seed, rng.randrange(open_cases)) if rng.random() < 0.5 else case_of(seed, number, open_cases + number)
        names, data = body(seed, number, case, published=rng.random() < 0.1)
        request = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        status, answer = partner.send(data, case.correlation, request)
        counts[status] += 1
        if not is_good(status, answer):
            faults.append((number, names, status, answer[:300]))
    partner.close()
    return counts, faults

"""kill -9 of each service, of the gateway and of Kafka, under load: nothing acknowledged is lost, nothing happens twice,
everybody agrees.

Method: real processes and a real broker; callers send commands and partners' messages at a steady rate, each spends from a
budget of its own, and repeats what is not answered with the same request id until it is; a seeded schedule kills and
restarts. Then: every acknowledged event is in its journal's feed; no request has two effects; every budget's money is what
was acknowledged, to the penny; every event of every feed is on its topic with the same bytes; audit and analytics have taken
every position, and their control totals (count, pence, hash of ids) match the publishers'. FETTLE_TEST_SEED, FETTLE_KILLS,
FETTLE_RATE.
"""
import collections
import copy
import hashlib
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "conformance")]
from fettle import SERVICES, Fettle, Kafka, Refused, new_id  # noqa: E402
from gateway import PARTNER, TARGET, Gateway  # noqa: E402
import post  # noqa: E402

SEED = int(os.environ.get("FETTLE_TEST_SEED", random.randrange(1 << 32)))
KILLS = int(os.environ.get("FETTLE_KILLS", 20))
COMMANDS_PER_SECOND = int(os.environ.get("FETTLE_RATE", 200))
# What the kills must leave of the rate that is offered: a service is away for a second or two, its callers wait.
RATE_PART_MIN = 0.5
CALLERS = 16
# A message is one person and one referral: two commands.
COMMANDS_PER_ROUND = 7
BUDGET_PENCE = 100_000_000
EXAMPLE = json.loads((TESTS / "fixtures/bars/ValidationRequest.json").read_text())
CATCH_UP_SECONDS_MAX = 120
TOPICS = [f"fettle.{s}.v1" for s in SERVICES] + ["fettle.access.v1"]


class Load:
    """Callers that send until stopped, and remember what was acknowledged."""

    def __init__(self, fettle, gateway):
        self.fettle, self.gateway, self.stopping = fettle, gateway, threading.Event()
        self.acknowledged = {service: set() for service in SERVICES}
        self.done = []  # what was acknowledged, in order: a list, because many append
        self.messages = set()
        self.refused = []
        # Before anything is killed, so that all of it is simply there.
        self.budgets = [fettle.active_budget(fettle.person(number=None, born="1950-01-01"), BUDGET_PENCE) for _ in range(CALLERS)]
        self.spent_pence = dict.fromkeys(self.budgets, 0)
        self.threads = [threading.Thread(target=self.run, args=(budget,)) for budget in self.budgets]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def send(self, rpc, request, token):
        request = {**request, "request_id": new_id()}
        while True:
            try:
                answer = self.fettle.call(rpc, request, token, deadline=3)
                self.acknowledged[rpc.split(".")[0]].update(answer.result.event_ids)
                self.done.append(rpc)
                return answer
            except Refused as refusal:
                # What may be tried again is: with the same request id, until it is answered.
                if refusal.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "ABORTED"):
                    self.refused.append(f"{rpc}: {refusal} {refusal.reason}")
                    return None
                time.sleep(0.05)

    def post(self, token):
        """A partner's message, until it is taken: 409 duplicate says that an answer was lost, not the message."""
        bundle = copy.deepcopy(EXAMPLE)
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Encounter":
                entry["resource"]["identifier"][0]["value"] = new_id()
        body = json.dumps(bundle).encode()
        headers = post.headers(token, PARTNER, TARGET)
        while True:
            status, answer, _ = post.post(f"{self.gateway.url}/FHIR/R4/$process-message", body, headers)
            if status == 200 or (status, post.codes(answer)) == (409, "REC_CONFLICT duplicate"):
                self.messages.add(headers["X-Correlation-Id"])
                self.done.append("message")
                return
            if status not in (0, 408, 503):
                self.refused.append(f"message: {status} {post.codes(answer)}")
                return
            time.sleep(0.05)

    def run(self, budget):
        f = self.fettle
        trainer, partner = f.token("trainer", f.PROVIDER, "tom"), f.token("integrator", PARTNER, "partner")
        pause = COMMANDS_PER_ROUND * CALLERS / COMMANDS_PER_SECOND
        spend_date = time.strftime("%Y-%m-%d")
        while not self.stopping.is_set():
            start = time.monotonic()
            person = self.send("person.EnsurePerson", {
                "demographics": {"first_name": {"text": "Ada"}, "family_name": {"text": "Example"},
                                 "birth_date": {"text": "1950-01-01"}},
                "nhs_number_status": "NHS_NUMBER_STATUS_TRACE_REQUIRED", "number_policy": "NUMBER_POLICY_STRICT",
                "gp_practice": f.PRACTICE}, f.gp)
            if person is not None:
                self.send("referral.SubmitReferral", f.referral_request(person.person_id), f.gp)
            self.send("training.RegisterLearner", {"practitioner_id": new_id()}, trainer)
            pence = 1 + hash(new_id()) % 999
            committed = self.send("budget.CommitSpend", {
                "budget_id": budget, "line_code": "CHAIR", "portion": 1, "amount_pence": pence, "category_code": "WHEELCHAIR",
                "spend_date": spend_date}, f.therapist)
            if committed is not None and self.send("budget.PaySpend", {
                    "budget_id": budget, "commitment_id": committed.commitment_id, "amount_pence": pence,
                    "client_reference": new_id(), "payment_date": spend_date}, f.finance) is not None:
                self.spent_pence[budget] += pence
            self.post(partner)
            time.sleep(max(0, pause - (time.monotonic() - start)))


class KillTest(unittest.TestCase):

    # INV-165: state and event are in one transaction, and what is committed reaches Kafka.
    def test_r1_r4_nothing_acknowledged_is_lost_and_everybody_agrees(self):
        print(f"seed {SEED}", flush=True)
        chance = random.Random(SEED)
        everybody = SERVICES + ("audit", "analytics")
        with Kafka() as kafka, Fettle(services=everybody, kafka=kafka.address) as fettle, Gateway(fettle, "lenient") as gateway:
            fettle.seed()
            fettle.train()
            load = Load(fettle, gateway)
            started = time.monotonic()
            with load:
                victims = [*everybody, "gateway", "kafka"] * (KILLS // (len(everybody) + 2) + 1)
                for number, victim in enumerate(victims[:KILLS], 1):
                    time.sleep(chance.uniform(0, 0.8))
                    print(f"kill {number}/{KILLS}: {victim}", flush=True)
                    if victim == "kafka":
                        kafka.kill()
                        kafka.start()
                    elif victim == "gateway":
                        gateway.restart(signal.SIGKILL)
                    else:
                        fettle.restart(victim, signal.SIGKILL)
                time.sleep(2)
                # Before the callers end: those that wait for an answer when the time is over get it later.
                seconds, done = time.monotonic() - started, collections.Counter(load.done)
            self.assertEqual(load.refused, [])
            commands = done.total() + done["message"]
            print(f"{dict(done)}; {commands / seconds:.0f} commands/s acknowledged, {seconds:.0f} s", flush=True)
            self.assertGreater(commands / seconds, COMMANDS_PER_SECOND * RATE_PART_MIN)
            self.check_feeds(fettle, load)
            self.check_money(fettle, load)
            self.check_consumers(fettle)
            self.check_topics(kafka, fettle)
            self.another_cluster(kafka, fettle)

    def check_feeds(self, fettle, load):
        for service in SERVICES:
            event_type = fettle.event_type(service)
            items = fettle.feed(service)
            self.assertEqual([position for position, _ in items], list(range(1, len(items) + 1)))
            events = [event_type.FromString(value) for _, value in items]
            ids = {event.header.id for event in events}
            self.assertEqual(len(ids), len(events))
            self.assertEqual(load.acknowledged[service] - ids, set(), f"acknowledged and lost by {service}")
            # A request has one effect: its events stand together, and none of a kind is there twice.
            positions = collections.defaultdict(list)
            for event in events:
                positions[event.header.request_id].append((event.header.position, event.header.type))
            for request_id, found in positions.items():
                first = found[0][0]
                self.assertTrue(request_id, found)
                self.assertEqual([p for p, _ in found], list(range(first, first + len(found))), f"{service} {request_id}")
                self.assertEqual(len({kind for _, kind in found}), len(found), f"{service} {request_id}: {found}")
            if service == "referral":
                submitted = collections.Counter(
                    event.header.correlation_id for event in events if event.WhichOneof("event") == "referral_submitted")
                twice = {journey: submitted[journey] for journey in load.messages if submitted[journey] != 1}
                self.assertEqual(twice, {}, "messages without exactly one referral")

    def check_money(self, fettle, load):
        """What the events say was paid is what was acknowledged, budget by budget."""
        self.assertGreater(sum(load.spent_pence.values()), 0)
        event_type, paid = fettle.event_type("budget"), collections.Counter()
        for _, value in fettle.feed("budget"):
            event = event_type.FromString(value)
            if event.WhichOneof("event") == "spend_paid":
                paid[event.header.stream_id] += event.spend_paid.transaction.amount_pence
        self.assertEqual(dict(paid), load.spent_pence)
        print(f"{sum(paid.values())} pence paid from {len(paid)} budgets", flush=True)

    def sources(self, fettle):
        last = {}
        for service in SERVICES:
            for log, suffix in (("LOG_EVENTS", ""), ("LOG_ACCESS", ":access")):
                position = fettle.call(f"{service}.GetControlTotal", {"log": log}, fettle.auditor).last_position
                if position:
                    last[f"urn:fettle:{service}:main{suffix}"] = position
        return last

    def check_consumers(self, fettle):
        tokens = {"audit": fettle.auditor, "analytics": fettle.token("analyst", fettle.ICB, "ann")}
        for consumer, token in tokens.items():
            deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
            while True:
                # Asking leaves access records, so the goal is what was there before the question.
                goal = self.sources(fettle)
                time.sleep(1)
                progress = {s.source: s for s in fettle.call(f"{consumer}.GetProgress", {}, token).sources}
                behind = {s: (progress[s].contiguous if s in progress else 0, p) for s, p in goal.items()
                          if s not in progress or progress[s].contiguous < p}
                if not behind:
                    break
                self.assertLess(time.monotonic(), deadline, f"{consumer} is behind: {behind}")
            for source in goal:
                block, outcomes = 0, []
                while True:
                    answer = fettle.call(f"{consumer}.GetControlTotals", {"source": source, "from_block": block}, token)
                    outcomes += [b.outcome for b in answer.blocks]
                    block = answer.next_block
                    if block == 0:
                        break
                self.assertTrue(outcomes, source)
                # The newest block of a growing access log may be behind; nothing may differ.
                settled = outcomes if not source.endswith(":access") else [o for o in outcomes if o != 3]
                self.assertEqual(set(settled) - {1}, set(), f"{consumer} and {source} disagree")

    def check_topics(self, kafka, fettle):
        from confluent_kafka import Consumer, TopicPartition, OFFSET_BEGINNING
        for service in SERVICES:
            wanted = {hashlib.sha256(value).digest() for _, value in fettle.feed(service)}
            consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": "check", "enable.auto.commit": False})
            topic = f"fettle.{service}.v1"
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
            seen, deadline = set(), time.monotonic() + CATCH_UP_SECONDS_MAX
            while not wanted <= seen:
                self.assertLess(time.monotonic(), deadline, f"{topic}: {len(wanted - seen)} events are missing")
                for record in consumer.consume(1000, timeout=1):
                    self.assertIsNone(record.error())
                    seen.add(hashlib.sha256(record.value()).digest())
            consumer.close()
            self.assertEqual(seen - wanted, set(), f"{topic} has events that no journal has")

    def another_cluster(self, kafka, fettle):
        """Kafka's folder is lost while everything is down: consumers notice, follow the feed, and agree again; the relay fills
        the new topics from position 1."""
        import shutil
        for service in reversed(fettle.services):
            fettle.stop(service)
        kafka.stop()
        shutil.rmtree(kafka.data)
        kafka.start()
        for service in fettle.services:
            channel = fettle.channels.pop(service, None)
            if channel:
                channel.close()
            fettle.start(service)
        for service in fettle.services:
            fettle.wait_ready(service)
        fettle.person(number="9990000018")
        self.check_consumers(fettle)
        self.check_topics(kafka, fettle)


if __name__ == "__main__":
    unittest.main(verbosity=2)

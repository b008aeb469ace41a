"""kill -9 of each service and of Kafka, under load: nothing acknowledged is lost, everybody agrees.

Method: real processes and a real broker; callers send commands at a steady rate and repeat each with the same request id
until it is answered; a seeded schedule kills and restarts. Then: every acknowledged event is in its journal's feed, every
event of every feed is on its topic with the same bytes, audit and analytics have taken every position, and their control
totals (count, pence, hash of ids) match the publishers'. FETTLE_TEST_SEED, FETTLE_KILLS.
"""
import hashlib
import os
import pathlib
import random
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fettle import SERVICES, Fettle, Kafka, Refused, message, new_id  # noqa: E402

SEED = int(os.environ.get("FETTLE_TEST_SEED", random.randrange(1 << 32)))
KILLS = int(os.environ.get("FETTLE_KILLS", 20))
COMMANDS_PER_SECOND = int(os.environ.get("FETTLE_RATE", 200))
CALLERS = 16
CATCH_UP_SECONDS_MAX = 120
TOPICS = [f"fettle.{s}.v1" for s in SERVICES] + ["fettle.access.v1"]


class Load:
    """Callers that send until stopped, and remember what was acknowledged."""

    def __init__(self, fettle):
        self.fettle, self.stopping = fettle, threading.Event()
        self.acknowledged = {service: set() for service in SERVICES}
        self.refused = []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(CALLERS)]

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
                return answer
            except Refused as refusal:
                # What may be tried again is: with the same request id, until it is answered.
                if refusal.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "ABORTED"):
                    self.refused.append(f"{rpc}: {refusal} {refusal.reason}")
                    return None
                time.sleep(0.05)

    def run(self, caller):
        f = self.fettle
        therapist = f.token("occupational_therapist", f.PROVIDER, "olive.ot")
        trainer = f.token("trainer", f.PROVIDER, "tom")
        pause = 4 * CALLERS / COMMANDS_PER_SECOND
        while not self.stopping.is_set():
            start = time.monotonic()
            person = self.send("person.EnsurePerson", {
                "demographics": {"first_name": {"text": "Ada"}, "family_name": {"text": "Example"},
                                 "birth_date": {"text": "1950-01-01"}},
                "nhs_number_status": "NHS_NUMBER_STATUS_TRACE_REQUIRED", "number_policy": "NUMBER_POLICY_STRICT",
                "gp_practice": f.PRACTICE}, f.gp)
            if person is None:
                continue
            self.send("referral.SubmitReferral", f.referral_request(person.person_id), f.gp)
            self.send("budget.RequestBudget", {"person_id": person.person_id, "category": "BUDGET_CATEGORY_WHEELCHAIR"}, therapist)
            self.send("training.RegisterLearner", {"practitioner_id": new_id()}, trainer)
            time.sleep(max(0, pause - (time.monotonic() - start)))


class KillTest(unittest.TestCase):

    def test_r1_r4_nothing_acknowledged_is_lost_and_everybody_agrees(self):
        print(f"seed {SEED}", flush=True)
        chance = random.Random(SEED)
        everybody = SERVICES + ("audit", "analytics")
        with Kafka() as kafka, Fettle(services=everybody, kafka=kafka.address) as fettle:
            fettle.seed()
            started = time.monotonic()
            with Load(fettle) as load:
                victims = [*everybody, "kafka"] * (KILLS // (len(everybody) + 1) + 1)
                for number, victim in enumerate(victims[:KILLS], 1):
                    time.sleep(chance.uniform(0, 0.8))
                    print(f"kill {number}/{KILLS}: {victim}", flush=True)
                    if victim == "kafka":
                        kafka.kill()
                        kafka.start()
                    else:
                        fettle.restart(victim, signal.SIGKILL)
                time.sleep(2)
            seconds = time.monotonic() - started
            self.assertEqual(load.refused, [])
            total = sum(map(len, load.acknowledged.values()))
            print(f"{total} acknowledged events, {total / seconds:.0f}/s", flush=True)
            self.assertGreater(total, 1000 if KILLS >= 20 else 10)
            feeds = self.check_feeds(fettle, load)
            self.check_consumers(fettle)
            self.check_topics(kafka, fettle)
            del feeds
            self.another_cluster(kafka, fettle)

    def check_feeds(self, fettle, load):
        feeds = {}
        for service in SERVICES:
            event = message(f"fettle.{service}.v1.{service.capitalize()}Event")
            items = fettle.feed(service)
            self.assertEqual([position for position, _ in items], list(range(1, len(items) + 1)))
            ids = {event.FromString(value).header.id for _, value in items}
            self.assertEqual(load.acknowledged[service] - ids, set(), f"acknowledged and lost by {service}")
            feeds[service] = ids
        return feeds

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

#!/usr/bin/env python3
"""INV-163: bodies that are wrong on purpose are refused, each with an OperationOutcome, and do the gateway no harm.

Method: FETTLE_HOSTILE_MESSAGES (20,000) BaRS messages, each wrong in one to four ways that hostile.py makes from the seed
(FETTLE_TEST_SEED) and its number: types swapped, deep nesting, huge strings, wrong encodings, names twice, references in
circles, NHS numbers at the edge, bytes cut and changed. Some are harmless and taken. No answer is a 5xx or missing, no process
ends, and the gateway's memory after the last quarter is what it was after the first.
"""
import concurrent.futures
import collections
import multiprocessing
import os
import pathlib
import random
import sys
import time
import unittest
import uuid

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "fault"), str(TESTS / "conformance")]
from gateway import PARTNER, TARGET, Gateway  # noqa: E402
from fettle import Fettle  # noqa: E402
from messages import Case  # noqa: E402
import hostile  # noqa: E402

SEED = int(os.environ.get("FETTLE_TEST_SEED", random.randrange(1 << 32)))
MESSAGES = int(os.environ.get("FETTLE_HOSTILE_MESSAGES", 20_000))
PARTNERS, QUARTERS, OPEN_CASES = 3, 4, 60
GROWTH_MIB_MAX = 16


def resident_mib(process):
    pages = int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class Hostile(unittest.TestCase):
    def test_seed_and_number_alone_make_a_message(self):
        def body(number):
            return hostile.body(SEED, number, hostile.open_case(SEED, 0))

        forwards = [body(number) for number in range(2_000)]
        backwards = [body(number) for number in reversed(range(2_000))]
        self.assertTrue(forwards == backwards[::-1], f"seed {SEED}")

    def test_wrong_bodies_are_refused_and_do_no_harm(self):
        fettle = self.enterContext(Fettle(services=("person", "referral")))
        fettle.seed()
        gateway = self.enterContext(Gateway(fettle, "lenient"))
        partner = gateway.url, fettle.token("integrator", PARTNER, "partner"), PARTNER, TARGET
        for number in range(OPEN_CASES):
            self.assertEqual(self.good(partner, hostile.open_case(SEED, number)), 200)
        counts, faults, resident = collections.Counter(), [], []
        started = time.monotonic()
        spawn = multiprocessing.get_context("spawn")  # gRPC's threads do not survive a fork
        with concurrent.futures.ProcessPoolExecutor(PARTNERS, mp_context=spawn) as pool:
            for quarter in range(QUARTERS):
                numbers = [range(first, MESSAGES, QUARTERS * PARTNERS) for first in range(quarter, QUARTERS * PARTNERS, QUARTERS)]
                same = ([value] * PARTNERS for value in (*partner, SEED))
                for some, bad in pool.map(hostile.send_some, *same, numbers, [OPEN_CASES] * PARTNERS):
                    counts += some
                    faults += bad
                resident.append(resident_mib(gateway.process))
        seconds = time.monotonic() - started
        print(f"seed {SEED}: {sum(counts.values())} messages in {seconds:.0f} s, answers {dict(sorted(counts.items()))}, "
              f"gateway {', '.join(f'{mib:.0f}' for mib in resident)} MiB", flush=True)
        self.assertEqual(faults[:5], [], f"{len(faults)} answers are bad; seed {SEED}")
        self.assertEqual(sum(counts.values()), MESSAGES)
        # Not all are refused at the door.
        self.assertGreater(counts[200], 0)
        for name, process in {**fettle.processes, "gateway": gateway.process}.items():
            self.assertIsNone(process.poll(), name)
        self.assertLess(resident[-1], resident[0] + GROWTH_MIB_MAX)
        self.assertEqual(self.good(partner, Case()), 200)

    def good(self, partner, case):
        sender = hostile.Partner(*partner)
        data = hostile.json.dumps(case.message()).encode()
        status, _ = sender.send(data, case.correlation, str(uuid.uuid4()))
        sender.close()
        return status


if __name__ == "__main__":
    unittest.main()

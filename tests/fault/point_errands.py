"""What the server does besides payments, disturbed as they are: disputes, incidents, reconciliation.

An errand is set going and driven until it is over: time flies, and duesd comes back when it crashes.  What must then be
is the same whatever was ordered.
"""

import time
import uuid

from environment import Broken
from point_cases import Case, Story
from point_operations import DONE, NOT_KNOWN
from point_trial import LAST_STEP_SECONDS, NOT_HAPPENED, TRIES_MAX, Trial
from point_world import LAPSE_EVERY, REST_LIMIT

PLAIN = Story("plain", (), "0", False, DONE)
# What is looked for again by itself, ten seconds later.
NEWS_AGAIN_SECONDS = 12


class Errand(Trial):
    """`begin` sets it going, `is_over` is SQL that counts what is left of it, `examine` tells what is wrong."""

    operation = ""
    gateways = ("sandbox", "stripe")
    stories = (PLAIN,)
    kinds = ("none",)  # of the obligations that drive it
    details = ()  # what its passages are told apart by; those of others are none of its own
    points = ()  # rooms whose points are its own

    def __init__(self, world, case):
        super().__init__(world, case)
        self.problems = []

    # ---- what it may be disturbed at ----

    @classmethod
    def owns(cls, point, detail):
        return point.startswith(cls.points) or detail.startswith(cls.details)

    # ---- running ----

    def given(self):
        """What is there before."""

    def begin(self):
        """Sets it going."""

    def left(self):
        """SQL: how much is still to be done."""
        raise NotImplementedError

    def examine(self):
        raise NotImplementedError

    @property
    def owners(self):
        return f"'{self.customer_id}'"

    def come_back(self):
        if not self.world.has_crashed():
            return False
        self.world.come_back()
        self.lapse()
        return True

    def lapse(self):
        """Leases end, and what is owed is due."""
        self.world.sql.change(f"""UPDATE obligation SET lease_until = NULL, due_time = now() - interval '1 s'
                                   WHERE customer_id IN ({self.owners}) AND kind IN ({quoted(self.kinds)})""")

    def hurry(self):
        self.world.sql.change(f"""UPDATE obligation SET due_time = now() - interval '1 s'
                                   WHERE customer_id IN ({self.owners}) AND kind IN ({quoted(self.kinds)})
                                     AND due_time > now() AND (lease_until IS NULL OR lease_until < clock_timestamp())""")

    def drive(self):
        begun = time.monotonic()
        lapse_at = begun + (0.1 if self.case.fault == "delay" else LAPSE_EVERY)
        while self.world.sql.one(f"SELECT {self.left()}") != "0":
            now = time.monotonic()
            self.come_back()
            if now >= lapse_at:
                self.lapse()
                lapse_at = now + LAPSE_EVERY
            self.hurry()
            if now > begun + REST_LIMIT:
                raise Broken(f"{self.operation} does not come to its end")
            time.sleep(0.01)
        self.come_back()

    def run(self):
        self.given()
        self.journal.mark()
        self.world.begin(self.case.orders)
        self.begin()
        self.drive()
        end = time.monotonic() + LAST_STEP_SECONDS
        while self.case.point is not None and not self.has_fired() and time.monotonic() < end:
            time.sleep(0.01)
            self.world.listen()
        self.come_back()
        self.drive()
        self.world.order([])
        told = list(self.world.told)
        self.finish()
        self.world.told = told
        self.examine()
        if self.case.point is not None and not self.has_fired():
            self.problems.append(NOT_HAPPENED)
        return self.problems

    def finish(self):
        """Looks once more, with nothing ordered."""

    # ---- asking ----

    def insist(self, method, request, caller=None):
        """Until it is known, whatever crashes meanwhile; the name of what was made."""
        caller = caller or self.world.caller
        request = {**request, "requestId": str(uuid.uuid4())}
        for _ in range(TRIES_MAX):
            answer = caller.call(method, request, 10000)
            self.come_back()
            if answer["status"] == "OK":
                return answer["reply"]["name"]
        raise Broken(f"{method} was answered {answer['status']} {answer['reason']}: {answer['message']}")

    def ask(self, rpc, request, caller=None):
        """One request, until it is answered for good."""
        caller = caller or self.world.caller
        for _ in range(TRIES_MAX):
            caller.send(rpc, request)
            if self.case.fault == "delay":
                time.sleep(0.1)
                self.lapse()
            self.answers.append(caller.receive())
            self.come_back()
            if self.is_known(self.answers[-1]):
                return
            self.between()
        self.check(False, f"{rpc} is never answered: {self.answers[-1]}")

    def between(self):
        """Two tries."""
        self.drive()

    def is_known(self, answer):
        return answer["status"] not in NOT_KNOWN

    # ---- looking ----

    def check(self, holds, text):
        if not holds:
            self.problems.append(text)

    def check_answers(self, refusals=()):
        for answer in self.answers:
            self.check(answer["status"] in NOT_KNOWN | {"OK"} or answer["reason"] in refusals,
                       f"answered {answer['status']} {answer['reason']}: {answer['message']}")
        known = [answer for answer in self.answers if answer["status"] == "OK" and self.is_known(answer)]
        self.check(len({answer["bytes"] for answer in known}) <= 1, "one request has two answers")
        return known

    def kinds_posted(self, group):
        """How many lines each kind of the group has, what remains of it on each account, and whether it is whole."""
        of_group = f"FROM ledger_entry WHERE customer_id = '{self.customer_id}' AND group_id = '{group}'"
        lines = dict(self.world.sql.rows(f"SELECT kind, count(*) {of_group} GROUP BY 1"))
        sums = dict(self.world.sql.rows(f"SELECT split_part(account, ':', 1), sum(amount) {of_group} GROUP BY 1"))
        broken = self.world.sql.rows(f"SELECT kind, currency {of_group} GROUP BY 1, 2 HAVING sum(amount) <> 0")
        self.check(not broken, f"the ledger has {broken}")
        return {kind: int(count) for kind, count in lines.items()}, {account: int(sum_) for account, sum_ in sums.items()}

    def events(self, prefix):
        rows = self.world.sql.rows(f"""SELECT type FROM event WHERE customer_id = '{self.customer_id}'
                                         AND type LIKE '{prefix}.%' ORDER BY 1""")
        return [row[0].split(".")[1] for row in rows if row[0]]


def quoted(words):
    return ", ".join(f"'{word}'" for word in words)


def errand_cases(errand, gateway, registry, run, passages):
    """As find_cases, for one kind of errand; one passage of each place is enough."""
    known = set()
    for story in errand.stories:
        base = Case(gateway, errand.operation, story, None, None, 0, None)
        seen = passages(run(base, errand)) & passages(run(base, errand))
        for point, detail in sorted(seen):
            if (point, detail) in known or not errand.owns(point, detail):
                continue
            known.add((point, detail))
            ordered = sum(order[0] == point for order in story.orders)
            if seen[point, detail] > ordered:
                for fault in registry[point]:
                    yield Case(gateway, errand.operation, story, point, detail, ordered + 1, fault)

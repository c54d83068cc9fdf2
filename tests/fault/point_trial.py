"""One case of tests/fault/points: the fault is ordered, the client asks until it knows, and then all must be as it should."""

import time
import uuid

from environment import Broken
from point_operations import OPERATIONS, Journal, examine, is_definitive, request_of

TOKENS = {"sandbox": "tok_visa", "stripe": "pm_card_visa"}
TRIES_MAX = 8
LAST_STEP_SECONDS = 0.5
LAST_NEWS_SECONDS = 3
NOT_HAPPENED = "the fault did not happen"


class Trial:
    """One case in one world."""

    settings = {}  # of duesd, besides the usual ones

    def __init__(self, world, case):
        self.world = world
        self.case = case
        self.answers = []
        self.journal = Journal(world.journal, world.gateway)
        world.be(self.settings)
        self.customer, self.method = self.given_card(TOKENS[world.gateway])

    def given_card(self, token):
        customer = self.make("Membership/CreateCustomer", {"customer": {"displayName": "Point"}})
        return customer, self.make("Payment/CreatePaymentMethod", {
            "parent": customer, "paymentMethod": {
                "gatewayToken": token, "mandate": {"type": "TYPE_RECURRING", "textVersion": "1"}}})

    @property
    def customer_id(self):
        return self.customer.rsplit("/", 1)[-1]

    def make(self, method, request):
        answer = self.world.caller.call(method, {**request, "requestId": str(uuid.uuid4())}, 10000)
        if answer["status"] != "OK":
            raise Broken(f"{method} was answered {answer['status']} {answer['reason']}: {answer['message']}")
        return answer["reply"]["name"]

    def prepare(self):
        """The payment that is captured, refunded or let go of."""
        before = OPERATIONS[self.case.operation].before
        if before is None:
            return None
        return self.make(*request_of(before, self.customer, self.method, None, ""))

    def ask(self, rpc, request):
        """Once.  A delay outlasts the lease, so that somebody else takes over."""
        self.world.caller.send(rpc, request)
        if self.case.fault == "delay" and not self.world.has_news:
            time.sleep(0.1)
            if self.case.story.hasty:
                self.world.hurry(self.customer_id)
            else:
                self.world.lapse(self.customer_id, self.case.story.age)
        self.answers.append(self.world.caller.receive())
        if self.world.has_crashed():
            self.world.come_back()
        return is_definitive(self.case.operation, self.answers[-1])

    def recover(self):
        story = self.case.story
        if self.case.fault is not None and self.case.fault.startswith("jump"):
            self.world.order([])
        if story.hasty and len(self.answers) == 1:
            self.world.hurry(self.customer_id)
            time.sleep(0.15)
        self.world.rest(self.customer_id, story.age if len(self.answers) == 1 else "0")

    def run(self):
        payment = self.prepare()
        rpc, request = request_of(self.case.operation, self.customer, self.method, payment, str(uuid.uuid4()))
        self.journal.mark()
        self.world.begin(self.case.orders)
        for _ in range(TRIES_MAX):
            known = self.ask(rpc, request)
            self.recover()
            if known or self.case.expected.attempt == "MANUAL":
                break
        if self.case.story.watched:
            self.world.watch(self.customer_id, self.case.story.watched)
        self.await_fault()
        self.world.order([])
        told = list(self.world.told)
        self.answers.append(self.world.caller.call(rpc, request))
        self.world.listen()
        self.world.told = told  # the last look is no part of the case
        problems = examine(self.world, self.journal, self.case, self.customer_id, self.answers)
        if self.case.story.age != "0" and self.case.point is None:
            sends = self.journal.sends(self.case.operation)
            if sends > 1:
                problems.append(f"it was sent {sends} times, though the gateway may have forgotten the key")
        if self.case.point is not None and not self.has_fired():
            problems.append(NOT_HAPPENED)
        return problems

    def await_fault(self):
        """What was ordered behind the last commit may take a moment longer than the commit is seen."""
        if self.case.point is None:
            return
        end = time.monotonic() + (LAST_NEWS_SECONDS if self.world.has_news else LAST_STEP_SECONDS)
        while not self.has_fired() and time.monotonic() < end:
            time.sleep(0.01)
            self.world.listen()
        if self.world.has_crashed():
            self.world.come_back()
        self.world.rest(self.customer_id)

    def has_fired(self):
        return any(what == "fired" and point == self.case.point for what, point, _, _ in self.world.told)

"""What no single fault at a point brings about: clients that give up, send twice or change their mind, PostgreSQL that
dies while the gateway works, races on one payment, and a gateway whose connection breaks in the middle of an answer.
"""

import time
import uuid

from point_cases import Case, Story
from point_disputes import Opened
from point_operations import DONE, OPERATIONS, examine, request_of, state_of
from point_trial import Trial
from point_world import Caller, Session


class Scene(Trial):
    """`play` leaves the answers of the one request whose outcome is examined."""

    gateways = ("sandbox", "stripe")
    operation = "charge"
    title = ""

    @classmethod
    def as_case(cls, gateway):
        return Case(gateway, cls.operation, Story(cls.title, (), "0", False, DONE), None, None, 0, None)

    def run(self):
        payment = self.prepare()
        self.rpc, self.request = request_of(self.operation, self.customer, self.method, payment, str(uuid.uuid4()))
        self.journal.mark()
        self.world.begin([])
        problems = self.play() or []
        self.world.order([])
        self.world.rest(self.customer_id)
        for _ in range(2):
            self.answers.append(self.world.caller.call(self.rpc, self.request))
        return problems + examine(self.world, self.journal, self.case, self.customer_id, self.answers)

    def heard(self, deadline_ms=3000):
        self.answers.append(self.world.caller.call(self.rpc, self.request, deadline_ms))
        return self.answers[-1]


class GivesUp(Scene):
    title = "the client gives up while the gateway works"

    def play(self):
        self.world.order([("attempt.send", "*", "delay", 1, 800)])
        answer = self.heard(deadline_ms=200)
        time.sleep(1)  # nobody else takes over: the lease holds, and what was begun ends
        if answer["status"] != "DEADLINE_EXCEEDED":
            return [f"the client heard {answer['status']}"]
        return [] if self.world.is_at_rest(self.customer_id) else ["what was begun did not end"]


class OtherContent(Scene):
    title = "the same request_id with another amount"

    def play(self):
        self.heard()
        _, other = request_of("charge", self.customer, self.method, None, self.request["requestId"], 4321)
        answer = self.world.caller.call(self.rpc, other)
        if (answer["status"], answer["reason"]) != ("INVALID_ARGUMENT", "REQUEST_ID_REUSED"):
            return [f"other content was answered {answer['status']} {answer['reason']}"]
        return []


class TwoAtOnce(Scene):
    title = "the same request twice at one time"

    def play(self):
        self.world.order([("attempt.send", "*", "delay", 1, 300)])
        second = Caller(self.world)
        self.world.caller.send(self.rpc, self.request)
        second.send(self.rpc, self.request)
        self.answers += [self.world.caller.receive(), second.receive()]
        second.close()


class PostgresDies(Scene):
    title = "PostgreSQL dies while the gateway works"

    def play(self):
        self.world.order([("attempt.send", "*", "delay", 1, 500)])
        self.world.caller.send(self.rpc, self.request)
        time.sleep(0.2)
        self.world.kill_postgres()
        self.world.start_postgres()
        self.world.sql.close()
        self.world.sql = Session(self.world.database)
        self.answers.append(self.world.caller.receive())


class RefundWhilePostgresDies(PostgresDies):
    title = "PostgreSQL dies while the gateway gives back"
    operation = "refund"


class Race(Scene):
    """Two that cannot both be done; whoever loses is told so, and is no deed of the gateway."""

    operation = "capture"
    rival = "void"

    def run(self):
        payment = self.prepare()
        requests = {name: request_of(name, self.customer, self.method, payment, str(uuid.uuid4()))
                    for name in (self.operation, self.rival)}
        self.journal.mark()
        self.world.begin([("attempt.send", "*", "delay", 1, 200)])
        second = Caller(self.world)
        self.world.caller.send(*requests[self.operation])
        second.send(*requests[self.rival])
        answers = {self.operation: self.world.caller.receive(), self.rival: second.receive()}
        second.close()
        self.world.rest(self.customer_id)
        winners = [name for name, answer in answers.items() if answer["status"] == "OK"]
        problems = [] if len(winners) == 1 else [f"{len(winners)} of the two succeeded"]
        for name, answer in answers.items():
            deeds = len(self.journal.deeds(name))
            if deeds != (name in winners):
                problems.append(f"{name} was answered {answer['status']} and done {deeds} times")
            if name in winners and state_of(answer) != OPERATIONS[name].state:
                problems.append(f"{name} was answered {state_of(answer)}")
            if name not in winners and answer["status"] not in ("ABORTED", "FAILED_PRECONDITION"):
                problems.append(f"{name} was refused with {answer['status']} {answer['reason']}")
        return problems


class CaptureOrVoid(Race):
    title = "a capture and a cancellation race"


class Cut(Scene):
    """The gateway's connection breaks, as the simulator is told; twice, because libcurl sends again by itself on a new one."""

    gateways = ("stripe",)
    fault = {}

    def play(self):
        self.world.lie(**self.fault, method="POST", count=2)
        self.heard()


class CutBefore(Cut):
    title = "the connection breaks before the request is whole"
    fault = {"fault": "reset_before"}


class CutWithin(Cut):
    title = "the connection breaks within the answer"
    fault = {"fault": "reset_after", "value": 40}


class CutRefund(CutWithin):
    title = "the connection breaks within the answer to a refund"
    operation = "refund"


class Unlisted(Opened):
    """The look for disputes goes wrong twice at the list and twice at the dispute, and the next one goes on."""

    gateways = ("stripe",)
    fault = {}

    @classmethod
    def as_case(cls, gateway):
        return Case(gateway, cls.operation, Story(cls.title, (), "0", False, DONE), None, None, 0, None)

    def given(self):
        super().given()
        for path in ("/v1/disputes/", "/v1/disputes"):
            self.world.lie(**self.fault, method="GET", path=path, count=2)

    def examine(self):
        super().examine()
        self.check(self.world.lies() == 0, f"{self.world.lies()} of the ordered faults did not happen")


class UnlistedBroken(Unlisted):
    title = "the gateway fails where disputes are looked for"
    fault = {"fault": "error_500"}


class UnlistedTorn(Unlisted):
    title = "what the gateway says of disputes is not whole"
    fault = {"fault": "truncate"}


class UnlistedLate(Unlisted):
    title = "the gateway says nothing of disputes"
    fault = {"fault": "timeout_before"}


SCENES = (GivesUp, OtherContent, TwoAtOnce, PostgresDies, RefundWhilePostgresDies, CaptureOrVoid, CutBefore, CutWithin,
          CutRefund, UnlistedBroken, UnlistedTorn, UnlistedLate)

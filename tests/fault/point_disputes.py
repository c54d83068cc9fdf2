"""Disputes under faults: learned of, decided, answered with evidence, given in to."""

import json
import time
import uuid

from environment import Broken
from point_cases import Story
from point_errands import PLAIN, Errand
from point_operations import DONE, NOT_KNOWN, request_of
from point_world import REST_LIMIT

DISPUTED = {"sandbox": "tok_createDispute", "stripe": "pm_card_createDispute"}
AMOUNT = 1234
POOL_SIZE = 16
OPENED = {"dispute", "dispute_fee"}
POSTED = {"NEEDS_RESPONSE": OPENED, "UNDER_REVIEW": OPENED, "WON": OPENED | {"dispute_reversal"},
          "LOST": OPENED | {"dispute_loss"}, "ACCEPTED": OPENED | {"dispute_loss"}}
REMAINS = {"NEEDS_RESPONSE": ("disputes", AMOUNT), "UNDER_REVIEW": ("disputes", AMOUNT), "WON": ("disputes", 0),
           "LOST": ("dispute_losses", AMOUNT), "ACCEPTED": ("dispute_losses", AMOUNT)}
LOST = Story("answer lost", (("dispute.send", "*", "error", 1, 0),), "0", False, DONE)


class DisputeErrand(Errand):
    settings = {"dispute_poll_seconds": 1}
    points = ("dispute.",)
    details = ("dispute_", "dispute.")
    expected = ("NEEDS_RESPONSE",)

    @classmethod
    def owns(cls, point, detail):
        return point != "dispute.list" and super().owns(point, detail)

    # ---- disputes that are there before ----

    def charge(self):
        """A payment whose customer disputes it at once."""
        rpc, request = request_of("charge", self.customer, self.method, None, "")
        return self.insist(rpc, request)

    def given(self):
        """One that is known; many are made at once, because whoever looks for new ones looks once a second."""
        pool = self.world.disputes
        if not pool:
            for _ in range(POOL_SIZE):
                self.customer, self.method = self.given_card(DISPUTED[self.world.gateway])
                self.charge()
                pool.append(self.customer)
            begun = time.monotonic()
            while self.known(pool) < len(pool):
                if time.monotonic() > begun + REST_LIMIT:
                    raise Broken("the disputes are not learned of")
                time.sleep(0.05)
        self.customer = pool.pop()
        self.given_state()

    def known(self, customers):
        ids = ", ".join("'" + customer.rsplit("/", 1)[-1] + "'" for customer in customers)
        return int(self.world.sql.one(f"SELECT count(*) FROM dispute WHERE customer_id IN ({ids})"))

    def given_state(self):
        """How it stands before."""

    @property
    def dispute(self):
        """(id, gateway's id)"""
        return self.world.sql.rows(f"SELECT dispute_id, gateway_dispute FROM dispute WHERE customer_id = '{self.customer_id}'")[0]

    @property
    def name(self):
        return f"{self.customer}/disputes/{self.dispute[0]}"

    def evidence(self, text):
        return "Payment/SubmitDisputeEvidence", {"name": self.name, "evidence": {"uncategorizedText": text}}

    # ---- what must be ----

    def taken(self, is_evidence):
        """How often the gateway took such a response."""
        gateway_id = self.dispute[1]
        if self.world.gateway == "sandbox":
            outcome = "SUBMITTED" if is_evidence else "LOST"
            return sum(line.get("charge") == gateway_id and line["outcome"] == outcome and line["key"] != ""
                       for line in self.journal.lines())
        path = f"/disputes/{gateway_id}" + ("" if is_evidence else "/close")
        calls = [line["call"] for line in self.journal.lines() if "call" in line]
        return sum(call["method"] == "POST" and call["path"].endswith(path) and call["done"] and call["status"] == 200
                   and not call["replayed"] for call in calls)

    def examine(self):
        rows = self.world.sql.rows(f"""SELECT d.state, d.amount_withdrawn, d.response_id, p.amount_disputed
                                         FROM dispute d JOIN payment p ON p.customer_id = d.customer_id
                                          AND p.payment_id = d.payment_id WHERE d.customer_id = '{self.customer_id}'""")
        if len(rows) != 1 or rows[0][0] not in self.expected:
            self.check(False, f"the disputes are {rows}")
            return
        state, withdrawn, response, disputed = rows[0]
        held = 0 if state == "WON" else AMOUNT
        self.check((int(withdrawn), response, int(disputed)) == (held, "", held), f"the dispute is {rows[0]}")
        lines, sums = self.kinds_posted(self.dispute[0])
        self.check(lines == dict.fromkeys(POSTED[state], 2), f"the ledger has {lines}")
        account, amount = REMAINS[state]
        self.check(sums.get(account) == amount, f"the ledger has {sums}")
        told = [event for event in self.events("dispute") if event != "updated"]
        ended = {"WON": ["won"], "LOST": ["lost"], "ACCEPTED": ["lost"]}.get(state, [])
        self.check(told == sorted([*ended, "opened"]), f"the events are {told}")
        self.check_incidents()

    def check_incidents(self):
        incidents = self.world.sql.rows(f"SELECT kind FROM incident WHERE customer_id = '{self.customer_id}'")
        self.check(not incidents, f"incidents: {incidents}")


class Opened(DisputeErrand):
    """The gateway's list tells of it."""

    operation = "dispute"
    details = ("dispute_", "dispute.", "GET")

    @classmethod
    def owns(cls, point, detail):
        return super(DisputeErrand, cls).owns(point, detail)

    def given(self):
        """It is looked for from the moment that it is there."""
        self.customer, self.method = self.given_card(DISPUTED[self.world.gateway])

    def begin(self):
        self.charge()

    def left(self):
        return f"1 - count(*) FROM dispute WHERE customer_id = '{self.customer_id}'"


class ToldOf(Opened):
    """The gateway's news tell of it, and nobody else looks."""

    operation = "dispute"
    gateways = ("news",)
    settings = {}
    points = ("dispute.", "news.")
    details = ("dispute_", "news_", "GET")

    def left(self):
        return (f"(SELECT 1 - count(*) FROM dispute WHERE customer_id = '{self.customer_id}')"
                " + (SELECT count(*) FROM news WHERE state IN ('OWED', 'UNMATCHED'))")


class Decided(DisputeErrand):
    """The bank decides, and the dispute's own watch finds out."""

    kinds = ("dispute.watch",)
    details = ("dispute_", "dispute.")
    word = ""

    def given_state(self):
        self.insist(*self.evidence(self.word))

    def begin(self):
        self.hurry()

    def left(self):
        """It looks again later, having seen it."""
        return f"""(SELECT count(*) FROM obligation WHERE customer_id = '{self.customer_id}' AND kind = 'dispute.watch'
                       AND (due_time < now() + interval '10 s' OR lease_until > clock_timestamp()))
                 + (SELECT count(*) FROM dispute WHERE customer_id = '{self.customer_id}' AND state = 'UNDER_REVIEW')"""


class Won(Decided):
    operation = "won"
    word = "winning_evidence"
    expected = ("WON",)


class Lost(Decided):
    operation = "lost"
    word = "losing_evidence"
    expected = ("LOST",)


class Answered(DisputeErrand):
    """A response of ours."""

    kinds = ("dispute.respond",)
    details = ("dispute_", "dispute.", "SubmitDisputeEvidence", "AcceptDispute", "POST")
    stories = (PLAIN, LOST)
    refusals = ()

    def request(self):
        raise NotImplementedError

    def begin(self):
        rpc, request = self.request()
        self.asked = rpc, {**request, "requestId": str(uuid.uuid4())}
        self.ask(*self.asked)

    def left(self):
        return f"""(SELECT count(*) FROM dispute WHERE customer_id = '{self.customer_id}' AND response_id IS NOT NULL)
                 + (SELECT count(*) FROM obligation WHERE customer_id = '{self.customer_id}' AND kind = 'dispute.respond')"""

    def is_known(self, answer):
        if answer["status"] != "OK":
            return answer["status"] not in NOT_KNOWN
        return answer["reply"]["state"] != "STATE_NEEDS_RESPONSE"

    def finish(self):
        self.answers.append(self.world.caller.call(*self.asked))

    def examine(self):
        super().examine()
        known = self.check_answers(self.refusals)
        if self.refusals and not known:
            return
        self.check(bool(known) and known[-1]["replayed"], "the last answer is not the recorded one")


class Evidence(Answered):
    operation = "evidence"
    expected = ("UNDER_REVIEW",)

    def request(self):
        return self.evidence("a receipt")

    def examine(self):
        super().examine()
        self.check(self.taken(True) == 1, f"the gateway took the evidence {self.taken(True)} times")
        sealed = self.world.sql.rows(f"""SELECT state, length(evidence_sealed) FROM dispute_response
                                           WHERE customer_id = '{self.customer_id}' AND state <> 'FAILED'""")
        self.check(sealed == [["SUCCEEDED", "0"]], f"the responses are {sealed}")


class Accepted(Answered):
    operation = "accept"
    expected = ("ACCEPTED",)

    def request(self):
        return "Payment/AcceptDispute", {"name": self.name}

    def examine(self):
        super().examine()
        self.check(self.taken(False) == 1, f"the gateway took it {self.taken(False)} times")


class TooLate(Accepted):
    """The bank has decided, and we do not know it yet; giving in then changes nothing."""

    operation = "accept too late"
    stories = (PLAIN,)
    expected = ("LOST", "ACCEPTED")
    refusals = ("DISPUTE_NOT_OPEN", "DISPUTE_RESPONSE_REFUSED")

    def given_state(self):
        self.journal.mark()
        self.insist(*self.evidence("losing_evidence"))
        if self.world.gateway == "stripe":
            self.await_bank()

    def await_bank(self):
        """The simulator's bank takes its 20 ms."""
        begun = time.monotonic()
        while not any(line.get("object", {}).get("status") == "lost" for line in map(json.loads, self.lines_of_dispute())):
            if time.monotonic() > begun + REST_LIMIT:
                raise Broken("the bank does not decide")
            time.sleep(0.01)

    def lines_of_dispute(self):
        gateway_id = self.dispute[1]
        with open(self.world.journal, encoding="utf-8") as file:
            file.seek(self.journal.at)
            return [line for line in file if line.endswith("\n") and line.startswith('{"object":{') and gateway_id in line]

    def is_known(self, answer):
        return answer["status"] not in NOT_KNOWN and answer.get("reply", {}).get("state") != "STATE_UNDER_REVIEW"

    def examine(self):
        Answered.examine(self)
        self.check(self.taken(False) == 0, f"the gateway took it {self.taken(False)} times")


DISPUTE_ERRANDS = (Opened, ToldOf, Won, Lost, Evidence, Accepted, TooLate)

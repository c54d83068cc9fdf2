"""Captures, voids and refunds that the gateway refuses, under faults: nothing is done, and the client hears so, whatever happens."""

import uuid

from point_cases import Story
from point_errands import PLAIN, Errand
from point_operations import DONE, NOT_KNOWN, OPERATIONS, is_definitive, request_of, state_of

LOST = Story("answer lost", (("attempt.send", "*", "error", 1, 0),), "0", False, DONE)


class Refused(Errand):
    """Of Stripe, because somebody did something else at the gateway's desk; of the sandbox, because the card is such a one."""

    stories = (PLAIN, LOST)
    kinds = ("payment.resolve", "refund.resolve")
    deed = ""       # as point_operations calls it
    token = "tok_visa"
    reason = None   # of the refusal; None: the answer says that it failed
    at_desk = ""    # path of Stripe
    state = {"sandbox": "DECLINED", "stripe": "FAILED"}  # of its attempts

    def desk_form(self):
        return {}

    @property
    def payment_id(self):
        return self.payment.rsplit("/", 1)[-1]

    @property
    def transaction(self):
        return self.world.sql.one(f"""SELECT gateway_transaction FROM attempt WHERE customer_id = '{self.customer_id}'
                                         AND payment_id = '{self.payment_id}' AND operation IN ('AUTHORIZE', 'CHARGE')""")

    def given(self):
        if self.world.gateway == "sandbox":
            self.customer, self.method = self.given_card(self.token)
        before = OPERATIONS[self.deed].before
        self.payment = self.insist(*request_of(before, self.customer, self.method, None, ""))
        if self.world.gateway == "stripe":
            self.world.do_at_desk(self.at_desk.format(self.transaction), self.desk_form())

    def begin(self):
        self.asked = request_of(self.deed, self.customer, self.method, self.payment, str(uuid.uuid4()))
        self.ask(*self.asked)

    def is_known(self, answer):
        return is_definitive(self.deed, answer)

    def lapse(self):
        self.world.lapse(self.customer_id)

    def left(self):
        return f"""(SELECT count(*) FROM attempt WHERE customer_id = '{self.customer_id}'
                       AND state IN ('SENDING', 'UNKNOWN', 'RESOLVING'))
                 + (SELECT count(*) FROM obligation WHERE customer_id = '{self.customer_id}' AND kind LIKE '%.resolve')"""

    def finish(self):
        self.answers.append(self.world.caller.call(*self.asked))

    def is_refusal(self, answer):
        if self.reason is None:
            return answer["status"] == "OK" and state_of(answer) == "FAILED"
        return (answer["status"], answer["reason"]) == ("FAILED_PRECONDITION", self.reason)

    def examine(self):
        told = [(answer["status"], state_of(answer) if answer["status"] == "OK" else answer["reason"]) for answer in self.answers]
        for answer in self.answers:
            self.check(self.is_refusal(answer) if self.is_known(answer) else answer["status"] in NOT_KNOWN | {"OK"},
                       f"answered {answer['status']} {answer['reason']}: {answer['message']}")
        self.check(self.is_refusal(self.answers[-1]), f"the last answers are {told}")
        if self.case.story is PLAIN and self.case.fault in (None, "duplicate"):
            self.check(self.is_refusal(self.answers[0]), f"the first answers are {told}")
        deeds = self.journal.deeds(self.deed)
        self.check(not deeds, f"the gateway did it {len(deeds)} times")
        of_deed = f"""FROM attempt WHERE customer_id = '{self.customer_id}' AND payment_id = '{self.payment_id}'
                       AND operation = '{OPERATIONS[self.deed].deed}'"""
        states = [state for state, in self.world.sql.rows(f"SELECT DISTINCT state {of_deed}")]
        self.check(states == [self.state[self.world.gateway]], f"the attempts are {states}")
        posted = self.world.sql.one(f"SELECT count(*) FROM ledger_entry WHERE group_id IN (SELECT attempt_id {of_deed})")
        self.check(posted == "0", f"the ledger has {posted} lines")
        incidents = self.world.sql.rows(f"SELECT kind FROM incident WHERE customer_id = '{self.customer_id}'")
        self.check(not incidents, f"incidents: {incidents}")
        self.examine_payment()

    def left_over(self):
        """State, capturable, on its way, captured, refunded."""
        amount = str(OPERATIONS[self.deed].amount)
        return ["SUCCEEDED", "0", "0", amount, "0"] if self.deed == "refund" else ["REQUIRES_CAPTURE", amount, "0", "0", "0"]

    def examine_payment(self):
        rows = self.world.sql.rows(f"""SELECT state, amount_capturable, amount_capture_pending, amount_captured, amount_refunded
            FROM payment WHERE customer_id = '{self.customer_id}' AND payment_id = '{self.payment_id}'""")
        self.check(rows == [self.left_over()], f"the payment is {rows}")


class CaptureDeclined(Refused):
    operation = "capture declined"
    points = ("capture.",)
    details = ("capture_", "CapturePayment")
    deed = "capture"
    token = "tok_captureDeclined"
    at_desk = "/v1/payment_intents/{}/cancel"

    @property
    def reason(self):
        return "CAPTURE_DECLINED" if self.world.gateway == "sandbox" else "PAYMENT_NOT_CAPTURABLE"

    def left_over(self):
        """What the gateway has let go of is over here too."""
        return super().left_over() if self.world.gateway == "sandbox" else ["CANCELED", "0", "0", "0", "0"]


class VoidRefused(Refused):
    operation = "void refused"
    points = ("capture.",)
    details = ("capture_", "CancelPayment")
    deed = "void"
    state = {"sandbox": "FAILED", "stripe": "FAILED"}
    reason = "CANCEL_DECLINED"
    at_desk = "/v1/payment_intents/{}/capture"

    def given(self):
        """The sandbox has no desk; there, what is let go of is another authorization, whose money was taken."""
        super().given()
        if self.world.gateway == "sandbox":
            taken, self.payment = self.payment, self.insist(*request_of("authorize", self.customer, self.method, None, ""))
            self.insist(*request_of("capture", self.customer, self.method, taken, ""))
            self.world.sql.change(f"""UPDATE attempt a SET gateway_transaction = t.gateway_transaction FROM attempt t
                WHERE a.customer_id = '{self.customer_id}' AND a.payment_id = '{self.payment_id}' AND a.operation = 'AUTHORIZE'
                  AND t.customer_id = a.customer_id AND t.payment_id = '{taken.rsplit("/", 1)[-1]}'
                  AND t.operation = 'AUTHORIZE'""")


class RefundDeclined(Refused):
    operation = "refund declined"
    points = ("refund.",)
    details = ("refund_", "CreateRefund")
    deed = "refund"
    token = "tok_refundFail"
    at_desk = "/v1/refunds"

    def desk_form(self):
        return {"payment_intent": self.transaction}

    def examine(self):
        super().examine()
        known = [answer for answer in self.answers if self.is_known(answer)]
        self.check(len({answer["bytes"] for answer in known}) == 1 and known[-1]["replayed"],
                   "the last answer is not the recorded one")


REFUSAL_ERRANDS = (CaptureDeclined, VoidRefused, RefundDeclined)

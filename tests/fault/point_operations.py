"""The operations that tests/fault/points disturbs, and what must have come of each, whatever happened."""

import json
import os
from collections import namedtuple

# The gateway's own name of the deed (sandbox), the end of the path of Stripe's request for it, what the ledger calls it.
Operation = namedtuple("Operation", "rpc state deed path ledger before amount", defaults=(1234,))
OPERATIONS = {
    "charge": Operation("CreatePayment", "SUCCEEDED", "CHARGE", "/payment_intents", "charge", None),
    "authorize": Operation("CreatePayment", "REQUIRES_CAPTURE", "AUTHORIZE", "/payment_intents", None, None),
    "capture": Operation("CapturePayment", "SUCCEEDED", "CAPTURE", "/capture", "capture", "authorize"),
    "refund": Operation("CreateRefund", "SUCCEEDED", "REFUND", "/refunds", "refund", "charge"),
    "void": Operation("CancelPayment", "CANCELED", "VOID", "/cancel", None, "authorize"),
    "membership": Operation("CreateMembership", "ACTIVE", "CHARGE", "/payment_intents", "charge", None, 999),
}
# What becomes of the attempt, which incidents are opened, what the ledger has ("": the operation's own group).
Expected = namedtuple("Expected", "attempt incidents ledger")
NOTHING = "nothing"
DONE = Expected("SUCCEEDED", [], "")
MISMATCH = Expected("MANUAL", ["AMOUNT_MISMATCH"], "suspense")
GIVEN_UP = Expected("MANUAL", ["UNKNOWN_TOO_LONG"], NOTHING)

CURRENCY = "EUR"
# What a client may hear that does not know yet; anything else is an answer.
NOT_KNOWN = {"UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}


def request_of(name, customer, method, payment, request_id, amount=None):
    """(RPC, request)."""
    operation = OPERATIONS[name]
    money = {"currencyCode": CURRENCY, "minorUnits": str(amount or operation.amount)}
    if name == "membership":
        return "Membership/CreateMembership", {
            "parent": customer, "membership": {"plan": "plans/premium-monthly", "paymentMethod": method},
            "skipTrial": True, "requestId": request_id}
    if operation.rpc == "CreatePayment":
        body = {"parent": customer, "payment": {"amount": money, "paymentMethod": method}}
        if name == "authorize":
            body["payment"]["captureMode"] = "CAPTURE_MODE_MANUAL"
    elif operation.rpc == "CreateRefund":
        body = {"parent": payment, "refund": {"amount": money}}
    else:
        body = {"name": payment}
    return "Payment/" + operation.rpc, {**body, "requestId": request_id}


def state_of(answer):
    return answer["reply"].get("state", "").removeprefix("STATE_")


def is_definitive(name, answer):
    if answer["status"] != "OK":
        return answer["status"] not in NOT_KNOWN
    if name in ("capture", "void"):
        pending = answer["reply"].get("amountCapturePending", {}).get("minorUnits", "0")
        return pending == "0" and state_of(answer) != "REQUIRES_CAPTURE"
    return state_of(answer) not in ("PROCESSING", "PENDING", "REQUIRES_ACTION", "INCOMPLETE")


class Journal:
    """What the gateway did, from where the last look ended."""

    def __init__(self, path, gateway):
        self.path = path
        self.gateway = gateway
        self.at = 0

    def mark(self):
        self.at = os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def lines(self):
        with open(self.path, encoding="utf-8") as file:
            file.seek(self.at)
            return [json.loads(line) for line in file if line.endswith("\n")]

    def deeds(self, name):
        """How often it did it, and for how much each time."""
        operation = OPERATIONS[name]
        if self.gateway == "sandbox":
            return [line["amount"] for line in self.lines()
                    if line.get("outcome") == "APPROVED" and line["operation"] == operation.deed]
        calls = [line["call"] for line in self.lines() if "call" in line]
        return [operation.amount for call in calls if call["method"] == "POST" and call["path"].endswith(operation.path)
                and call["done"] and call["status"] == 200 and not call["replayed"]]

    def sends(self, name):
        """How often it was asked to do it, repeats included; questions do not count."""
        operation = OPERATIONS[name]
        if self.gateway == "sandbox":
            return sum(line["operation"] == operation.deed for line in self.lines())
        return sum(line["call"]["method"] == "POST" and line["call"]["path"].endswith(operation.path)
                   for line in self.lines() if "call" in line)


def examine(world, journal, case, customer, answers):
    """What is wrong with what came of it, one text each.  `answers`: all that the client heard, in order."""
    operation = OPERATIONS[case.operation]
    expected = case.expected
    problems = []

    def check(holds, text):
        if not holds:
            problems.append(text)

    definitive = [a for a in answers if is_definitive(case.operation, a)]
    for answer in answers:
        check(answer["status"] in NOT_KNOWN | {"OK"}, f"answered {answer['status']} {answer['reason']}: {answer['message']}")
    deeds = journal.deeds(case.operation)
    check(len(deeds) == 1, f"the gateway did it {len(deeds)} times")
    check(all(amount == operation.amount for amount in deeds), f"the gateway did it for {deeds}")
    attempts = world.sql.rows(f"""SELECT attempt_id, state FROM attempt WHERE customer_id = '{customer}'
                                   AND operation = '{operation.deed}'""")
    incidents = world.sql.rows(f"SELECT kind FROM incident WHERE customer_id = '{customer}'")
    check(len(attempts) == 1, f"{len(attempts)} attempts: {attempts}")
    check(attempts and attempts[0][1] == expected.attempt, f"the attempt is {attempts}")
    check([kind for kind, in incidents] == expected.incidents, f"incidents: {incidents}")
    groups = world.sql.rows(f"""SELECT kind, currency, count(*), sum(amount), max(amount) FROM ledger_entry
                                 WHERE customer_id = '{customer}' AND group_id IN (SELECT attempt_id FROM attempt
                                       WHERE customer_id = '{customer}' AND operation = '{operation.deed}')
                                 GROUP BY 1, 2""")
    wanted = [expected.ledger or operation.ledger] if operation.ledger and expected.ledger != NOTHING else []
    check([g[0] for g in groups] == wanted, f"the ledger has {groups}")
    check(all(g[3] == "0" and g[2] == "2" for g in groups), f"the ledger has {groups}")
    if expected.attempt == "SUCCEEDED":
        check(bool(definitive), "there was no definitive answer")
        check(all(a["status"] == "OK" and state_of(a) == operation.state for a in definitive),
              f"answered as {[(a['status'], a['status'] == 'OK' and state_of(a)) for a in definitive]}")
        check(len({a.get("bytes") for a in definitive}) == 1, "one request has two answers")
        check(len(definitive) < 2 or definitive[-1]["replayed"], "the last answer is not the recorded one")
    else:
        check(not definitive, f"answered definitively as {[a['reply'] for a in definitive if a['status'] == 'OK']}")
    return problems

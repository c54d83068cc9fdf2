"""What the artefacts say, indexed once for all invariants, and what an invariant is."""

from collections import Counter, defaultdict

# To which states a payment or a refund may still move from the one that was told.
PAYMENT_MOVES = {
    "PROCESSING": {"REQUIRES_ACTION", "REQUIRES_CAPTURE", "SUCCEEDED", "FAILED", "CANCELED"},
    "REQUIRES_ACTION": {"PROCESSING", "REQUIRES_CAPTURE", "SUCCEEDED", "FAILED", "CANCELED"},
    "REQUIRES_CAPTURE": {"SUCCEEDED", "CANCELED"},
}
REFUND_MOVES = {"PENDING": {"SUCCEEDED", "FAILED"}, "SUCCEEDED": {"FAILED"}}
TAKES = {"CHARGE", "CAPTURE"}
# Answered with the payment as it stands, without a recorded answer of their own.
READS = {"GetPayment", "GetRefund", "GetMembership", "ConfirmPayment"}


def may_become(moves, told, now):
    return told == now or now in moves.get(told, ())


def last_id(name):
    return name.rsplit("/", 1)[-1]


def by(rows, *columns):
    index = defaultdict(list)
    for row in rows:
        index[tuple(row[column] for column in columns)].append(row)
    return index


def signed(deed):
    """What the deed moved, seen from the house."""
    if deed["operation"] in TAKES:
        return deed["amount"]
    if deed["operation"] != "REFUND":
        return 0
    return -deed["amount"] if deed["outcome"] == "APPROVED" else deed["amount"]


def is_unseen(facts, deed):
    """What the customer or the bank did since, and nobody could see yet."""
    if deed["reference"] not in facts.not_looked_at:
        return False
    return deed["outcome"] == "REVERSED" or deed["operation"] in ("CHARGE", "AUTHORIZE")


class Facts:
    def __init__(self, artefacts):
        self.tables = artefacts.tables
        self.journal = artefacts.journal
        self.payments = {row["payment_id"]: row for row in self.tables["payment"]}
        self.refunds = {row["refund_id"]: row for row in self.tables["refund"]}
        self.attempts = {row["attempt_id"]: row for row in self.tables["attempt"]}
        self.attempts_of_payment = by(self.tables["attempt"], "payment_id")
        by_key = {row["gateway_key"]: row["attempt_id"] for row in self.tables["attempt"]}
        for deed in self.journal.deeds:
            if not deed["reference"]:  # a cancellation says who asked for it by its key alone
                deed["reference"] = by_key.get(deed["key"], "")
        self.approved = by((deed for deed in self.journal.deeds if deed["outcome"] == "APPROVED"), "reference")
        self.reversed = {deed["reference"] for deed in self.journal.deeds if deed["outcome"] == "REVERSED"}
        # Who lives in a test clock's time is looked after in that time.
        virtual = {row["business_key"] for row in self.tables["obligation"]
                   if row["kind"] in ("refund.watch", "payment.action") and row["virtual"] == "t"}
        waiting = {row["attempt_id"] for row in self.tables["attempt"]
                   if row["state"] == "REQUIRES_ACTION" and row["attempt_id"] in virtual}
        self.not_looked_at = self.reversed & virtual | waiting
        self.recorded = {(row["customer_id"], last_id(row["method"]), row["request_id"]): row
                         for row in self.tables["recorded_request"]}

    def deeds_of(self, attempt):
        """What the gateway did for it.  A charge that waited for its customer is let go of under its own reference."""
        return [deed for deed in self.approved.get((attempt["attempt_id"],), ())
                if deed["operation"] == attempt["operation"] or deed["operation"] not in ("VOID", "LET_GO")]


class Invariant:
    """Shown the clients one after the other, then asked to finish."""

    name = ""
    title = ""

    def __init__(self, facts):
        self.facts = facts
        self.counts = Counter()
        self.violations = []

    def check(self, holds, text):
        if not holds:
            self.violations.append(text)
        return holds

    def client(self, lines):
        """All that one client wrote down."""

    def finish(self):
        """When all clients were seen."""

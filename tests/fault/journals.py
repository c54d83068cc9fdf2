"""The journals of the gateways, told alike: what was done, in order, whoever was told of it.

A deed is {operation, outcome, key, reference, amount, currency, transaction, gateway}.  Outcome APPROVED: money was taken,
held, let go of or given back.  REVERSED: a refund failed after it had succeeded.  Both journals are append-only and on
the disk before anybody is answered.
"""

import json
import re

NOTE = "capture_"
# Types of the simulator's bookings that follow from what was asked of it.
OF_ATTEMPTS = ("charge", "refund", "refund_failure")
# Stripe counts these in other units than ISO 4217 does: divided or multiplied by a hundred.
IN_HUNDREDTHS, IN_HUNDREDS = {"ISK"}, {"MGA"}
# Lines that say nothing of money; most of a long journal.
ELSE = re.compile(r'\{"object":\{"id":"(?!pi_|re_|txn_)')


class Journal:
    def __init__(self):
        self.deeds = []
        self.done_by_key = {}  # how often the gateway executed a request under the key
        self.unanswerable = set()  # keys whose stored answer is an error and under which nothing was done
        self.booked = {}  # of the simulator's balance: what attempts moved, by currency; its own second count
        self.bookings = {}  # every line of that balance by its id: {type, source, amount, fee, currency}
        self.lines = 0


def as_dict(text):
    """A ragged line (the writer died in it) is no line."""
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return line if isinstance(line, dict) else None


def dashed(text):
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if len(text) == 32 else text


def iso_amount(units, currency):
    if currency in IN_HUNDREDTHS:
        return units // 100
    return units * 100 if currency in IN_HUNDREDS else units


class SandboxReader:
    """Each line is a request with its outcome, or what happened after one."""

    def __init__(self, journal):
        self.journal = journal

    def take(self, line):
        if line.get("outcome") not in ("APPROVED", "REVERSED") or line.get("operation") == "QUERY":
            return
        deed = {name: line.get(name) for name in ("operation", "outcome", "key", "reference", "amount", "currency",
                                                  "transaction")}
        deed["gateway"] = "sandbox"
        self.journal.deeds.append(deed)
        if deed["outcome"] == "APPROVED":
            self.journal.done_by_key[deed["key"]] = self.journal.done_by_key.get(deed["key"], 0) + 1


class StripeReader:
    """Objects as they are from a step on, then the line of the call or task that ends the step."""

    def __init__(self, journal):
        self.journal = journal
        self.waiting = []
        self.intents = {}  # what is known of each: [status, received, capturable, notes, key]
        self.refunds = {}

    def take(self, line):
        thing = line.get("object")
        if thing is not None:
            self.waiting.append(thing)
            return
        call = line.get("call", {})
        for thing in self.waiting:
            kind = thing.get("object")
            if kind == "payment_intent":
                self.take_intent(thing, call)
            elif kind == "refund":
                self.take_refund(thing, call)
            elif kind == "balance_transaction":
                self.take_booking(thing)
        self.waiting = []
        self.take_call(call)

    def take_call(self, call):
        key = call.get("key")
        if not key or call.get("method") != "POST" or call.get("replayed"):
            return
        if call.get("done") and call.get("status") == 200:
            self.journal.done_by_key[key] = self.journal.done_by_key.get(key, 0) + 1
        elif call.get("status") == 500 and not call.get("done"):
            self.journal.unanswerable.add(key)

    def deed(self, operation, thing, units, key, reference, outcome="APPROVED"):
        currency = thing["currency"].upper()
        self.journal.deeds.append({
            "operation": operation, "outcome": outcome, "key": key, "reference": reference,
            "amount": iso_amount(units, currency), "currency": currency, "transaction": thing["id"], "gateway": "stripe"})

    def take_intent(self, intent, call):
        key = call.get("key", "")
        metadata = intent.get("metadata") or {}
        notes = {name[len(NOTE):] for name in metadata if name.startswith(NOTE)}
        before = self.intents.get(intent["id"])
        status, received, capturable, noted, created_by = before or ["", 0, 0, set(), key]
        now = [intent["status"], intent.get("amount_received") or 0, intent.get("amount_capturable") or 0, notes, created_by]
        self.intents[intent["id"]] = now
        manual = intent.get("capture_method") == "manual"
        reference = metadata.get("attempt_id", "")
        if manual and now[0] == "requires_capture" and status != "requires_capture":
            self.deed("AUTHORIZE", intent, now[2], created_by, reference)
        if now[1] > received and not manual:
            self.deed("CHARGE", intent, now[1] - received, created_by, reference)
        elif now[1] > received:
            fresh = notes - noted
            self.deed("CAPTURE", intent, now[1] - received, key, dashed(fresh.pop()) if len(fresh) == 1 else "")
        elif now[1] < received:
            self.deed("CAPTURE", intent, now[1] - received, key, "")  # there is no such thing: it will not agree
        if now[0] == "canceled" and status not in ("canceled", ""):
            # What waited for its customer held nothing.
            self.deed("VOID" if capturable > 0 else "LET_GO", intent, capturable, key, "")

    def take_refund(self, refund, call):
        before = self.refunds.get(refund["id"], ["", call.get("key", "")])
        self.refunds[refund["id"]] = [refund["status"], before[1]]
        reference = (refund.get("metadata") or {}).get("attempt_id", "")
        if refund["status"] == "succeeded" and before[0] != "succeeded":
            self.deed("REFUND", refund, refund["amount"], before[1], reference)
        if refund["status"] in ("failed", "canceled") and before[0] == "succeeded":
            self.deed("REFUND", refund, refund["amount"], before[1], reference, "REVERSED")

    def take_booking(self, booking):
        if booking["id"] in self.journal.bookings:
            return
        currency = booking["currency"].upper()
        amount = iso_amount(booking["amount"], currency)
        self.journal.bookings[booking["id"]] = {
            "type": booking.get("type"), "source": booking.get("source", ""), "amount": amount,
            "fee": iso_amount(booking.get("fee", 0), currency), "currency": currency}
        if booking.get("type") in OF_ATTEMPTS:
            self.journal.booked[currency] = self.journal.booked.get(currency, 0) + amount


def reader_of(line, journal, path):
    if "operation" in line and "outcome" in line:
        return SandboxReader(journal)
    if line.keys() & {"object", "call", "task", "delivery", "clock"}:
        return StripeReader(journal)
    raise ValueError(f"{path} is no journal of the sandbox or of dues-simulator")


def read_journals(paths):
    """All of them, one after the other."""
    if not paths:
        raise ValueError("there is no journal of a gateway")
    journal = Journal()
    for path in paths:
        reader = None
        with open(path, encoding="utf-8", errors="replace") as file:
            for text in file:
                if ELSE.match(text) or (line := as_dict(text)) is None:
                    continue
                reader = reader or reader_of(line, journal, path)
                reader.take(line)
                journal.lines += 1
    return journal

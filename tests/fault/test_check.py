#!/usr/bin/env python3
"""The checker calls a small good world good, and notices each way in which it can be damaged; with both journals."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import doctor  # noqa: E402
import doctor_books  # noqa: E402
from artefacts import TABLES, column_names  # noqa: E402
from invariants import entry_hash  # noqa: E402
from invariants_books import HOUSE, fee_group  # noqa: E402

CUSTOMER = "018f0000-0000-7000-8000-0000000000c1"
CALLER = "spiffe://dues.local/service/service-billing"
CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check")
FUNCTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "migrations", "functions")


FEE = 59


def an_id(number):
    return f"018f0000-0000-7000-8000-{number:012d}"


class SandboxJournal:
    gateway = "sandbox"

    def __init__(self):
        self.lines = []

    def do(self, operation, number, payment, amount):
        transaction = f"{operation[:2].lower()}_{number}"
        self.lines.append({"number": number, "operation": operation, "key": f"key-{number}", "reference": an_id(100 + number),
                           "amount": amount, "currency": "USD", "outcome": "APPROVED", "transaction": transaction})
        return transaction

    def reverse(self, number):
        line = next(line for line in self.lines if line["number"] == number)
        self.lines.append(line | {"outcome": "REVERSED", "operation": "REFUND"})


class StripeJournal:
    """As dues-simulator writes it."""

    gateway = "stripe"

    def __init__(self):
        self.lines = []
        self.intents = {}
        self.refunds = {}

    def step(self, number, *objects):
        self.lines += [{"object": dict(thing)} for thing in objects]
        self.lines.append({"call": {"method": "POST", "key": f"key-{number}", "status": 200, "done": True, "replayed": False}})

    def booking(self, kind, amount, fee=0, source=""):
        return {"id": f"txn_{len(self.lines)}", "object": "balance_transaction", "type": kind, "amount": amount, "fee": fee,
                "source": source, "currency": "usd"}

    def withdraw(self, number, dispute, amount, fee):
        self.step(number, self.booking("adjustment", -amount, fee, dispute))

    def do(self, operation, number, payment, amount):
        if operation in ("CHARGE", "AUTHORIZE"):
            intent = {"id": f"pi_{number}", "object": "payment_intent", "status": "requires_confirmation", "currency": "usd",
                      "capture_method": "manual" if operation == "AUTHORIZE" else "automatic", "amount_received": 0,
                      "amount_capturable": 0, "metadata": {"attempt_id": an_id(100 + number), "payment_id": payment}}
            self.intents[payment] = intent
        intent = self.intents[payment]
        if operation == "AUTHORIZE":
            intent |= {"status": "requires_capture", "amount_capturable": amount}
            self.step(number, intent)
        elif operation == "CHARGE":
            intent |= {"status": "succeeded", "amount_received": amount}
            self.step(number, self.booking("charge", amount, FEE), intent)
        elif operation == "CAPTURE":
            note = "capture_" + an_id(100 + number).replace("-", "")
            intent |= {"amount_received": intent["amount_received"] + amount,
                       "amount_capturable": intent["amount_capturable"] - amount,
                       "metadata": intent["metadata"] | {note: str(amount)}}
            self.step(number, self.booking("charge", amount), intent)
        elif operation == "VOID":
            intent |= {"status": "canceled", "amount_capturable": 0}
            self.step(number, intent)
        else:
            self.refunds[number] = {"id": f"re_{number}", "object": "refund", "status": "succeeded", "amount": amount,
                                    "currency": "usd", "metadata": {"attempt_id": an_id(100 + number), "payment_id": payment}}
            self.step(number, self.booking("refund", -amount), self.refunds[number])
            return f"re_{number}"
        return intent["id"]

    def reverse(self, number):
        refund = self.refunds[number]
        refund["status"] = "failed"
        self.lines += [{"object": self.booking("refund_failure", refund["amount"])}, {"object": dict(refund)},
                       {"task": "task_1"}]


class World:
    """Some payments (refunded, of an invoice, captured in parts, let go of), told by logs, tables and journal alike."""

    POSTS = {"CHARGE": 1, "CAPTURE": 1, "REFUND": -1}

    def __init__(self, journal):
        self.tables = {table: [] for table in TABLES}
        self.journal = journal
        self.log = []
        self.time = 1_000_000
        self.head = bytes(32)

    def add(self, table, **row):
        self.tables[table].append(row)

    def tick(self):
        self.time += 10
        return self.time

    def say(self, event, rpc, request_id, **more):
        self.log.append({"t": self.tick(), "e": event, "rpc": rpc, "id": request_id, "try": 1, **more})

    def answer(self, rpc, request_id, name, reply, state="", replayed=False, **more):
        self.say("answer", rpc, request_id, **({"status": "OK", "reason": "", "message": "", "name": name,
                                                "state": state, "definitive": True, "replayed": replayed,
                                                "captured": 0, "refunded": 0, "reply": reply} | more))

    def post(self, group, kind, amount, other="revenue"):
        for line, account, part in ((1, "gateway_clearing:" + self.journal.gateway, amount), (2, other, -amount)):
            row = {"customer_id": CUSTOMER, "group_id": group, "kind": kind, "line_no": line, "account": account,
                   "currency": "USD", "amount": part, "position": len(self.tables["ledger_entry"]) + 1, "time_us": self.tick()}
            self.head = entry_hash(self.head, row)
            self.add("ledger_entry", **row, hash=self.head.hex())

    def move(self, operation, number, payment, amount, refund=""):
        attempt = an_id(100 + number)
        transaction = self.journal.do(operation, number, payment, amount)
        self.add("attempt", customer_id=CUSTOMER, attempt_id=attempt, payment_id=payment, refund_id=refund, gateway="x",
                 operation=operation, gateway_key=f"key-{number}", currency="USD", amount=amount, state="SUCCEEDED",
                 gateway_transaction=transaction)
        if operation in self.POSTS:
            self.post(attempt, operation.lower(), amount * self.POSTS[operation])

    def request(self, rpc, number, payment, made, state, **intent):
        name = f"customers/{CUSTOMER}/payments/{payment}"
        self.ask("payment.v1.PaymentService/" + rpc, number, name, made, state, parent=f"customers/{CUSTOMER}", **intent)

    def ask(self, method, number, name, made, state, **intent):
        """Asked twice, answered alike, and recorded."""
        rpc, request, reply = method.rsplit("/", maxsplit=1)[-1], f"run-{number}", f"0a{number:02d}"
        self.add("recorded_request", customer_id=CUSTOMER, caller=CALLER, object_id=made, request_id=request,
                 method="/dues." + method, answer=hashlib.sha256(bytes.fromhex(reply)).hexdigest())
        for replayed in (False, True):
            self.say("intent", rpc, request, **intent)
            self.answer(rpc, request, name, reply, state=state, replayed=replayed)

    def payment(self, number, amount, captured, state="SUCCEEDED", refunded=0, invoice="", manual="f"):
        payment = an_id(number)
        self.add("payment", customer_id=CUSTOMER, payment_id=payment, invoice_id=invoice, currency="USD", is_manual=manual,
                 amount=amount, state=state, amount_captured=captured, amount_capturable=0, amount_refunded=refunded,
                 amount_refund_pending=0, amount_capture_pending=0)
        return payment

    def pay(self, number, amount, refunded=0, invoice=""):
        payment = self.payment(number, amount, amount, refunded=refunded, invoice=invoice)
        self.move("CHARGE", number, payment, amount)
        if invoice:
            return
        request = f"run-{number}"
        self.request("CreatePayment", number, payment, payment, "SUCCEEDED", amount=amount, currency="USD")
        self.say("intent", "CreatePayment", request, amount=amount + 1, currency="USD", other=True)
        self.answer("CreatePayment", request, "", "", status="INVALID_ARGUMENT", reason="REQUEST_ID_REUSED",
                    other=True)

    def hold(self, number, amount, captured, state):
        payment = self.payment(number, amount, captured, state, manual="t")
        self.move("AUTHORIZE", number, payment, amount)
        self.request("CreatePayment", number, payment, payment, "REQUIRES_CAPTURE", amount=amount, currency="USD")
        return payment

    def give_back(self, number, payment, amount, state="SUCCEEDED"):
        refund, attempt = an_id(500 + number), an_id(100 + number)
        self.add("refund", customer_id=CUSTOMER, payment_id=payment, refund_id=refund, currency="USD", amount=amount,
                 state=state)
        self.move("REFUND", number, payment, amount, refund=refund)
        self.say("intent", "CreateRefund", f"run-{number}", amount=amount, currency="USD")
        self.answer("CreateRefund", f"run-{number}", f"customers/{CUSTOMER}/payments/{payment}/refunds/{refund}", "0b",
                    state="SUCCEEDED")
        if state == "FAILED":
            self.journal.reverse(number)
            self.post(attempt, "refund_reversal", amount)

    def happen(self, kind, subject):
        self.add("event", customer_id=CUSTOMER, sequence=len(self.tables["event"]) + 1, type=kind, subject_id=subject)

    def invoice(self, number, membership, state):
        self.add("invoice", customer_id=CUSTOMER, invoice_id=number, number=len(self.tables["invoice"]) + 1,
                 membership_id=membership, due_time="2026-01-01", state=state)

    def give_up(self, number, membership, invoice):
        """Canceled while its customer authenticates, who was faster: people were told."""
        self.invoice(invoice, membership, "VOID")
        name = f"customers/{CUSTOMER}/memberships/{membership}"
        self.ask("membership.v1.MembershipService/CancelMembership", number + 1, name, membership, "EXPIRED", parent=name)
        self.happen("membership.expired", membership)
        self.happen("invoice.void", invoice)
        self.pay(number, 1999, invoice=invoice)
        self.happen("payment.succeeded", an_id(number))
        self.add("incident", customer_id=CUSTOMER, kind="PAID_NOT_GRANTED", state="OPEN",
                 subject=f"customers/{CUSTOMER}/payments/{an_id(number)}", detail="refund the payment")

    def fill(self):
        for _ in range(2):
            self.happen("payment.succeeded", an_id(1))
        self.pay(1, 999)
        self.pay(2, 5000, refunded=200)
        self.give_back(50, an_id(2), 200)
        self.pay(3, 700, invoice=an_id(70))
        self.invoice(an_id(70), an_id(80), "PAID")
        held = self.hold(4, 3000, 1500, "SUCCEEDED")
        for number, amount, state in ((41, 1000, "REQUIRES_CAPTURE"), (42, 500, "SUCCEEDED")):
            self.move("CAPTURE", number, held, amount)
            self.request("CapturePayment", number, held, an_id(100 + number), state, amount=amount, currency="USD")
        held = self.hold(5, 800, 0, "CANCELED")
        self.move("VOID", 51, held, 800)
        self.request("CancelPayment", 51, held, an_id(151), "CANCELED", amount=0, currency="USD")
        self.pay(6, 600)
        self.give_back(60, an_id(6), 100, state="FAILED")
        self.give_up(7, an_id(81), an_id(71))
        if self.journal.gateway == "stripe":
            self.keep_books()
        self.add("customer", customer_id=CUSTOMER, event_count=len(self.tables["event"]),
                 invoice_count=len(self.tables["invoice"]), ledger_count=len(self.tables["ledger_entry"]), ledger_head=self.head.hex())

    def keep_books(self):
        """The fee of the first charge, another that is not posted yet, and a dispute that took money and kept a fee."""
        lines = [line["object"] for line in self.journal.lines if line.get("object", {}).get("fee")]
        self.post(fee_group(lines[0]["id"]), "fee", -FEE, "fees")
        self.journal.withdraw(71, "du_1", 999, 1500)
        self.add("dispute", customer_id=CUSTOMER, dispute_id=an_id(90), gateway="stripe", gateway_dispute="du_1")
        self.post(an_id(90), "dispute", -999, "disputes")
        self.post(an_id(90), "dispute_fee", -1500, "fees")

    def write(self, directory):
        os.makedirs(os.path.join(directory, "tables"))
        os.makedirs(os.path.join(directory, "logs"))
        for table in TABLES:
            path = os.path.join(directory, "tables", table + ".csv")
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, column_names(table))
                writer.writeheader()
                writer.writerows(self.tables[table])
        for path, lines in (("journal-1.jsonl", self.journal.lines), ("logs/run-00.log", self.log)):
            with open(os.path.join(directory, path), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


class Checker:
    """With each of the journals."""

    damages = doctor.DAMAGES

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="dues-check-")
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "artefacts")
        world = World(self.make_journal())
        world.fill()
        world.write(self.directory)

    def append(self, path, text):
        with open(os.path.join(self.directory, path), "a", encoding="utf-8") as file:
            file.write(text)

    def test_a_good_world_is_called_good(self):
        self.assertEqual(doctor.verdict(self.directory), set())

    def test_a_torn_last_line_is_no_line(self):
        self.append("logs/run-00.log", '{"t":99999999,"e":"answer","rpc":"CreatePay')
        self.append("journal-1.jsonl", '{"number":99,"operation":"CHAR')

        self.assertEqual(doctor.verdict(self.directory), set())

    def test_every_damage_is_noticed(self):
        with ThreadPoolExecutor(doctor.AT_ONCE) as pool:
            reports = list(pool.map(lambda pair: doctor.examine_one(self.directory, *pair), self.damages))

        for text, noticed in reports:
            self.assertTrue(noticed, text)
            self.assertNotIn("nothing here to damage", text)


class WithSandbox(Checker, unittest.TestCase):
    make_journal = SandboxJournal


class WithStripe(Checker, unittest.TestCase):
    make_journal = StripeJournal
    damages = doctor.DAMAGES + doctor_books.DAMAGES

    def test_a_request_that_the_gateway_cannot_answer_may_stay_unknown(self):
        doctor.leave_an_attempt_unknown(self.directory)
        unknown = doctor.find_row(self.directory, "attempt", lambda row: row["state"] == "UNKNOWN")
        self.assertIn("I4", doctor.verdict(self.directory))
        doctor.change_row(self.directory, "attempt", lambda row: row["state"] == "UNKNOWN",
                          lambda row: row | {"gateway_key": "key-lost"})
        self.append("journal-1.jsonl", json.dumps({"call": {"method": "POST", "key": "key-lost", "status": 500, "done": False,
                                                            "replayed": False}}) + "\n")

        result = subprocess.run([sys.executable, "-B", CHECK, self.directory], capture_output=True, text=True, check=False)

        self.assertIn("1 the gateway cannot tell", result.stdout)
        self.assertNotIn(f"attempt {unknown['attempt_id']} is UNKNOWN\n", result.stdout)


class Fees(unittest.TestCase):
    def test_a_fee_is_of_the_house_that_the_schema_knows(self):
        with open(os.path.join(FUNCTIONS, "incident.sql"), encoding="utf-8") as file:
            told = re.search(r"FUNCTION house_customer\(\).*?SELECT '([0-9a-f-]+)'::uuid", file.read(), re.DOTALL)

        self.assertEqual(told[1], HOUSE)


class Program(unittest.TestCase):
    def run_check(self, *arguments):
        return subprocess.run([sys.executable, "-B", CHECK, *arguments], capture_output=True, text=True, check=False)

    def test_it_says_how_it_is_used(self):
        result = self.run_check("--help")

        self.assertEqual(result.returncode, 0)
        for text in ("--database", "--dump", "--journal", "--logs", "Exit status"):
            self.assertIn(text, result.stdout)

    def test_wrong_usage_is_neither_good_nor_bad(self):
        self.assertEqual(self.run_check().returncode, 2)
        self.assertEqual(self.run_check("--database", "dbname=dues").returncode, 2)
        self.assertEqual(self.run_check("somewhere", "--dump", "file", "--journal", "file").returncode, 2)

    def test_what_cannot_be_read_is_neither_good_nor_bad(self):
        with tempfile.TemporaryDirectory(prefix="dues-check-") as scratch:
            journal = os.path.join(scratch, "journal")
            with open(journal, "w", encoding="utf-8") as file:
                file.write('{"a": "book"}\n')

            self.assertEqual(self.run_check(scratch).returncode, 3)
            self.assertEqual(self.run_check("--database", f"host={scratch}", "--journal", journal).returncode, 3)
            self.assertEqual(self.run_check("--dump", os.path.join(scratch, "none"), "--journal", journal).returncode, 3)


if __name__ == "__main__":
    unittest.main()

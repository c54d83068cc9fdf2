#!/usr/bin/env python3
"""The checker calls a small good world good, and notices each way in which it can be damaged."""

import csv
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import doctor  # noqa: E402
from artefacts import TABLES  # noqa: E402

CUSTOMER = "018f0000-0000-7000-8000-0000000000c1"
CALLER = "spiffe://dues.local/service/service-billing"


def an_id(number):
    return f"018f0000-0000-7000-8000-{number:012d}"


class World:
    """Three payments (one refunded, one of an invoice), told by the logs, the tables and the journal alike."""

    def __init__(self):
        self.tables = {table: [] for table in TABLES}
        self.journal = []
        self.log = []
        self.time = 1_000_000

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

    def move(self, operation, number, payment, amount, refund=""):
        attempt, transaction = an_id(100 + number), f"ch_{number}"
        self.add("attempt", customer_id=CUSTOMER, attempt_id=attempt, payment_id=payment, refund_id=refund,
                 operation=operation, gateway_key=f"key-{number}", currency="USD", amount=amount, state="SUCCEEDED",
                 gateway_transaction=transaction)
        self.add("gateway_transaction", customer_id=CUSTOMER, gateway_transaction=transaction, attempt_id=attempt,
                 currency="USD", amount=amount)
        self.journal.append({"number": number, "operation": operation, "key": f"key-{number}", "reference": attempt,
                             "amount": amount, "currency": "USD", "outcome": "APPROVED", "transaction": transaction})
        signed = amount if operation == "CHARGE" else -amount
        for line, account, part in ((1, "gateway_clearing:sandbox", signed), (2, "revenue", -signed)):
            self.add("ledger_entry", customer_id=CUSTOMER, group_id=attempt, kind=operation.lower(), line_no=line,
                     account=account, currency="USD", amount=part)

    def pay(self, number, amount, refunded=0, invoice=""):
        payment, reply = an_id(number), f"0a{number:02d}"
        self.add("payment", customer_id=CUSTOMER, payment_id=payment, invoice_id=invoice, currency="USD",
                 amount=amount, state="SUCCEEDED", amount_captured=amount, amount_refunded=refunded,
                 amount_refund_pending=0)
        self.move("CHARGE", number, payment, amount)
        if invoice:
            return
        request, name = f"run-{number}", f"customers/{CUSTOMER}/payments/{payment}"
        self.add("recorded_request", customer_id=CUSTOMER, caller=CALLER, object_id=payment, request_id=request,
                 method="/dues.payment.v1.PaymentService/CreatePayment", answer=reply)
        for replayed in (False, True):
            self.say("intent", "CreatePayment", request, amount=amount, currency="USD")
            self.answer("CreatePayment", request, name, reply, state="SUCCEEDED", replayed=replayed)
        self.say("intent", "CreatePayment", request, amount=amount + 1, currency="USD", other=True)
        self.answer("CreatePayment", request, "", "", status="INVALID_ARGUMENT", reason="REQUEST_ID_REUSED",
                    other=True)

    def fill(self):
        self.add("customer", customer_id=CUSTOMER, event_count=2, invoice_count=1)
        for sequence in (1, 2):
            self.add("event", customer_id=CUSTOMER, sequence=sequence, type="payment.succeeded", subject_id=an_id(1))
        self.pay(1, 999)
        self.pay(2, 5000, refunded=200)
        self.pay(3, 700, invoice=an_id(70))
        self.add("invoice", customer_id=CUSTOMER, invoice_id=an_id(70), number=1, membership_id=an_id(80),
                 due_time="2026-01-01", state="PAID", currency="USD", total_minor=700, payment_id=an_id(3))
        self.add("refund", customer_id=CUSTOMER, payment_id=an_id(2), refund_id=an_id(50), currency="USD", amount=200,
                 state="SUCCEEDED")
        self.move("REFUND", 50, an_id(2), 200, refund=an_id(50))
        self.say("intent", "CreateRefund", "run-50", amount=200, currency="USD")
        self.answer("CreateRefund", "run-50", f"customers/{CUSTOMER}/payments/{an_id(2)}/refunds/{an_id(50)}", "0b",
                    state="SUCCEEDED")

    def write(self, directory):
        os.makedirs(os.path.join(directory, "tables"))
        os.makedirs(os.path.join(directory, "logs"))
        for table, columns in TABLES.items():
            names = [column.split(" AS ")[-1].strip() for column in columns.split(", ") if column != "'hex')"]
            names = ["answer" if "encode(" in name else name for name in names]
            with open(doctor.table_path(directory, table), "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, names)
                writer.writeheader()
                writer.writerows(self.tables[table])
        for path, lines in (("journal.jsonl", self.journal), ("logs/run-00.log", self.log)):
            with open(os.path.join(directory, path), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


class Checker(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="dues-check-")
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "artefacts")
        world = World()
        world.fill()
        world.write(self.directory)

    def test_a_good_world_is_called_good(self):
        self.assertEqual(doctor.verdict(self.directory), set())

    def test_a_torn_last_line_is_no_line(self):
        with open(os.path.join(self.directory, "logs", "run-00.log"), "a", encoding="utf-8") as file:
            file.write('{"t":99999999,"e":"answer","rpc":"CreatePay')

        self.assertEqual(doctor.verdict(self.directory), set())

    def test_every_damage_is_noticed(self):
        for doctoring, invariant in doctor.DOCTORINGS:
            with self.subTest(doctoring=doctoring.__name__):
                self.setUp()

                self.assertTrue(doctoring(self.directory), "there was nothing to damage")

                self.assertIn(invariant, doctor.verdict(self.directory))


if __name__ == "__main__":
    unittest.main()

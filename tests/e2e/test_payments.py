#!/usr/bin/env python3
"""`dues payments` as somebody at the telephone uses it: find a payment, look at it, give money back once."""

import json
import os
import re
import subprocess
import unittest

from beside import BesideDev
from test_dev import BUILD

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Payments(BesideDev):
    def setUp(self):
        self.customer = self.given_customer()
        self.card = self.given_card(self.customer)

    def payments(self, *arguments):
        result = self.dues("payments", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def given_payment(self, card=None, **fields):
        payment = {"amount": {"currencyCode": "USD", "minorUnits": "999"}, "paymentMethod": card or self.card, **fields}
        return self.call("Payment/CreatePayment", {"parent": self.customer, "requestId": f"e2e-{next(self.numbers)}",
                                                   "payment": payment})["name"]

    def refunds_of(self, payment):
        return json.loads(self.payments("get", payment, "-o", "json").stdout).get("refunds", [])

    def test_lists_payments_as_a_table_newest_first(self):
        first = self.given_payment()
        second = self.given_payment(self.given_card(self.customer, "tok_chargeDeclinedInsufficientFunds"))

        result = self.payments("list", "--customer", self.customer)

        head, *rows = result.stdout.splitlines()
        self.assertEqual(head.split(), ["CREATED", "STATE", "AMOUNT", "CAPTURED", "REFUNDED", "DECLINE", "PAYMENT"])
        self.assertEqual([row.split()[-1] for row in rows], [second, first])
        self.assertRegex(rows[0], rf"^\S+Z  FAILED +9\.99 USD +0\.00 USD +0\.00 USD  insufficient_funds +{second}$")
        self.assertRegex(rows[1], rf"^\S+Z  SUCCEEDED +9\.99 USD +9\.99 USD +0\.00 USD  - +{first}$")
        self.assertEqual(rows[0].index(second), rows[1].index(first))
        self.assertEqual(result.stderr, "")

    def test_prints_no_head_above_a_list_that_is_refused(self):
        for command in ("payments", "disputes"):
            for line in (("--customer", "nix"), ("--customer", self.customer, "--filter", "nix = nix")):
                result = self.dues(command, "list", *line)
                self.assertNotEqual(result.returncode, 0)
                self.assertEqual(result.stdout, "", (command, *line))
            self.assertIn("CREATED", self.dues(command, "list", "--customer", self.customer).stdout)

    def test_an_answer_that_a_full_disk_swallows_is_no_success(self):
        self.given_payment()
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = self.dues("payments", "list", "--customer", self.customer, stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "dues: standard output could not be written\n")

    def test_goes_on_page_by_page(self):
        made = [self.given_payment() for _ in range(5)][::-1]

        found, more = [], []
        for _ in range(3):
            result = self.payments("list", "--customer", self.customer, "--limit", "2", "-o", "json", *more)
            found += [json.loads(line)["name"] for line in result.stdout.splitlines()]
            token = re.search(r"--page (\S+) goes on", result.stderr)
            more = ["--page", token[1]] if token else []

        self.assertEqual(found, made)
        self.assertEqual(more, [])
        everything = self.payments("list", "--customer", self.customer.split("/")[1], "--all", "-o", "json")
        self.assertEqual([json.loads(line)["name"] for line in everything.stdout.splitlines()], made)
        self.assertEqual(everything.stderr, "")

    def test_lists_what_the_filter_says(self):
        self.given_payment()
        failed = self.given_payment(self.given_card(self.customer, "tok_chargeDeclined"))
        result = self.payments("list", "--customer", self.customer, "--filter", "state = FAILED", "-o", "json")
        self.assertEqual([json.loads(line)["name"] for line in result.stdout.splitlines()], [failed])

    def test_shows_one_payment_with_its_refunds(self):
        payment = self.given_payment(description="a book")
        self.payments("refund", payment, "--amount", "3.00")

        page = self.payments("get", payment).stdout

        self.assertTrue(page.startswith(payment + "\n"))
        for line in (r"  state          SUCCEEDED", r"  amount         9\.99 USD", r"  refunded       3\.00 USD",
                     r"  description    a book", rf"  method         {self.card}",
                     rf"  refund         \S+Z  3\.00 USD  SUCCEEDED  {payment}/refunds/{UUID}"):
            self.assertRegex(page, rf"(?m)^{line}$")
        shown = json.loads(self.payments("get", payment, "-o", "json").stdout)
        self.assertEqual(shown["name"], payment)
        self.assertEqual([refund["amount"]["minorUnits"] for refund in shown["refunds"]], ["300"])

    def test_a_description_does_not_lie_to_a_terminal(self):
        lie = "ten \u202e\u2066 euros\u200f, \u00e9t\u00e9 \U0001f600"
        payment = self.given_payment(description=lie)

        told = self.payments("get", payment)
        for_machines = self.payments("get", payment, "-o", "json")

        self.assertIn("description    ten \\u202e\\u2066 euros\\u200f, \u00e9t\u00e9 \U0001f600\n", told.stdout)
        self.assertEqual(json.loads(for_machines.stdout)["description"], lie)

    def test_shows_why_a_payment_failed(self):
        payment = self.given_payment(self.given_card(self.customer, "tok_chargeDeclinedInsufficientFunds"))
        page = self.payments("get", payment).stdout
        self.assertRegex(page, r"(?m)^  decline        insufficient_funds \(RETRY_LATER\)$")
        self.assertRegex(page, r"(?m)^  who must act   CUSTOMER$")
        self.assertRegex(page, r"(?m)^  network code   51$")
        self.assertRegex(page, r"(?m)^  advice         TRY_AGAIN_LATER$")
        self.assertRegex(page, r"(?m)^  to customers   \S.*$")

    def test_a_refund_sent_again_with_its_request_id_refunds_nothing_twice(self):
        payment = self.given_payment()
        first = self.payments("refund", payment, "--amount", "3.00", "--reason", "duplicate", "-o", "json")
        request_id = re.search(rf"request id ({UUID});", first.stderr)[1]

        again = self.payments("refund", payment, "--amount", "3.00", "--reason", "duplicate", "-o", "json",
                              "--request-id", request_id)

        self.assertEqual(again.stdout, first.stdout)
        self.assertIn("it was done before", again.stderr)
        self.assertEqual(len(self.refunds_of(payment)), 1)
        self.assertEqual(json.loads(first.stdout)["reason"], "REASON_DUPLICATE")

    def test_refunds_all_that_is_left(self):
        payment = self.given_payment()
        self.payments("refund", payment, "--amount", "3.00 USD")
        result = self.payments("refund", payment, "--all")
        self.assertRegex(result.stdout, rf"^{payment}\n  refund +\S+Z  6\.99 USD  SUCCEEDED  {payment}/refunds/{UUID}\n$")
        self.assertEqual(json.loads(self.payments("get", payment, "-o", "json").stdout)["amountRefunded"]["minorUnits"],
                         "999")

    def test_a_refusal_says_reason_and_field(self):
        payment = self.given_payment()
        nobody = "customers/00000000-0000-7000-8000-000000000000"
        for line, status, said in (
                (("refund", payment, "--amount", "10.00"), 9, "FAILED_PRECONDITION REFUND_EXCEEDS_CAPTURE"),
                (("refund", payment, "--amount", "3.00 EUR"), 3, "CURRENCY_MISMATCH"),
                (("refund", payment, "--all", "--request-id", "no blanks"), 3, "  request_id: "),
                (("get", payment[:-1]), 3, "  name: "),
                (("get", f"{nobody}/payments/{payment.split('/')[-1]}"), 5, "NOT_FOUND PAYMENT_NOT_FOUND"),
                (("list", "--customer", nobody), 5, "NOT_FOUND CUSTOMER_NOT_FOUND"),
                (("list", "--customer", self.customer, "--filter", "state ="), 3, "FILTER_INVALID")):
            result = self.dues("payments", *line)
            self.assertEqual(result.returncode, 64 + status, (line, result.stderr))
            self.assertIn(said, result.stderr)
        self.assertEqual(self.refunds_of(payment), [])

    def test_a_refund_that_the_gateway_refuses_ends_with_1(self):
        payment = self.given_payment(self.given_card(self.customer, "tok_refundFail"))
        result = self.dues("payments", "refund", payment, "--all")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stdout, r"  FAILED \(\w+\)  ")

    def test_shows_what_a_bank_disputes(self):
        payment = self.given_payment()
        customer, identity = payment.split("/")[1::2]
        with open(os.path.join(self.state, "duesd.conf"), encoding="utf-8") as file:
            socket = re.search(r"^database = host='?([^' ]+)", file.read(), re.MULTILINE)[1]
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", socket, "-U", "postgres", "-d", "dues", "-c",
                        "INSERT INTO dues.dispute (customer_id, dispute_id, payment_id, gateway, gateway_dispute, currency,"
                        " amount, reason, is_inquiry, state, amount_withdrawn, fee_currency, fee, evidence_due_time,"
                        f" asked_time, version, create_time, update_time) VALUES ('{customer}', '{identity}', '{identity}',"
                        " 'sandbox', 'dp_1', 'USD', 999, 'fraudulent', false, 'NEEDS_RESPONSE', 999, 'USD', 1500,"
                        " '2030-01-31T12:00:00Z', now(), 1, now(), now());"
                        f"UPDATE dues.payment SET amount_disputed = 999 WHERE payment_id = '{identity}'"],
                       check=True, timeout=60)

        page = self.payments("get", payment).stdout
        shown = json.loads(self.payments("get", payment, "-o", "json").stdout)

        self.assertIn("  disputed       9.99 USD\n", page)
        self.assertRegex(page, r"  dispute        \S+Z  9\.99 USD  NEEDS_RESPONSE \(fraudulent\)  evidence until "
                               rf"2030-01-31T12:00:00Z  {self.customer}/disputes/{identity}\n")
        self.assertEqual([dispute["state"] for dispute in shown["disputes"]], ["STATE_NEEDS_RESPONSE"])

    def test_asks_for_nothing_and_guesses_nothing(self):
        payment = "customers/c/payments/p"
        for line, reason in ((("refund", payment), "needs --amount or --all"),
                             (("refund", payment, "--all", "--amount", "1.00"), "needs --amount or --all"),
                             (("refund", payment, "--all", "--reason", "whim"), "--reason is requested_by_customer"),
                             (("refund", payment, "--amount", "3 USD"), "write it like 3.00"),
                             (("refund", payment, "--amount", "-3"), '"-3" is no amount; write 3.00 or 3.00 USD'),
                             (("refund",), "needs the name of one payment"),
                             (("get", payment, "--all"), "--all is for payments list and refund"),
                             (("get", payment, "--amount", "1.00"), "--amount is for payments refund"),
                             (("list",), "needs --customer"),
                             (("list", "--customer", "c", "--limit", "0"), "--limit needs a whole number"),
                             (("list", "--customer", "c", "-o", "yaml"), "-o knows json"),
                             (("pay",), "payments knows list, get and refund"), ((), "payments knows list")):
            result = self.dues("payments", *line)
            self.assertEqual((result.returncode, result.stdout), (2, ""), line)
            self.assertIn(reason, result.stderr)

    def test_help_has_a_page_for_it(self):
        for line in (("help", "payments"), ("payments", "--help")):
            result = self.dues(*line, state=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("refund PAYMENT --amount AMOUNT | --all", result.stdout)
        self.assertIn("dues payments list|get|refund", self.dues("help", state=False).stdout)
        self.assertEqual(self.dues("help", "pay", state=False).returncode, 2)


if __name__ == "__main__":
    if not os.access(os.path.join(BUILD, "dues"), os.X_OK):
        raise SystemExit("there is no dues in DUES_BUILD")
    unittest.main()

#!/usr/bin/env python3
"""`dues disputes` as whoever answers the bank uses it: what is asked back, evidence once, and giving in only knowingly."""

import json
import os
import re
import tempfile
import unittest

from beside import BesideDev
from server import until
from test_dev import BUILD

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TOKENS = ["tok_createDispute"] * 4 + ["tok_createDisputeProductNotReceived", "tok_createDisputeInquiry"]


class Disputes(BesideDev):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls()
        cls.customer = test.given_customer()
        cls.payments = [test.given_payment(token) for token in TOKENS]
        # A server looks for disputes when it starts, and then every minute.
        test.restart()
        until(lambda: len(test.listed("--all")) == len(TOKENS), "the disputes", 90)
        cls.names = {dispute["payment"]: dispute["name"] for dispute in test.listed("--all")}
        cls.fresh = iter(cls.names[payment] for payment in cls.payments[:4])

    def runTest(self):
        """For the instance that setUpClass works with."""

    def given_payment(self, token):
        payment = {"amount": {"currencyCode": "USD", "minorUnits": "999"},
                   "paymentMethod": self.given_card(self.customer, token)}
        return self.call("Payment/CreatePayment", {"parent": self.customer, "requestId": f"e2e-{next(self.numbers)}",
                                                   "payment": payment})["name"]

    def disputes(self, *arguments):
        result = self.dues("disputes", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def listed(self, *arguments):
        lines = self.disputes("list", "--customer", self.customer, *arguments, "-o", "json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def state_of(self, dispute):
        return json.loads(self.disputes("get", dispute, "-o", "json").stdout)["state"]

    def given_evidence(self, **texts):
        with tempfile.NamedTemporaryFile("w", dir=self.scratch, suffix=".json", delete=False, encoding="utf-8") as file:
            json.dump(texts, file)
        return file.name

    def test_lists_disputes_as_a_table_and_page_by_page(self):
        result = self.disputes("list", "--customer", self.customer.split("/")[1], "--all")
        head, *rows = result.stdout.splitlines()
        self.assertEqual(head.split(), ["CREATED", "STATE", "AMOUNT", "WITHDRAWN", "EVIDENCE", "BY", "REASON", "DISPUTE"])
        goods = next(row for row in rows if row.endswith(self.names[self.payments[4]]))
        self.assertRegex(goods, r"^\S+Z  NEEDS_RESPONSE +9\.99 USD +9\.99 USD  \S+Z  product_not_received +customers/")
        inquiry = next(row for row in rows if row.endswith(self.names[self.payments[5]]))
        self.assertRegex(inquiry, r" 9\.99 USD +0\.00 USD  \S+Z? +\w+ \(inquiry\) ")

        first = self.disputes("list", "--customer", self.customer, "--limit", "4", "-o", "json")
        token = re.search(r"--page (\S+) goes on", first.stderr)[1]
        rest = self.disputes("list", "--customer", self.customer, "--limit", "4", "--page", token, "-o", "json")
        names = [json.loads(line)["name"] for line in (first.stdout + rest.stdout).splitlines()]
        self.assertEqual(names, [row.split()[-1] for row in rows])
        self.assertEqual(rest.stderr, "")

        self.assertEqual([dispute["name"] for dispute in self.listed("--payment", self.payments[4])],
                         [self.names[self.payments[4]]])
        self.assertEqual(self.listed("--filter", "state = CLOSED"), [])

    def test_shows_one(self):
        dispute = self.names[self.payments[4]]
        page = self.disputes("get", dispute).stdout
        self.assertTrue(page.startswith(dispute + "\n"))
        for line in (r"  state          NEEDS_RESPONSE", rf"  payment        {self.payments[4]}",
                     r"  reason         product_not_received", r"  amount         9\.99 USD", r"  withdrawn      9\.99 USD",
                     r"  fee            15\.00 USD", r"  evidence by    \S+Z", r"  gateway        sandbox"):
            self.assertRegex(page, rf"(?m)^{line}$")

    def test_evidence_sent_again_with_its_request_id_is_sent_once(self):
        dispute = next(self.fresh)
        file = self.given_evidence(productDescription="a book", uncategorizedText="what the bank\nshould know")

        first = self.disputes("evidence", dispute, "--file", file, "-o", "json")
        request_id = re.search(rf"request id ({UUID});", first.stderr)[1]
        again = self.disputes("evidence", dispute, "--file", file, "-o", "json", "--request-id", request_id)
        another = self.dues("disputes", "evidence", dispute, "--file", file)

        self.assertEqual(json.loads(first.stdout)["state"], "STATE_UNDER_REVIEW")
        self.assertEqual(again.stdout, first.stdout)
        self.assertIn("it was done before", again.stderr)
        self.assertEqual(another.returncode, 64 + 9)
        self.assertIn("DISPUTE_NOT_OPEN", another.stderr)

    def test_evidence_that_may_have_arrived_is_said_to_be_open(self):
        dispute = next(self.fresh)
        file = self.given_evidence(uncategorizedText="winning_evidence_unanswered")
        result = self.disputes("evidence", dispute, "--file", file)
        self.assertRegex(result.stdout, r"(?m)^  on its way     EVIDENCE$")
        self.assertIn("is being found out", result.stderr)

    def test_gives_in_only_to_who_says_how_much(self):
        dispute = next(self.fresh)

        for amount, status, said in (("9.98", 1, "the dispute is of 9.99 USD, not of 9.98; nothing was given up"),
                                     ("9.99 EUR", 1, "not of 9.99 EUR; nothing was given up"),
                                     ("9", 2, "write it like 3.00"), ("all", 2, '"all" is no amount')):
            refused = self.dues("disputes", "accept", dispute, "--amount", amount)
            self.assertEqual((refused.returncode, refused.stdout), (status, ""), refused.stderr)
            self.assertIn(said, refused.stderr)
            self.assertNotIn("request id", refused.stderr)
        self.assertEqual(self.state_of(dispute), "STATE_NEEDS_RESPONSE")

        first = self.disputes("accept", dispute, "--amount", "9.99 USD", "-o", "json")
        self.assertEqual(json.loads(first.stdout)["state"], "STATE_ACCEPTED")
        request_id = re.search(rf"request id ({UUID}); if the answer is lost", first.stderr)[1]
        again = self.disputes("accept", dispute, "--amount", "9.99", "-o", "json", "--request-id", request_id)
        self.assertEqual(again.stdout, first.stdout)
        self.assertIn("it was done before", again.stderr)

    def test_a_refusal_says_reason_and_field(self):
        dispute = next(self.fresh)
        nobody = "customers/00000000-0000-7000-8000-000000000000"
        nothing = self.given_evidence()
        for line, status, said in (
                (("evidence", dispute, "--file", nothing), 3, "INVALID_FIELD"),
                (("evidence", dispute, "--file", self.given_evidence(customerPurchaseIp="x")), 3,
                 "  evidence.customer_purchase_ip: "),
                (("accept", dispute, "--amount", "9.99", "--request-id", "no blanks"), 3, "  request_id: "),
                (("get", dispute[:-1]), 3, "  name: "),
                (("get", f"{nobody}/disputes/{dispute.split('/')[-1]}"), 5, "NOT_FOUND DISPUTE_NOT_FOUND"),
                (("list", "--customer", nobody), 5, "NOT_FOUND CUSTOMER_NOT_FOUND")):
            result = self.dues("disputes", *line)
            self.assertEqual(result.returncode, 64 + status, (line, result.stderr))
            self.assertIn(said, result.stderr)
        self.assertEqual(self.state_of(dispute), "STATE_NEEDS_RESPONSE")

    def test_asks_for_nothing_and_guesses_nothing(self):
        dispute = "customers/c/disputes/d"
        misspelt = self.given_evidence(producDescription="a book")
        for line, reason in ((("accept", dispute), "disputes accept needs --amount"),
                             (("accept", "--amount", "9.99"), "needs the name of one dispute"),
                             (("accept", dispute, dispute, "--amount", "9.99"), "needs the name of one dispute"),
                             (("evidence", dispute), "disputes evidence needs --file"),
                             (("evidence", dispute, "--file", "/nowhere"), "dues: unable to open /nowhere: No such file"),
                             (("evidence", dispute, "--file", misspelt), "producDescription"),
                             (("evidence", dispute, "--amount", "9.99", "--file", misspelt),
                              "--amount is for disputes accept"),
                             (("get", dispute, "--request-id", "r"), "--request-id is for disputes evidence and accept"),
                             (("list",), "disputes list needs --customer"),
                             (("list", "--customer", "c", "--all", "--limit", "3"), "exclude each other"),
                             (("list", "--customer", "c", "-o", "yaml"), "-o knows json"),
                             (("fight",), "disputes knows list, get, evidence and accept"), ((), "disputes knows list")):
            result = self.dues("disputes", *line)
            self.assertEqual((result.returncode, result.stdout), (2, ""), (line, result.stderr))
            self.assertIn(reason, result.stderr)

    def test_help_has_a_page_for_it(self):
        for line in (("help", "disputes"), ("disputes", "--help")):
            result = self.dues(*line, state=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("accept DISPUTE --amount AMOUNT", result.stdout)
        self.assertIn("dues disputes list|get|evidence|accept", self.dues("help", state=False).stdout)


if __name__ == "__main__":
    if not os.access(os.path.join(BUILD, "dues"), os.X_OK):
        raise SystemExit("there is no dues in DUES_BUILD")
    unittest.main()

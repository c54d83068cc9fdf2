#!/usr/bin/env python3
"""Disputes from the bank's first word to its last, against the simulator: whatever comes twice, late, in the wrong order or never, and
whoever dies meanwhile, the money is where the gateway has it, once."""

import os
import sys
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import NewsStage  # noqa: E402

AMOUNT = 1999
FEE = 1500
# Looks for new disputes are a minute apart, and the server that starts leaves out the first.
POLL_S = 150

OPEN = {"gateway_clearing:stripe": -FEE, "revenue": -AMOUNT, "disputes": AMOUNT, "fees": FEE}
LOST = {"gateway_clearing:stripe": -FEE, "revenue": -AMOUNT, "dispute_losses": AMOUNT, "fees": FEE}
WON = {"gateway_clearing:stripe": AMOUNT - FEE, "revenue": -AMOUNT, "fees": FEE}


class Disputes(NewsStage):
    def disputes(self):
        return self.call("PaymentService/ListDisputes", {"parent": self.customer}).get("disputes", [])

    def disputed(self, token="pm_card_createDispute", count=1):
        """A payment and its disputes, as the server has learned of them."""
        payment = self.pay(self.add_card(token), AMOUNT)
        self.become(lambda: len(self.disputes()) == count, "the dispute")
        self.applied()
        return payment, self.disputes()[0]

    def state(self, dispute):
        return self.call("PaymentService/GetDispute", {"name": dispute["name"]})["state"]

    def submit(self, dispute, text, **more):
        return self.call("PaymentService/SubmitDisputeEvidence", self.evidence(dispute, text, **more))

    def evidence(self, dispute, text, request_id=None):
        return {"name": dispute["name"], "evidence": {"uncategorizedText": text}, "requestId": request_id or uuid.uuid4().hex}

    def balances(self):
        accounts = self.call("PaymentService/GetBalance", {"name": self.customer + "/balance"})["accounts"]
        each = {account["account"]: int(account["balance"].get("minorUnits", 0)) for account in accounts}
        return {account: minor for account, minor in each.items() if minor != 0}

    def events(self):
        return [event["type"] for event in self.call("PaymentService/ListEvents", {"parent": self.customer, "pageSize": 100})["events"]
                if event["type"].startswith("dispute.")]

    def assert_whole(self, balances):
        """The money is there, nobody else is called, and no entry was changed."""
        self.applied()
        self.assertEqual(self.balances(), balances)
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.incident WHERE customer_id = '{self.customer.split('/')[1]}'"), "0")
        self.assertEqual(self.sql("SELECT count(*) FROM dues.ledger_entry e JOIN dues.dispute d USING (customer_id)"
                                  " WHERE e.group_id = d.dispute_id GROUP BY e.group_id, e.kind HAVING sum(e.amount) <> 0"), "")
        verified = self.server.dues("ledger", "verify", "--state-dir", self.server.directory)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    # ---- From beginning to end ----

    def test_a_dispute_takes_the_money_and_the_fee(self):
        payment, dispute = self.disputed()

        self.assertEqual(dispute["state"], "STATE_NEEDS_RESPONSE")
        self.assertEqual(dispute["payment"], payment["name"])
        self.assertEqual(dispute["amountWithdrawn"]["minorUnits"], str(AMOUNT))
        self.assertEqual(dispute["fee"]["minorUnits"], str(FEE))
        self.assertEqual(dispute["reason"], "fraudulent")
        self.assertIn("evidenceDueTime", dispute)
        self.assertEqual(self.events()[:1], ["dispute.opened"])
        self.assert_whole(OPEN)

    def test_evidence_that_wins_brings_the_money_back(self):
        _, dispute = self.disputed()

        shown = self.submit(dispute, "winning_evidence")

        self.assertIn("evidenceSubmitTime", shown)
        self.become(lambda: self.state(dispute) == "STATE_WON", "the bank's decision")
        self.assertEqual(self.events().count("dispute.won"), 1)
        self.assert_whole(WON)

    def test_evidence_that_loses_makes_a_loss(self):
        _, dispute = self.disputed()

        self.submit(dispute, "losing_evidence")

        self.become(lambda: self.state(dispute) == "STATE_LOST", "the bank's decision")
        self.assertEqual(self.events().count("dispute.lost"), 1)
        self.assert_whole(LOST)

    def test_a_dispute_that_is_given_up_is_lost_once(self):
        _, dispute = self.disputed()
        request = {"name": dispute["name"], "requestId": uuid.uuid4().hex}

        first = self.call("PaymentService/AcceptDispute", request)
        again = self.call("PaymentService/AcceptDispute", request)

        self.assertEqual(first["state"], "STATE_ACCEPTED")
        self.assertEqual(again, first)
        refused = self.try_call("PaymentService/SubmitDisputeEvidence", self.evidence(dispute, "winning_evidence"))
        self.assertIn("DISPUTE_NOT_OPEN", refused.stderr)
        self.become(lambda: self.sql("SELECT count(*) FROM dues.news WHERE type = 'charge.dispute.closed' AND object_id = "
                                     f"'{dispute['gatewayDispute']}' AND state = 'APPLIED'") == "1", "news of the end")
        self.assertEqual(self.state(dispute), "STATE_ACCEPTED")
        self.assertEqual(self.events().count("dispute.lost"), 1)
        self.assert_whole(LOST)

    def test_an_inquiry_takes_no_money(self):
        _, dispute = self.disputed("pm_card_createDisputeInquiry")

        self.assertTrue(dispute["inquiry"])
        self.call("PaymentService/AcceptDispute", {"name": dispute["name"], "requestId": uuid.uuid4().hex})

        self.assertEqual(self.state(dispute), "STATE_CLOSED")
        self.assert_whole({"gateway_clearing:stripe": AMOUNT, "revenue": -AMOUNT})

    def test_two_disputes_of_one_payment_are_two(self):
        _, dispute = self.disputed("pm_card_createMultipleDisputes", 2)

        self.submit(dispute, "winning_evidence")
        self.become(lambda: self.state(dispute) == "STATE_WON", "the bank's decision")

        lost = next(each for each in self.disputes() if each["name"] != dispute["name"])
        withdrawn = int(lost["amountWithdrawn"]["minorUnits"])
        self.assertIn(withdrawn, (AMOUNT // 2, AMOUNT - AMOUNT // 2))
        self.assert_whole({"gateway_clearing:stripe": AMOUNT - withdrawn - 2 * FEE, "revenue": -AMOUNT, "disputes": withdrawn,
                           "fees": 2 * FEE})

    def test_what_is_disputed_cannot_be_refunded_too(self):
        payment, _ = self.disputed()

        refused = self.try_call("PaymentService/CreateRefund", {
            "parent": payment["name"], "requestId": uuid.uuid4().hex,
            "refund": {"amount": {"currencyCode": "USD", "minorUnits": "1"}}})

        self.assertNotEqual(refused.returncode, 0)
        self.assert_whole(OPEN)

    # ---- Whatever comes how ----

    def test_news_twice_and_in_the_wrong_order_change_nothing(self):
        for way in ("webhook_duplicate", "webhook_reorder", "webhook_skewed"):
            for method in ("", "TASK"):
                self.order(way, value=3 if way == "webhook_duplicate" else 200, method=method, count=100)

        _, dispute = self.disputed()
        self.submit(dispute, "winning_evidence")
        self.become(lambda: self.state(dispute) == "STATE_WON", "the bank's decision")

        self.told(dispute["gatewayDispute"], "charge.dispute.closed")
        self.told(dispute["gatewayDispute"], "charge.dispute.funds_withdrawn")
        self.assertEqual(self.state(dispute), "STATE_WON")
        self.assertEqual([self.events().count(kind) for kind in ("dispute.opened", "dispute.won")], [1, 1])
        self.assert_whole(WON)

    def test_an_answer_that_is_lost_is_no_second_response(self):
        for call, text, state, balances in (("SubmitDisputeEvidence", "winning_evidence", "STATE_WON", WON),
                                            ("AcceptDispute", None, "STATE_ACCEPTED", LOST)):
            with self.subTest(call):
                self.setUp()
                _, dispute = self.disputed()
                self.order("reset_after", value=0, method="POST", path=f"/v1/disputes/{dispute['gatewayDispute']}", count=1)
                self.order("reset_after", value=0, method="POST", path=f"/v1/disputes/{dispute['gatewayDispute']}/close", count=1)
                request = self.evidence(dispute, text) if text else {"name": dispute["name"], "requestId": uuid.uuid4().hex}

                self.try_call("PaymentService/" + call, request)
                self.become(lambda dispute=dispute, state=state: self.state(dispute) == state, "the end", 60)

                self.become(lambda: self.sql("SELECT count(*) FROM dues.obligation WHERE kind = 'dispute.respond'") == "0",
                            "peace", 90)
                self.assertEqual(self.sql("SELECT count(*) FROM dues.dispute_response WHERE evidence_sealed <> ''"), "0")
                shown = self.simulator("GET", f"/v1/disputes/{dispute['gatewayDispute']}")
                self.assertEqual(shown["evidence_details"]["submission_count"], 1 if text else 0)
                self.assert_whole(balances)

    def test_a_crash_between_storing_and_applying_loses_nothing(self):
        self.order("too_many_requests", value=1, method="GET", path="/v1/disputes", count=1000)
        payment = self.pay(self.add_card("pm_card_createDispute"), AMOUNT)
        stored = ("SELECT count(*) FROM dues.news WHERE type LIKE 'charge.dispute.%' AND state = 'UNMATCHED'"
                  " AND length(body_sealed) > 100")
        self.become(lambda: int(self.sql(stored)) == 2, "the news")
        self.assertEqual(self.disputes(), [])

        self.server.kill_server()
        self.server.start()
        self.read_settings()
        self.simulator("DELETE", "/_simulator/faults")

        self.become(lambda: len(self.disputes()) == 1, "the dispute")
        self.assertEqual(self.disputes()[0]["payment"], payment["name"])
        self.assert_whole(OPEN)

    def test_a_crash_while_evidence_is_on_its_way_sends_it_once(self):
        _, dispute = self.disputed()
        self.order("late", value=20000, method="POST", path=f"/v1/disputes/{dispute['gatewayDispute']}", count=1)
        request = self.evidence(dispute, "winning_evidence")
        with self.while_calling("PaymentService/SubmitDisputeEvidence", request):
            self.become(lambda: self.sql("SELECT count(*) FROM dues.dispute_response WHERE state = 'SENDING'") == "1", "the intent")
            self.server.kill_server()
        self.server.start()
        self.read_settings()
        self.simulator("DELETE", "/_simulator/faults")
        self.sql("UPDATE dues.obligation SET due_time = now(), lease_until = NULL WHERE kind = 'dispute.respond'")

        self.become(lambda: self.state(dispute) == "STATE_WON", "the bank's decision", 60)

        shown = self.simulator("GET", f"/v1/disputes/{dispute['gatewayDispute']}")
        self.assertEqual(shown["evidence_details"]["submission_count"], 1)
        self.assertEqual(self.call("PaymentService/SubmitDisputeEvidence", request)["name"], dispute["name"])
        self.assert_whole(WON)

    def test_a_dispute_that_nobody_told_of_is_found(self):
        for method in ("", "TASK"):
            self.order("webhook_lost", method=method, count=1000)

        self.pay(self.add_card("pm_card_createDispute"), AMOUNT)
        self.become(lambda: self.simulator("GET", "/v1/disputes?limit=1")["data"], "the dispute there")
        self.become(lambda: len(self.disputes()) == 1, "the dispute", POLL_S)

        dispute = self.disputes()[0]
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.news WHERE object_id = '{dispute['gatewayDispute']}'"), "0")
        self.assert_whole(OPEN)


if __name__ == "__main__":
    unittest.main()

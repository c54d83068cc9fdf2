#!/usr/bin/env python3
"""Answers with another amount than was asked for: one is asked about again, what is said for good is for two operators."""

import os
import sys
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import NewsStage  # noqa: E402

AMOUNT = 2200
PART = 500
MORE = 7


class Amounts(NewsStage):
    def charge(self, minor_units=AMOUNT, **more):
        return self.pay(self.add_card("pm_card_visa"), minor_units, **more)

    def refund(self, payment, minor_units):
        return self.call("PaymentService/CreateRefund",
                         {"parent": payment["name"], "requestId": uuid.uuid4().hex,
                          "refund": {"amount": {"currencyCode": "USD", "minorUnits": str(minor_units)}}})

    def lie_once(self, path):
        self.order("other_amount", value=MORE, method="POST", path=path, count=1)

    def lie_for_good(self, path):
        """In whatever is asked of it, by whatever way."""
        self.order("other_amount", value=MORE, path=path, count=1000)

    def incidents(self):
        return self.call("PaymentService/ListIncidents", {"parent": self.customer}, "--as", "operator-demo").get("incidents", [])

    def suspense(self):
        return int(self.sql("SELECT coalesce(-sum(amount), 0) FROM dues.ledger_entry WHERE account = 'suspense' AND "
                            f"customer_id = '{self.customer.split('/')[1]}'"))

    def clearing(self):
        return int(self.sql("SELECT coalesce(sum(amount), 0) FROM dues.ledger_entry WHERE account = 'gateway_clearing:stripe' AND "
                            f"customer_id = '{self.customer.split('/')[1]}'"))

    def ask(self, resolution, operator="operator-demo", **more):
        incident, = [each for each in self.incidents() if each["state"] == "STATE_OPEN"]
        return self.try_call("PaymentService/ResolveIncident",
                             {"name": incident["name"], "etag": incident["etag"], "resolution": "RESOLUTION_" + resolution,
                              "reason": "the dashboard shows it", "requestId": uuid.uuid4().hex, **more}, "--as", operator)

    def resolve(self, resolution):
        for operator in ("operator-demo", "operator-second"):
            asked = self.ask(resolution, operator)
            self.assertEqual(asked.returncode, 0, asked.stderr)
        self.become(lambda: all(each["state"] == "STATE_RESOLVED" for each in self.incidents()), "the resolution")

    def assert_refused(self, answer, *words):
        self.assertNotEqual(answer.returncode, 0)
        for word in words:
            self.assertIn(word, answer.stderr)

    def money(self, thing, field="amount"):
        return int(thing.get(field, {}).get("minorUnits", "0"))

    def assert_ledger(self):
        verified = self.server.dues("ledger", "verify", "--state-dir", self.server.directory)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    # ---- One wrong answer ----

    def test_one_wrong_amount_of_a_charge_harms_nobody(self):
        card = self.add_card("pm_card_visa")
        self.lie_once("/v1/payment_intents")

        payment = self.pay(card, AMOUNT)

        self.assertEqual(payment["state"], "STATE_SUCCEEDED")
        self.assertEqual(self.money(payment, "amountCaptured"), AMOUNT)
        self.assertEqual((self.incidents(), self.suspense(), self.clearing()), ([], 0, AMOUNT))

    def test_one_wrong_amount_of_a_refund_harms_nobody(self):
        payment = self.charge()
        self.lie_once("/v1/refunds")

        refund = self.refund(payment, PART)

        self.applied()
        self.assertEqual(refund["state"], "STATE_SUCCEEDED")
        self.assertEqual(self.money(refund), PART)
        self.assertEqual((self.incidents(), self.suspense(), self.clearing()), ([], 0, AMOUNT - PART))

    def test_what_stripe_does_not_take_is_no_decline_of_a_bank(self):
        payment = self.charge(1)

        self.assertEqual(payment["state"], "STATE_FAILED")
        self.assertEqual(payment["decline"]["code"], "invalid_amount")
        self.assertEqual(payment["decline"]["declineClass"], "DECLINE_CLASS_FIX_DATA")
        self.assertEqual(payment["decline"]["actor"], "ACTOR_MERCHANT")

    def test_what_is_not_sent_to_stripe_is_no_decline_of_a_bank_either(self):
        card = self.add_card("pm_card_visa")
        for currency, minor_units in (("CLF", 100), ("KWD", 1005)):
            payment = self.pay(card, amount={"currencyCode": currency, "minorUnits": str(minor_units)})

            self.assertEqual(payment["state"], "STATE_FAILED", currency)
            self.assertEqual(payment["decline"]["code"], "invalid_amount", currency)
            self.assertEqual(payment["decline"]["actor"], "ACTOR_MERCHANT", currency)
            self.assertEqual(self.intents(payment), [], currency)

    # ---- What the gateway goes on saying ----

    def test_a_charge_of_another_amount_is_recorded_as_it_moved(self):
        card = self.add_card("pm_card_visa")
        self.lie_for_good("/v1/payment_intents")
        payment = self.pay(card, AMOUNT)
        self.applied()
        incident, = self.incidents()

        self.assertEqual(payment["state"], "STATE_PROCESSING")
        self.assertEqual(incident["kind"], "KIND_AMOUNT_MISMATCH")
        self.assertEqual(incident["detail"], "asked for 22.00 USD, the gateway says 22.07 USD")
        self.assertEqual((self.suspense(), self.clearing()), (AMOUNT + MORE, AMOUNT + MORE))
        self.assert_refused(self.ask("POST_FROM_SUSPENSE", account="revenue"), "INCIDENT_RESOLUTION_UNFIT", "MARK_SUCCEEDED")
        self.assert_refused(self.ask("IGNORE"), "INCIDENT_RESOLUTION_UNFIT", "MARK_SUCCEEDED")
        self.assert_refused(self.ask("MARK_FAILED"), "INCIDENT_EVIDENCE_MISSING")

        self.resolve("MARK_SUCCEEDED")
        self.simulator("DELETE", "/_simulator/faults")

        paid = self.call("PaymentService/GetPayment", {"name": payment["name"]})
        self.assertEqual(paid["state"], "STATE_SUCCEEDED")
        self.assertEqual((self.money(paid), self.money(paid, "amountCaptured")), (AMOUNT, AMOUNT + MORE))
        self.assertEqual((self.suspense(), self.clearing()), (0, AMOUNT + MORE))
        self.assertEqual(self.refund(paid, PART)["state"], "STATE_SUCCEEDED")
        self.assertEqual(len(self.incidents()), 1)
        self.assert_ledger()

    def test_a_refund_of_another_amount_counts_as_what_went(self):
        payment = self.charge()
        self.lie_for_good("/v1/refunds")
        refund = self.refund(payment, PART)
        self.applied()
        incident, = self.incidents()

        self.assertEqual(refund["state"], "STATE_PENDING")
        self.assertEqual(incident["kind"], "KIND_AMOUNT_MISMATCH")
        self.assertEqual(self.suspense(), -(PART + MORE))
        self.assert_refused(self.ask("POST_FROM_SUSPENSE", account="refunds"), "INCIDENT_RESOLUTION_UNFIT", "MARK_SUCCEEDED")

        self.resolve("MARK_SUCCEEDED")

        done = self.call("PaymentService/GetRefund", {"name": refund["name"]})
        paid = self.call("PaymentService/GetPayment", {"name": payment["name"]})
        self.assertEqual((done["state"], self.money(done)), ("STATE_SUCCEEDED", PART + MORE))
        self.assertEqual(self.money(paid, "amountRefunded"), PART + MORE)
        self.assertEqual((self.suspense(), self.clearing()), (0, AMOUNT - PART - MORE))
        self.assert_ledger()

    def test_what_the_gateway_takes_back_leaves_suspense(self):
        card = self.add_card("pm_card_visa")
        self.lie_for_good("/v1/payment_intents")
        self.pay(card, AMOUNT)
        self.applied()
        self.assertEqual(self.suspense(), AMOUNT + MORE)

        self.simulator("DELETE", "/_simulator/faults")
        self.resolve("MARK_SUCCEEDED")

        self.assertEqual((self.suspense(), self.clearing()), (0, AMOUNT))
        self.assert_ledger()

    def test_an_authorization_of_another_amount_can_be_captured(self):
        card = self.add_card("pm_card_visa")
        self.lie_for_good("/v1/payment_intents")
        payment = self.pay(card, AMOUNT, captureMode="CAPTURE_MODE_MANUAL")
        self.applied()
        self.assertEqual((payment["state"], self.suspense(), len(self.incidents())), ("STATE_PROCESSING", 0, 1))

        self.resolve("MARK_SUCCEEDED")
        self.simulator("DELETE", "/_simulator/faults")

        held = self.call("PaymentService/GetPayment", {"name": payment["name"]})
        self.assertEqual((held["state"], self.money(held, "amountCapturable")), ("STATE_REQUIRES_CAPTURE", AMOUNT + MORE))
        taken = self.call("PaymentService/CapturePayment", {"name": payment["name"], "requestId": uuid.uuid4().hex,
                          "amount": {"currencyCode": "USD", "minorUnits": str(PART)}, "finalCapture": True})
        self.assertEqual((taken["state"], self.money(taken, "amountCaptured")), ("STATE_SUCCEEDED", PART))
        self.assert_ledger()


if __name__ == "__main__":
    unittest.main()

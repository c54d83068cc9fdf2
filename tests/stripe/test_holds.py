#!/usr/bin/env python3
"""Authorizations that Stripe gives up before their time by our clock: nothing is held, and the payment does not say so any more."""

import json
import os
import sys
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import NewsStage  # noqa: E402

EIGHT_DAYS_S = 8 * 24 * 3600


class Holds(NewsStage):
    def hold(self):
        payment = self.pay(self.add_card("pm_card_visa"), 5000, captureMode="CAPTURE_MODE_MANUAL")
        self.assertEqual(payment["state"], "STATE_REQUIRES_CAPTURE", payment)
        return payment

    def capture(self, payment, minor_units=None, request_id=None):
        request = {"name": payment["name"], "requestId": request_id or uuid.uuid4().hex}
        if minor_units is not None:
            request["amount"] = {"currencyCode": "USD", "minorUnits": str(minor_units)}
        return self.try_call("PaymentService/CapturePayment", request)

    def given_up(self, *payments):
        self.simulator("POST", "/_simulator/clock", {"advance_s": EIGHT_DAYS_S})
        self.become(lambda: all(self.intent(each)["status"] != "requires_capture" for each in payments), "the end of the hold")

    def assert_ended(self, payment, state, captured):
        payment = self.get(payment)
        self.assertEqual(payment["state"], state, payment)
        self.assertEqual(int(payment["amountCapturable"].get("minorUnits", 0)), 0, payment)
        self.assertEqual(int(payment["amountCaptured"].get("minorUnits", 0)), captured, payment)
        of_payment = f"'{payment['name'].split('/')[-1]}'"
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.obligation WHERE subject_id = {of_payment}"), "0")
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.event WHERE subject_id = {of_payment} AND type = "
                                  f"'payment.{state.removeprefix('STATE_').lower()}'"), "1")
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.incident WHERE payment_id = {of_payment}"), "0")
        self.assertEqual(self.groups(payment), 1 if captured else 0)

    def test_who_captures_what_was_given_up_is_told_and_the_payment_ends(self):
        self.order("webhook_lost", count=1000)
        payment = self.hold()
        self.given_up(payment)
        request_id = uuid.uuid4().hex

        refused = self.capture(payment, request_id=request_id)
        again = self.capture(payment, request_id=request_id)

        for each in refused, again:
            self.assertEqual(each.returncode, 64 + 9, each)
            self.assertIn("PAYMENT_NOT_CAPTURABLE", each.stderr)
        self.assertIn("the gateway holds nothing any more, payment is CANCELED", refused.stderr)
        self.assert_ended(payment, "STATE_CANCELED", 0)

    def test_what_was_taken_of_it_stays(self):
        self.order("webhook_lost", count=1000)
        payment = self.hold()
        self.assertEqual(self.capture(payment, 1000).returncode, 0)
        self.given_up(payment)

        refused = self.capture(payment, 500)

        self.assertIn("payment is SUCCEEDED", refused.stderr)
        self.assert_ended(payment, "STATE_SUCCEEDED", 1000)

    def test_a_lost_refusal_is_found_out_and_the_payment_ends(self):
        self.order("webhook_lost", count=1000)
        payment = self.hold()
        self.given_up(payment)
        self.order("error_503", value=1, method="POST", path="/capture", count=1)

        pending = self.capture(payment)
        self.become(lambda: self.get(payment)["state"] != "STATE_REQUIRES_CAPTURE", "the end", 60)

        self.assertEqual(pending.returncode, 0, pending)
        self.assertEqual(json.loads(pending.stdout)["state"], "STATE_REQUIRES_CAPTURE", pending)
        self.assert_ended(payment, "STATE_CANCELED", 0)

    def test_who_captures_nothing_learns_it_from_news(self):
        whole, part = self.hold(), self.hold()
        self.assertEqual(self.capture(part, 1000).returncode, 0)
        self.applied()

        self.given_up(whole, part)
        self.become(lambda: self.get(whole)["state"] != "STATE_REQUIRES_CAPTURE", "the news")
        self.applied()

        self.assert_ended(whole, "STATE_CANCELED", 0)

    def test_who_cancels_it_at_the_gateway_has_canceled_it_here(self):
        payment = self.hold()
        self.applied()

        self.simulator("POST", f"/v1/payment_intents/{self.intent(payment)['id']}/cancel", "", form=True)
        self.become(lambda: self.get(payment)["state"] == "STATE_CANCELED", "the news")

        self.applied()
        self.assert_ended(payment, "STATE_CANCELED", 0)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""`dues dev --gateway stripe-simulator`: the shipped server, the simulator that lies on order, and the shipped client."""

import json
import os
import sys
import threading
import time
import unittest
import urllib.error
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage  # noqa: E402


class Payments(Stage):
    # ---- What the doctor sees ----

    def examine(self, **changes):
        path = os.path.join(self.server.scratch, "doctor.conf")
        with open(path, "w", encoding="ascii") as file:
            for key, value in {**self.settings, **changes}.items():
                file.write(f"{key} = {value}\n")
        result = self.server.dues("doctor", "--config", path, "-o", "json")
        findings = [json.loads(line) for line in result.stdout.splitlines()]
        return [f"{each['finding']}: {each['message']}" for each in findings if each["topic"] in ("gateway", "secrets")]

    def test_the_doctor_asks_stripe(self):
        self.assertIn(f"ok: stripe: {self.settings['stripe_url']} answers and knows the key", self.examine())
        self.assertIn("ok: stripe: the key is for tests", self.examine())
        self.assertIn(f"ok: stripe: tells its news at {self.settings['gateway_news_listen']}", self.examine())

    def test_the_doctor_says_when_stripe_cannot_tell_anything(self):
        self.assertIn("warning: stripe: gateway_news_listen = off, so what Stripe does later is found out late",
                      self.examine(gateway_news_listen="off"))

    def test_the_doctor_sees_a_stripe_that_is_not_there_or_somebody_else(self):
        self.assertIn("libcurl 7", " ".join(self.examine(stripe_url="https://localhost:9")))
        self.assertIn("libcurl 60", " ".join(self.examine(stripe_ca_file="/etc/ssl/certs/ca-certificates.crt")))

    # ---- What happens ----

    def test_a_card_is_charged_and_part_of_it_returned(self):
        card = self.add_card("pm_card_visa")
        self.assertEqual((card["brand"], card["last4"]), ("visa", "4242"))

        payment = self.pay(card)
        self.assertEqual(payment["state"], "STATE_SUCCEEDED", payment)
        refund = self.call("PaymentService/CreateRefund",
                           {"parent": payment["name"], "requestId": uuid.uuid4().hex,
                            "refund": {"amount": {"currencyCode": "USD", "minorUnits": "500"}}})

        self.assertEqual(refund["state"], "STATE_SUCCEEDED", refund)
        intents = self.intents(payment)
        self.assertEqual([each["amount_received"] for each in intents], [1999])
        refunds = self.simulator("GET", f"/v1/refunds?payment_intent={intents[0]['id']}")["data"]
        self.assertEqual([each["amount"] for each in refunds], [500])

    def test_a_decline_says_why(self):
        payment = self.pay(self.add_card("pm_card_chargeCustomerFail"))

        self.assertEqual(payment["state"], "STATE_FAILED", payment)
        self.assertEqual(payment["decline"]["code"], "generic_decline")

    def test_a_card_that_is_refused_is_not_stored(self):
        refused = self.try_call("PaymentService/CreatePaymentMethod",
                                {"parent": self.customer, "requestId": uuid.uuid4().hex,
                                 "paymentMethod": {"gatewayToken": "pm_card_visa_chargeDeclined"}})

        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("gateway_token", refused.stderr)

    def test_a_customer_authenticates(self):
        payment = self.pay(self.add_card("pm_card_authenticationRequired"))
        self.assertEqual(payment["state"], "STATE_REQUIRES_ACTION", payment)
        secret = payment["action"]["clientSecret"]
        intent = secret.split("_secret_")[0]

        waiting = self.call("PaymentService/ConfirmPayment", {"name": payment["name"]})
        self.assertEqual(waiting["state"], "STATE_REQUIRES_ACTION")
        self.simulator("POST", f"/_simulator/stripe/challenge/{intent}?client_secret={secret}", "result=succeeded",
                       form=True)
        paid = self.call("PaymentService/ConfirmPayment", {"name": payment["name"]})

        self.assertEqual(paid["state"], "STATE_SUCCEEDED", paid)
        self.assertEqual(len(self.intents(payment)), 1)

    def test_who_has_to_authenticate_was_not_declined(self):
        decline = self.given_waiting()["decline"]

        self.assertEqual((decline["code"], decline["declineClass"]), ("authentication_required", "DECLINE_CLASS_STEP_UP"))

    def order_of_questions(self, fault, **more):
        self.simulator("POST", "/_simulator/faults", {"fault": fault, "method": "GET", "path": "/v1/payment_intents", **more})

    def confirm(self, payment):
        return self.try_call("PaymentService/ConfirmPayment", {"name": payment["name"]})

    def test_what_was_asked_before_the_customer_came_is_not_what_is_told_after(self):
        payment = self.given_waiting()
        self.simulator("POST", "/_simulator/faults", {"fault": "webhook_lost", "path": "/challenge"})
        self.order_of_questions("late", value=3000, count=1)
        before = threading.Thread(target=self.confirm, args=(payment,))
        before.start()
        while any(each["fault"] == "late" and each["count"] > 0 for each in self.simulator("GET", "/_simulator/faults")["orders"]):
            time.sleep(0.05)

        self.authenticate(payment)
        paid = self.confirm(payment)
        before.join()

        self.assertEqual(json.loads(paid.stdout)["state"], "STATE_SUCCEEDED", paid.stdout)

    def test_a_gateway_that_says_nothing_is_no_customer_who_has_done_nothing(self):
        payment = self.given_waiting()
        self.order_of_questions("error_503", value=1, count=1000)
        self.authenticate(payment)

        refused = self.confirm(payment)
        self.simulator("DELETE", "/_simulator/faults")
        paid = self.confirm(payment)

        self.assertEqual(refused.returncode, 64 + 10, refused.stdout)
        self.assertIn("CONFIRMATION_IN_PROGRESS", refused.stderr)
        self.assertEqual(json.loads(paid.stdout)["state"], "STATE_SUCCEEDED", paid.stdout)

    def test_what_is_held_is_taken_in_parts(self):
        payment = self.pay(self.add_card("pm_card_visa"), 5000, captureMode="CAPTURE_MODE_MANUAL")
        self.assertEqual(payment["state"], "STATE_REQUIRES_CAPTURE", payment)

        for amount, final in ((1000, False), (2000, True)):
            payment = self.call("PaymentService/CapturePayment",
                                {"name": payment["name"], "requestId": uuid.uuid4().hex, "finalCapture": final,
                                 "amount": {"currencyCode": "USD", "minorUnits": str(amount)}})

        self.assertEqual(payment["state"], "STATE_SUCCEEDED", payment)
        self.assertEqual([each["amount_received"] for each in self.intents(payment)], [3000])

    def test_what_is_held_is_let_go_of(self):
        payment = self.pay(self.add_card("pm_card_visa"), 5000, captureMode="CAPTURE_MODE_MANUAL")

        payment = self.call("PaymentService/CancelPayment",
                            {"name": payment["name"], "requestId": uuid.uuid4().hex})

        self.assertEqual(payment["state"], "STATE_CANCELED", payment)
        self.assertEqual([each["status"] for each in self.intents(payment)], ["canceled"])

    def test_a_part_that_was_taken_stays_when_the_rest_is_let_go_of(self):
        payment = self.pay(self.add_card("pm_card_visa"), 5000, captureMode="CAPTURE_MODE_MANUAL")
        self.call("PaymentService/CapturePayment", {"name": payment["name"], "requestId": uuid.uuid4().hex,
                                                    "amount": {"currencyCode": "USD", "minorUnits": "1000"}})

        payment = self.call("PaymentService/CancelPayment", {"name": payment["name"], "requestId": uuid.uuid4().hex})

        self.assertEqual(payment["state"], "STATE_SUCCEEDED", payment)
        self.assertEqual(payment["amountCaptured"]["minorUnits"], "1000")
        intent, = self.intents(payment)
        self.assertEqual((intent["status"], intent["amount_received"], intent["amount_capturable"]), ("canceled", 1000, 0))

    def given_waiting(self, **more):
        payment = self.pay(self.add_card("pm_card_authenticationRequired"), **more)
        self.assertEqual(payment["state"], "STATE_REQUIRES_ACTION", payment)
        return payment

    def authenticate(self, payment, result="succeeded"):
        secret = payment["action"]["clientSecret"]
        return self.simulator("POST", f"/_simulator/stripe/challenge/{secret.split('_secret_')[0]}?client_secret={secret}",
                              f"result={result}", form=True)

    def assert_nobody_can_pay(self, payment):
        intent, = self.intents(payment)
        self.assertEqual((intent["status"], intent["amount_received"]), ("canceled", 0))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.simulator("POST", f"/v1/payment_intents/{intent['id']}/confirm", "payment_method=pm_card_visa", form=True)
        self.assertEqual(refused.exception.code, 400)

    def test_who_failed_to_authenticate_cannot_pay_any_more(self):
        for mode in ("CAPTURE_MODE_AUTOMATIC", "CAPTURE_MODE_MANUAL"):
            payment = self.given_waiting(captureMode=mode)

            self.authenticate(payment, "failed")
            failed = self.call("PaymentService/ConfirmPayment", {"name": payment["name"]})

            self.assertEqual(failed["state"], "STATE_FAILED", failed)
            self.assertEqual(failed["decline"]["code"], "authentication_not_handled")
            self.assert_nobody_can_pay(payment)

    def test_a_decline_after_an_action_waits_until_the_gateway_has_let_go(self):
        for fault in ("error_503", "reset_after", "error_500_after"):
            payment = self.given_waiting()
            self.simulator("POST", "/_simulator/faults", {"fault": fault, "method": "POST", "path": "/cancel", "count": 1})

            self.authenticate(payment, "failed")
            confirmed = self.try_call("PaymentService/ConfirmPayment", {"name": payment["name"]})
            at_once = self.intents(payment)[0]["status"]
            failed = self.settled(payment["name"], waiting=("STATE_REQUIRES_ACTION",), patience_s=150)

            self.assertTrue("STATE_FAILED" not in confirmed.stdout or at_once == "canceled", (fault, confirmed, at_once))
            self.assertEqual(failed["state"], "STATE_FAILED", fault)
            self.assert_nobody_can_pay(payment)

    def try_cancel(self, payment, request_id=None):
        return self.try_call("PaymentService/CancelPayment",
                             {"name": payment["name"], "requestId": request_id or uuid.uuid4().hex})

    def test_who_waits_for_the_customer_can_stop(self):
        for mode in ("CAPTURE_MODE_AUTOMATIC", "CAPTURE_MODE_MANUAL"):
            payment = self.given_waiting(captureMode=mode)
            request_id = uuid.uuid4().hex

            canceled = self.try_cancel(payment, request_id)
            again = self.try_cancel(payment, request_id)

            self.assertEqual(canceled.returncode, 0, canceled.stderr)
            self.assertEqual(json.loads(canceled.stdout)["state"], "STATE_CANCELED")
            self.assertEqual(again.stdout, canceled.stdout)
            self.assertEqual([each["status"] for each in self.intents(payment)], ["canceled"])

    def test_who_stops_waiting_hears_of_a_customer_who_was_faster(self):
        paid, held = self.given_waiting(), self.given_waiting(captureMode="CAPTURE_MODE_MANUAL")
        self.authenticate(paid)
        self.authenticate(held)

        refused, canceled = self.try_cancel(paid), self.try_cancel(held)

        self.assertEqual(refused.returncode, 64 + 9)
        self.assertIn("PAYMENT_NOT_CANCELABLE: payment is SUCCEEDED", refused.stderr)
        self.assertEqual([each["status"] for each in self.intents(paid)], ["succeeded"])
        self.assertEqual(canceled.returncode, 0, canceled.stderr)
        self.assertEqual(json.loads(canceled.stdout)["state"], "STATE_CANCELED")
        self.assertEqual([each["status"] for each in self.intents(held)], ["canceled"])

    def test_a_customer_and_a_cancellation_at_the_same_moment_end_as_one_of_them(self):
        for number in range(6):
            payment = self.given_waiting()
            customer = threading.Thread(target=self.authenticate_if_still_asked, args=(payment,))
            customer.start()
            time.sleep(number * 0.004)
            canceled = self.try_cancel(payment)
            customer.join()

            payment = self.call("PaymentService/GetPayment", {"name": payment["name"]})
            status = self.intents(payment)[0]["status"]
            self.assertEqual((payment["state"], canceled.returncode, status),
                             ("STATE_CANCELED", 0, "canceled") if canceled.returncode == 0
                             else ("STATE_SUCCEEDED", 64 + 9, "succeeded"))

    def authenticate_if_still_asked(self, payment):
        try:
            self.authenticate(payment)
        except urllib.error.HTTPError:
            pass  # it was canceled before

    def test_a_lost_answer_to_a_cancellation_is_found_out(self):
        # News of the intent may say meanwhile that it waits still: then the next look is a minute later.
        for fault in ("reset_after", "error_500_after", "error_503"):
            payment = self.given_waiting()
            request_id = uuid.uuid4().hex
            self.simulator("POST", "/_simulator/faults", {"fault": fault, "method": "POST",
                                                          "path": "/cancel", "count": 1})
            self.try_cancel(payment, request_id)
            payment = self.settled(payment["name"], waiting=("STATE_REQUIRES_ACTION",), patience_s=150)
            again = self.try_cancel(payment, request_id)

            self.assertEqual(payment["state"], "STATE_CANCELED", fault)
            self.assertEqual(json.loads(again.stdout)["state"], "STATE_CANCELED")
            self.assertEqual([each["status"] for each in self.intents(payment)], ["canceled"], fault)

    def test_no_lie_charges_twice(self):
        card = self.add_card("pm_card_visa")
        for fault in ("reset_after", "truncate", "other_object", "error_503", "too_many_requests", "error_500_after"):
            self.simulator("POST", "/_simulator/faults", {"fault": fault, "method": "POST",
                                                          "path": "/v1/payment_intents", "count": 1})
            request = self.payment_request(card)
            payment = self.call("PaymentService/CreatePayment", request)
            payment = self.settled(payment["name"])
            again = self.call("PaymentService/CreatePayment", request)

            self.assertEqual(payment["state"], "STATE_SUCCEEDED", (fault, payment))
            self.assertEqual(again["name"], payment["name"])
            self.assertEqual([each["status"] for each in self.intents(payment)], ["succeeded"], fault)


if __name__ == "__main__":
    unittest.main()

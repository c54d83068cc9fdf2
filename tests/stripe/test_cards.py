#!/usr/bin/env python3
"""What a Stripe that lies on order hears of cards that were deleted or changed here: late if need be, and then for good."""

import os
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage  # noqa: E402

PATIENCE_S = 60


class Cards(Stage):
    def sql(self, text):
        host = self.settings["database"].split("'")[1]
        result = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-h", host, "-U", "postgres", "-d", "dues", "-c", text],
                                check=True, capture_output=True, text=True)
        return result.stdout.strip()

    def order(self, fault, **more):
        self.simulator("POST", "/_simulator/faults", {"fault": fault, "method": "POST", **more})

    def become(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {PATIENCE_S} s")

    def add(self, token="pm_card_visa"):
        """Our card, and Stripe's."""
        card = self.add_card(token)
        return card, self.simulator("GET", "/v1/events?type=payment_method.attached&limit=1")["data"][0]["data"]["object"]["id"]

    def delete(self, card):
        self.become(lambda: self.is_deleted(card), "the card's deletion")

    def is_deleted(self, card):
        """Not while news of a payment with it are looked at, which may be in this moment."""
        result = self.try_call("PaymentService/DeletePaymentMethod", {"name": card["name"], "requestId": uuid.uuid4().hex})
        is_in_use = "PAYMENT_METHOD_IN_USE: what became of a charge" in result.stderr
        self.assertTrue(is_in_use or result.returncode == 0, result.stderr)
        return not is_in_use

    def change(self, card, month, year):
        return self.call("PaymentService/UpdatePaymentMethod",
                         {"paymentMethod": {"name": card["name"], "expMonth": month, "expYear": year}, "updateMask": "expMonth,expYear",
                          "requestId": uuid.uuid4().hex})

    def told(self, method):
        return self.simulator("GET", f"/v1/payment_methods/{method}")

    def expiry(self, method):
        card = self.told(method)["card"]
        return card["exp_month"], card["exp_year"]

    def owed(self, card):
        return self.sql(f"SELECT count(*) FROM dues.obligation WHERE subject_id = '{card['name'].rsplit('/', 1)[1]}'") != "0"

    def token_size(self, card):
        return int(self.sql("SELECT length(token_sealed) FROM dues.payment_method "
                            f"WHERE payment_method_id = '{card['name'].rsplit('/', 1)[1]}'"))

    def test_a_deleted_card_is_stripes_no_more_and_its_token_is_forgotten(self):
        card, method = self.add()
        self.assertIsNotNone(self.told(method)["customer"])

        self.delete(card)

        self.become(lambda: self.told(method)["customer"] is None, "detached")
        self.become(lambda: not self.owed(card), "nothing more to tell")
        self.assertEqual(self.token_size(card), 0)

    def test_it_is_told_again_until_stripe_has_heard(self):
        for fault in ("reset_after", "error_500_after", "error_503", "too_many_requests"):
            card, method = self.add()
            self.order(fault, path="/detach", count=2)

            self.delete(card)

            self.become(lambda: not self.owed(card), fault)
            self.assertIsNone(self.told(method)["customer"], fault)
            self.assertEqual(self.token_size(card), 0)

    def test_what_stripe_let_go_of_by_itself_is_let_go_of(self):
        card, method = self.add()
        self.simulator("POST", f"/v1/payment_methods/{method}/detach", "", form=True)

        self.delete(card)

        self.become(lambda: not self.owed(card), "nothing more to tell")
        self.assertEqual(self.token_size(card), 0)

    def test_a_card_that_was_stored_twice_stays_until_both_are_deleted(self):
        card, method = self.add()
        again = self.add_card(method)

        self.delete(card)
        self.become(lambda: not self.owed(card), "nothing more to tell")
        attached = self.told(method)["customer"]
        paid = self.pay(again)
        self.delete(again)

        self.assertIsNotNone(attached)
        self.assertEqual(paid["state"], "STATE_SUCCEEDED", paid)
        self.become(lambda: self.told(method)["customer"] is None, "detached")

    def test_a_customer_who_authenticates_may_do_so(self):
        card, method = self.add("pm_card_authenticationRequired")
        payment = self.pay(card)
        self.assertEqual(payment["state"], "STATE_REQUIRES_ACTION", payment)

        self.delete(card)
        self.become(lambda: self.sql("SELECT due_time > now() + interval '30 min' FROM dues.obligation WHERE kind = "
                                     f"'payment_method.detach' AND business_key = '{card['name'].rsplit('/', 1)[1]}'") == "t", "it waits")
        secret = payment["action"]["clientSecret"]
        self.simulator("POST", f"/_simulator/stripe/challenge/{secret.split('_secret_')[0]}?client_secret={secret}", "result=succeeded",
                       form=True)
        self.call("PaymentService/ConfirmPayment", {"name": payment["name"]})
        # News of it may be looked at in this moment; then the answer is that it waits still.
        paid = self.settled(payment["name"], waiting=("STATE_REQUIRES_ACTION",))

        self.assertEqual(paid["state"], "STATE_SUCCEEDED", paid)
        self.assertIsNotNone(self.told(method)["customer"])

    def test_what_people_have_to_decide_about_keeps_the_card(self):
        card, method = self.add("pm_card_authenticationRequired")
        payment = self.pay(card)["name"].rsplit("/", 1)[1]
        self.delete(card)
        own = f"kind = 'payment_method.detach' AND business_key = '{card['name'].rsplit('/', 1)[1]}'"
        waits = f"SELECT due_time > now() + interval '30 min' FROM dues.obligation WHERE {own}"
        self.become(lambda: self.sql(waits) == "t", "it waits for the customer")

        self.sql(f"UPDATE dues.attempt SET state = 'MANUAL' WHERE payment_id = '{payment}'; "
                 f"DELETE FROM dues.payment_action WHERE payment_id = '{payment}'; "
                 f"UPDATE dues.obligation SET due_time = now() WHERE {own}")
        self.become(lambda: self.sql(waits) != "f", "it waits for people, or is over")

        self.assertEqual(self.sql(waits), "t")
        self.assertIsNotNone(self.told(method)["customer"])
        self.assertGreater(self.token_size(card), 0)

    def test_a_new_expiry_is_told(self):
        card, method = self.add()
        self.order("error_500_after", path=f"/v1/payment_methods/{method}", count=1)

        self.change(card, 3, 2037)
        self.change(card, 4, 2038)

        self.become(lambda: not self.owed(card), "told")
        self.assertEqual(self.expiry(method), (4, 2038))
        self.assertEqual(self.call("PaymentService/GetPaymentMethod", {"name": card["name"]})["expYear"], 2038)

    def test_an_expiry_that_stripe_refuses_stays_ours(self):
        card, method = self.add()
        before = self.expiry(method)

        self.change(card, 1, 2001)

        self.become(lambda: not self.owed(card), "told")
        self.assertEqual(self.expiry(method), before)
        self.assertEqual(self.call("PaymentService/GetPaymentMethod", {"name": card["name"]})["expYear"], 2001)

    def test_a_card_deleted_before_stripe_heard_of_its_expiry(self):
        card, method = self.add()
        self.order("error_503", path=f"/v1/payment_methods/{method}", count=3)

        self.change(card, 5, 2036)
        self.delete(card)

        self.become(lambda: not self.owed(card), "nothing more to tell")
        self.assertIsNone(self.told(method)["customer"])
        self.assertEqual(self.call("PaymentService/GetPaymentMethod", {"name": card["name"]})["state"], "STATE_DELETED")


if __name__ == "__main__":
    unittest.main()

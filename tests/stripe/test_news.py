#!/usr/bin/env python3
"""What Stripe tells by itself, sent by the simulator that lies on order: however it comes, what the server has in the end is what the
simulator's journal has, and nothing is done twice."""

import concurrent.futures
import hashlib
import hmac
import json
import os
import socket
import ssl
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import NewsStage  # noqa: E402

# Before these the server would not look by itself: a minute for what waits for its customer, an hour for refunds.
SOON_S = 20


class News(NewsStage):
    def assert_same(self, payment):
        """The truth of the journal is ours."""
        intent = self.intent(payment)
        ours = self.get(payment)
        state = {"succeeded": "STATE_SUCCEEDED", "requires_capture": "STATE_REQUIRES_CAPTURE",
                 "requires_payment_method": "STATE_FAILED", "canceled": "STATE_CANCELED"}[intent["status"]]
        self.assertEqual(ours["state"], state, (intent, ours))
        self.assertEqual(int(ours.get("amountCaptured", {}).get("minorUnits", 0)), intent["amount_received"])
        refunds = self.simulator("GET", f"/v1/refunds?payment_intent={intent['id']}")["data"]
        self.assertEqual(int(ours.get("amountRefunded", {}).get("minorUnits", 0)),
                         sum(each["amount"] for each in refunds if each["status"] == "succeeded"))

    # ---- How it is taken ----

    def test_news_of_what_is_known_cost_nothing(self):
        payment = self.pay(self.add_card("pm_card_visa"))
        intent = self.intent(payment)

        self.told(intent["id"], "payment_intent.succeeded")

        self.assertEqual(self.groups(payment), 1)
        self.assertEqual(self.sql("SELECT count(*) FROM dues.news WHERE state IN ('APPLIED', 'IGNORED') AND body_sealed IS NOT NULL"),
                         "0")
        self.assert_same(payment)

    def test_a_payment_is_known_before_its_own_answer(self):
        card = self.add_card("pm_card_visa")
        self.order("webhook_early", method="POST", path="/v1/payment_intents", count=1)
        self.order("late", value=15000, method="POST", path="/v1/payment_intents", count=1)
        request = self.payment_request(card)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(self.call, "PaymentService/CreatePayment", request)
            self.become(lambda: self.listed() == ["STATE_SUCCEEDED"], "a payment by its news", 14)
            self.assertFalse(asked.done())
            payment = asked.result()

        self.assertEqual(payment["state"], "STATE_SUCCEEDED")
        self.assertEqual(self.groups(payment), 1)
        self.assert_same(payment)

    def listed(self):
        return [each["state"] for each in self.call("PaymentService/ListPayments", {"parent": self.customer}).get("payments", [])]

    def test_a_lost_answer_is_made_up_for_by_news(self):
        card = self.add_card("pm_card_visa")
        self.order("reset_after", value=0, method="POST", path="/v1/payment_intents", count=1)

        payment = self.pay(card)
        self.become(lambda: self.get(payment)["state"] == "STATE_SUCCEEDED", "the payment")

        self.told(self.intent(payment)["id"], "payment_intent.succeeded")
        self.assertEqual(self.groups(payment), 1)
        self.assert_same(payment)

    def test_a_customer_who_never_comes_back_to_the_app_has_paid(self):
        payment = self.pay(self.add_card("pm_card_authenticationRequired"))
        self.assertEqual(payment["state"], "STATE_REQUIRES_ACTION", payment)
        secret = payment["action"]["clientSecret"]
        intent = secret.split("_secret_")[0]

        self.simulator("POST", f"/_simulator/stripe/challenge/{intent}?client_secret={secret}", "result=succeeded", form=True)

        self.become(lambda: self.get(payment)["state"] == "STATE_SUCCEEDED", "the payment", SOON_S)
        self.assertEqual(self.groups(payment), 1)
        self.assert_same(payment)

    def test_what_news_recorded_from_before_hides_nothing_from_who_asked_later(self):
        payment = self.pay(self.add_card("pm_card_authenticationRequired"))
        self.applied()
        secret = payment["action"]["clientSecret"]
        self.order("webhook_lost", path="/challenge")
        self.simulator("POST", f"/_simulator/stripe/challenge/{secret.split('_secret_')[0]}?client_secret={secret}",
                       "result=succeeded", form=True)
        self.order("late", value=3000, method="GET", path="/v1/payment_intents", count=1)
        of_payment = f"WHERE payment_id = '{payment['name'].split('/')[-1]}'"

        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(self.call, "PaymentService/ConfirmPayment", {"name": payment["name"]})
            self.become(lambda: self.sql(f"SELECT state FROM dues.attempt {of_payment}") != "REQUIRES_ACTION", "the question")
            # As news do that heard of it before the customer came.
            self.sql(f"UPDATE dues.attempt SET state = 'REQUIRES_ACTION', lease_until = NULL {of_payment} AND state = 'RESOLVING'")
            paid = asked.result()

        self.assertEqual(paid["state"], "STATE_SUCCEEDED", paid)
        self.assertEqual(self.groups(payment), 1)

    def test_a_refund_that_fails_later_is_reversed_at_once(self):
        payment = self.pay(self.add_card("pm_card_refundFail"))

        refund = self.refund(payment, 500)
        self.become(lambda: self.call("PaymentService/GetRefund", {"name": refund["name"]})["state"] == "STATE_FAILED",
                    "the refund's failure", SOON_S)

        self.applied()
        self.assert_same(payment)

    def test_a_refund_that_pends_succeeds_when_it_does(self):
        payment = self.pay(self.add_card("pm_card_pendingRefund"))

        refund = self.refund(payment, 700)
        self.become(lambda: self.call("PaymentService/GetRefund", {"name": refund["name"]})["state"] == "STATE_SUCCEEDED", "the refund")

        self.applied()
        self.assert_same(payment)

    def test_a_card_that_its_bank_renewed_is_shown_renewed(self):
        card = self.add_card("pm_card_visa")
        methods = self.simulator("GET", "/v1/events?type=payment_method.attached&limit=1")["data"]
        method = methods[0]["data"]["object"]["id"]

        self.simulator("POST", f"/v1/payment_methods/{method}", "card[exp_month]=7&card[exp_year]=2039", form=True)

        self.become(lambda: self.call("PaymentService/GetPaymentMethod", {"name": card["name"]})["expYear"] == 2039, "the new card")
        self.applied()

    def test_a_dispute_is_known_at_once(self):
        payment = self.pay(self.add_card("pm_card_createDispute"))

        self.become(lambda: self.call("PaymentService/ListDisputes", {"parent": self.customer}).get("disputes"), "the dispute")

        self.applied()
        dispute = self.call("PaymentService/ListDisputes", {"parent": self.customer})["disputes"][0]
        self.assertIn(payment["name"].split("/")[-1], json.dumps(dispute))

    # ---- In any order, any number of times ----

    def test_duplicates_and_wrong_order_change_nothing(self):
        card = self.add_card("pm_card_visa")
        before = self.metric("dues_news_total", outcome="duplicate")
        self.order("webhook_duplicate", value=4, count=100)
        self.order("webhook_reorder", count=100)

        payment = self.pay(card, 5000, captureMode="CAPTURE_MODE_MANUAL")
        self.call("PaymentService/CapturePayment", {"name": payment["name"], "requestId": uuid.uuid4().hex})
        self.refund(payment, 1200)

        intent = self.intent(payment)
        self.assertEqual(self.told(intent["id"], "payment_intent.succeeded"), 1)
        self.become(lambda: self.metric("dues_news_total", outcome="duplicate") >= before + 9, "the duplicates")
        self.applied()
        self.assertEqual(self.sql("SELECT count(*) FROM dues.incident"), "0")
        self.assert_same(payment)

    def test_every_way_to_come_ends_the_same(self):
        cards = [self.add_card(token) for token in ("pm_card_visa", "pm_card_chargeCustomerFail")]
        ways = ("webhook_early", "webhook_late", "webhook_lost", "webhook_duplicate", "webhook_reorder", "webhook_forged",
                "webhook_skewed")
        payments = []
        for way in ways:
            self.simulator("DELETE", "/_simulator/faults")
            self.order(way, value=1000 if way == "webhook_late" else 400 if way == "webhook_skewed" else 2, count=100)
            payments += [self.pay(card) for card in cards]
            self.refund(payments[-2], 100)
        self.simulator("DELETE", "/_simulator/faults")

        self.applied()
        for payment in payments:
            self.assert_same(payment)
        self.assertEqual(self.sql("SELECT count(*) FROM dues.incident"), "0")

    # ---- What is not taken ----

    def post(self, body, signature, path="/v1/gateways/stripe/news", method="POST", announced=None):
        context = ssl.create_default_context(cafile=self.settings["stripe_ca_file"])
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {announced or len(body)}\r\n"
        if signature is not None:
            head += f"Stripe-Signature: {signature}\r\n"
        with socket.create_connection(self.listener, timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(head.encode() + b"\r\n" + body)
                return int(connection.makefile("rb").readline().split()[1])

    def sign(self, body, at=None, secret=None):
        at = int(time.time() if at is None else at)
        tag = hmac.new((secret or self.signing_secret).encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return f"t={at},v1={tag}"

    def test_what_is_not_stripes_is_refused_and_counted(self):
        body = b'{"id": "evt_1", "object": "event", "type": "x", "livemode": false, "created": 1, "data": {"object": {}}}'
        stored = self.sql("SELECT count(*) FROM dues.news WHERE event_id = 'evt_1'")
        cases = {
            "unsigned": (body, None), "forged": (body, self.sign(body, secret="whsec_another_secret")),
            "stale": (body, self.sign(body, at=time.time() - 400)), "unreadable": (b"{}", self.sign(b"{}")),
        }
        for reason, (text, signature) in cases.items():
            before = self.metric("dues_news_refused_total", reason=reason)
            self.assertEqual(self.post(text, signature), 400, reason)
            self.assertEqual(self.metric("dues_news_refused_total", reason=reason), before + 1, reason)

        self.assertEqual(self.post(body, self.sign(body), path="/v1/gateways/sandbox/news"), 404)
        self.assertEqual(self.post(body, self.sign(body), path="/"), 404)
        self.assertEqual(self.post(b"", None, method="GET"), 405)
        self.assertEqual(self.post(b"", self.sign(b""), announced=300000), 413)
        self.assertEqual(self.sql("SELECT count(*) FROM dues.news WHERE event_id = 'evt_1'"), stored)
        self.assertNotIn(self.signing_secret, self.server.said())

    def test_what_is_nobodys_is_quarantined(self):
        stranger = self.simulator("POST", "/v1/payment_intents", "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true"
                                  "&payment_method_types[0]=card", form=True)

        self.become(lambda: "QUARANTINED" in self.sql(f"SELECT state FROM dues.news WHERE object_id = '{stranger['id']}'"),
                    "the quarantine")

        self.assertEqual(self.sql("SELECT count(*) FROM dues.incident WHERE kind = 'UNMATCHED_NEWS'"), "0")

    def test_a_dispute_of_a_strangers_payment_is_nobodys(self):
        stranger = self.simulator("POST", "/v1/payment_intents", "amount=500&currency=usd&payment_method=pm_card_createDispute"
                                  "&confirm=true&payment_method_types[0]=card", form=True)

        self.become(lambda: self.sql("SELECT DISTINCT state FROM dues.news WHERE kind = 'DISPUTE' AND "
                                     f"belongs_to = '{stranger['id']}'") == "QUARANTINED", "the quarantine")

        self.assertEqual(self.sql("SELECT count(*) FROM dues.incident WHERE kind = 'UNMATCHED_NEWS'"), "0")

    def test_a_refund_at_the_gateway_alone_is_for_people(self):
        payment = self.pay(self.add_card("pm_card_visa"))
        refund = self.simulator("POST", "/v1/refunds", f"payment_intent={self.intent(payment)['id']}&amount=100", form=True)

        self.become(lambda: self.sql(f"SELECT kind || ' ' || payment_id FROM dues.incident WHERE subject = 'stripe {refund['id']}'")
                    == f"REFUNDED_AT_GATEWAY_ONLY {payment['name'].split('/')[-1]}", "the incident, and what it is about")
        incident = "customers/" + self.sql("SELECT customer_id || '/incidents/' || incident_id FROM dues.incident")
        unfit = self.server.dues("incidents", "resolve", "--state-dir", self.server.directory, incident, "--resolution",
                                 "post_from_suspense", "--account", "refunds", "--reason", "a colleague at the desk")

        self.assertEqual(unfit.returncode, 64 + 9, unfit)
        self.assertIn("INCIDENT_RESOLUTION_UNFIT", unfit.stderr)
        self.assertIn("a reconciliation", unfit.stderr)
        self.sql("DELETE FROM dues.incident")

    def test_a_refund_that_stripe_does_not_take_says_why(self):
        payment = self.pay(self.add_card("pm_card_visa"))
        self.order("webhook_lost", count=1000)
        self.simulator("POST", "/v1/refunds", f"payment_intent={self.intent(payment)['id']}", form=True)

        refund = self.refund(payment, 100)

        self.assertEqual((refund["state"], refund["failureCode"]), ("STATE_FAILED", "charge_already_refunded"))

    def given_desk_refund_that_fails_unheard(self, payment):
        """As a run and two operators have left it, before anybody heard that it failed."""
        for method in ("", "TASK"):
            self.order("webhook_lost", method=method, count=1000)
        refund = self.simulator("POST", "/v1/refunds", f"payment_intent={self.intent(payment)['id']}&amount=100", form=True)
        self.become(lambda: self.simulator("GET", f"/v1/refunds/{refund['id']}")["status"] == "failed", "the failure there")
        self.simulator("DELETE", "/_simulator/faults")
        _, customer, _, payment_id = payment["name"].split("/")
        self.sql(f"""SET search_path = dues;
            SELECT reconciliation_differs('{customer}', gen_random_uuid(), 'REFUNDED_AT_GATEWAY_ONLY', 'stripe {refund['id']}', 'listed',
                                          NULL, '{payment_id}', 'stripe', '{refund['id']}', 'USD', 100, -100, false, now());
            UPDATE incident SET state = 'APPROVED', version = version + 1, resolution = 'POST_FROM_SUSPENSE', account = 'refunds'
             WHERE subject = 'stripe {refund['id']}';
            SELECT obligation_add(customer_id, 'incident.resolve', incident_id::text, incident_id, now(), false, now())
              FROM incident WHERE subject = 'stripe {refund['id']}'""")
        self.become(lambda: self.get(payment).get("amountRefunded", {}).get("minorUnits") == "100", "the refund")
        return refund

    def test_a_refund_at_the_gateway_alone_that_fails_later_is_reversed_once(self):
        payment = self.pay(self.add_card("pm_card_refundFail"))
        refund = self.given_desk_refund_that_fails_unheard(payment)
        customer = self.customer.split("/")[1]

        for note in ("first", "second"):
            self.simulator("POST", f"/v1/refunds/{refund['id']}", f"metadata[note]={note}", form=True)
        self.become(lambda: self.sql(f"SELECT state || ' ' || failure_code FROM dues.refund WHERE customer_id = '{customer}'")
                    == "FAILED expired_or_canceled_card", "the refund's failure")
        self.become(lambda: self.sql("SELECT count(*) FROM dues.news WHERE type = 'refund.updated' AND state IN ('APPLIED', 'QUARANTINED')"
                                     f" AND object_id = '{refund['id']}'") == "2", "both news")

        self.assert_same(payment)
        self.assertEqual(self.sql("SELECT string_agg(account || ' ' || sum, ', ' ORDER BY account) FROM (SELECT account, sum(amount) FROM "
                                  f"dues.ledger_entry WHERE customer_id = '{customer}' AND account <> 'revenue' GROUP BY account) AS s"),
                         f"gateway_clearing:stripe {self.get(payment)['amountCaptured']['minorUnits']}, refunds 0, suspense 0")
        self.assertEqual(self.sql(f"SELECT count(*) FROM dues.event WHERE customer_id = '{customer}' AND type = 'refund.failed'"), "1")
        self.sql("DELETE FROM dues.incident")

    def test_a_crash_between_storing_and_applying_loses_nothing(self):
        payment = self.pay(self.add_card("pm_card_authenticationRequired"))
        secret = payment["action"]["clientSecret"]
        intent = secret.split("_secret_")[0]
        self.order("too_many_requests", value=1, method="GET", path="/v1/payment_intents", count=1000)
        self.simulator("POST", f"/_simulator/stripe/challenge/{intent}?client_secret={secret}", "result=succeeded", form=True)
        owed = f"SELECT count(*) FROM dues.news WHERE object_id = '{intent}' AND type = 'payment_intent.succeeded' AND state = 'OWED'"
        self.become(lambda: self.sql(owed) == "1", "the news")
        kept = f"SELECT count(*) FROM dues.news WHERE object_id = '{intent}' AND length(body_sealed) > 100"
        self.assertNotEqual(self.sql(kept), "0")
        self.assertEqual(self.get(payment)["state"], "STATE_REQUIRES_ACTION")

        self.server.kill_server()
        self.server.start()
        self.read_settings()

        self.become(lambda: self.get(payment)["state"] == "STATE_SUCCEEDED", "the payment", SOON_S)
        self.applied()
        self.assertEqual(self.sql(kept), "0")
        self.assertEqual(self.groups(payment), 1)

    def test_when_the_gateways_clock_is_ahead_news_are_taken(self):
        self.simulator("POST", "/_simulator/clock", {"advance_s": 3600})
        stale = self.metric("dues_news_refused_total", reason="stale")

        payment = self.pay(self.add_card("pm_card_visa"))

        self.told(self.intent(payment)["id"], "payment_intent.succeeded")
        self.assertEqual(self.metric("dues_news_refused_total", reason="stale"), stale)


if __name__ == "__main__":
    unittest.main()

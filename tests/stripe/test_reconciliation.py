#!/usr/bin/env python3
"""Reconciliation with Stripe's books, kept by the simulator: what differs is found and mended or opened, once."""

import os
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import NewsStage  # noqa: E402

AMOUNT = 1999
FEE = 88  # 2.9 % and 0.30
DISPUTE_FEE = 1500
RUN_S = 90


class Reconciliation(NewsStage):
    def begin_run(self):
        time.sleep(1.1)  # Stripe's times are seconds; what is done in this one is listed by the next run
        return self.operate("PaymentService/RunReconciliation", {"gateway": "stripe", "requestId": uuid.uuid4().hex})["name"]

    def find_run(self, name):
        runs = self.operate("PaymentService/ListReconciliations", {"gateway": "stripe", "pageSize": 100})["reconciliations"]
        return next(each for each in runs if each["name"] == name)

    def ended(self, name):
        self.become(lambda: self.find_run(name)["state"] != "STATE_RUNNING", "the end of the run", RUN_S)
        run = self.find_run(name)
        self.assertEqual(run["state"], "STATE_SUCCEEDED", run)
        return run

    def reconcile(self):
        return self.ended(self.begin_run())

    def operate(self, method, request):
        return self.call(method, request, "--as", "operator-demo")

    def uuid_of(self, thing):
        return thing["name"].split("/")[-1]

    def incidents(self, subject):
        """Kinds of those that name this."""
        rows = self.sql(f"SELECT kind FROM dues.incident WHERE subject LIKE '%{subject}%' ORDER BY 1")
        return rows.split("\n") if rows else []

    def fees(self):
        return int(self.sql("SELECT coalesce(sum(amount), 0) FROM dues.ledger_entry WHERE account = 'fees' AND customer_id = "
                            f"'{self.customer.split('/')[1]}'"))

    def suspense(self, subject):
        return int(self.sql("SELECT coalesce(sum(e.amount), 0) FROM dues.ledger_entry e JOIN dues.incident i ON i.customer_id = "
                            "e.customer_id AND i.incident_id = e.group_id WHERE e.account = 'suspense' AND i.subject LIKE "
                            f"'%{subject}%'"))

    def make_older(self, payment, age="20 minutes"):
        """So that the gateway must have listed what was sent for it."""
        self.sql(f"UPDATE dues.attempt SET first_sent_time = now() - interval '{age}' WHERE payment_id = '{self.uuid_of(payment)}'")

    def charge_elsewhere(self, amount, reference):
        """A charge with a reference of ours that we know nothing of, once the gateway lists it: a moment after it was made."""
        intent = self.simulator("POST", "/v1/payment_intents", f"amount={amount}&currency=usd&payment_method=pm_card_visa"
                                f"&confirm=true&payment_method_types[0]=card&metadata[attempt_id]={reference}", form=True)
        self.become(lambda: any(each["source"] == intent["latest_charge"] for each in
                                self.simulator("GET", "/v1/balance_transactions?limit=100")["data"]), "its line in the books")
        return intent

    def lose_news(self):
        for method in ("", "TASK"):
            self.order("webhook_lost", method=method, count=1000)

    def assert_ledger(self):
        verified = self.server.dues("ledger", "verify", "--state-dir", self.server.directory)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    # ---- What is the same, and what it costs ----

    def test_books_that_agree_cost_fees_once(self):
        payment = self.pay(self.add_card("pm_card_visa"), AMOUNT)

        first = self.reconcile()
        second = self.reconcile()

        self.assertGreaterEqual(int(first["entryCount"]), 1)
        self.assertEqual(self.fees(), FEE)
        self.assertEqual(second.get("feeCount", "0"), "0")
        self.assertEqual(second.get("incidentCount", "0"), "0")
        self.assertEqual(self.incidents(self.uuid_of(payment)) + self.incidents(self.intent(payment)["id"]), [])
        self.assert_ledger()

    def test_a_dispute_that_nobody_heard_of_is_learned_with_its_fee_once(self):
        self.lose_news()
        self.pay(self.add_card("pm_card_createDispute"), AMOUNT)
        ours = f"SELECT sum(fee) FROM dues.dispute WHERE customer_id = '{self.customer.split('/')[1]}'"
        self.become(lambda: any(each["amount"] == -AMOUNT and each["reporting_category"] == "dispute" for each in
                                self.simulator("GET", "/v1/balance_transactions?limit=100")["data"][:3]), "the withdrawal")

        run = self.reconcile()
        self.reconcile()

        self.assertGreaterEqual(int(run["mendedCount"]), 1)
        self.assertEqual(self.sql(ours), str(DISPUTE_FEE))
        self.assertEqual(self.fees(), FEE + DISPUTE_FEE)
        self.assert_ledger()

    # ---- What is mended ----

    def test_a_payment_whose_answer_nobody_heard_is_found_out(self):
        card = self.add_card("pm_card_visa")
        self.lose_news()
        self.order("reset_after", value=0, method="POST", path="/v1/payment_intents", count=1000)
        self.order("too_many_requests", value=1, method="GET", path="/v1/payment_intents", count=1000)
        payment = self.pay(card, AMOUNT)
        self.assertEqual(payment["state"], "STATE_PROCESSING")
        self.sql("UPDATE dues.obligation SET due_time = now() + interval '1 hour', lease_until = NULL WHERE kind = 'payment.resolve'")
        self.simulator("DELETE", "/_simulator/faults")

        run = self.reconcile()

        self.become(lambda: self.get(payment)["state"] == "STATE_SUCCEEDED", "the payment")
        self.assertGreaterEqual(int(run["mendedCount"]), 1)
        self.assertEqual(self.groups(payment), 1)
        self.assertEqual(self.incidents(self.uuid_of(payment)), [])

    def test_a_refund_that_came_back_unheard_is_reversed(self):
        card = self.add_card("pm_card_refundFail")
        payment = self.pay(card, AMOUNT)
        self.lose_news()
        refund = self.refund(payment, 500)
        self.become(lambda: any(each["type"] == "refund_failure" for each in
                                self.simulator("GET", "/v1/balance_transactions?limit=100")["data"][:3]), "the failure there")
        self.assertEqual(self.call("PaymentService/GetRefund", {"name": refund["name"]})["state"], "STATE_SUCCEEDED")
        self.make_older(payment)

        run = self.reconcile()

        self.become(lambda: self.call("PaymentService/GetRefund", {"name": refund["name"]})["state"] == "STATE_FAILED", "the reversal")
        self.assertGreaterEqual(int(run["mendedCount"]), 1)
        self.assertEqual(self.sql("SELECT sum(amount) FROM dues.ledger_entry WHERE account = 'refunds' AND customer_id = "
                                  f"'{self.customer.split('/')[1]}'"), "0")
        self.assertEqual(self.incidents(self.uuid_of(refund)), [])
        self.assert_ledger()

    # ---- What is for people ----

    def test_what_only_the_gateway_has_is_opened_once(self):
        intent = self.charge_elsewhere(700, uuid.uuid4())

        self.reconcile()
        self.reconcile()

        self.assertEqual(self.incidents(intent["id"]), ["GATEWAY_ONLY"])
        self.assertEqual(self.suspense(intent["id"]), -700)
        self.assert_ledger()

    def test_what_only_we_have_is_opened_once(self):
        payment = self.pay(self.add_card("pm_card_visa"), AMOUNT)
        gone = "pi_gone" + uuid.uuid4().hex[:16]
        self.sql("INSERT INTO dues.attempt SELECT (jsonb_populate_record(a, jsonb_build_object('attempt_id', gen_random_uuid(), "
                 f"'gateway_transaction', '{gone}', 'gateway_key', gen_random_uuid(), 'sequence', 77, 'first_sent_time', "
                 "now() - interval '2 days'))).* FROM dues.attempt a "
                 f"WHERE a.payment_id = '{self.uuid_of(payment)}'")

        self.reconcile()
        self.reconcile()

        self.assertEqual(self.incidents(gone), ["OURS_ONLY"])
        self.assertEqual(self.suspense(gone), AMOUNT)
        self.assert_ledger()

    def test_another_amount_is_opened_once(self):
        payment = self.pay(self.add_card("pm_card_visa"), AMOUNT)
        intent = self.intent(payment)["id"]
        self.make_older(payment)
        self.sql(f"UPDATE dues.attempt SET amount = {AMOUNT - 9} WHERE payment_id = '{self.uuid_of(payment)}'")

        self.reconcile()
        self.reconcile()

        self.assertEqual(self.incidents(intent), ["AMOUNT_MISMATCH"])
        self.assertEqual(self.suspense(intent), -9)
        self.sql(f"UPDATE dues.attempt SET amount = {AMOUNT} WHERE payment_id = '{self.uuid_of(payment)}'")
        self.assert_ledger()

    # ---- When ----

    def test_the_house_owes_a_run_every_day_and_a_look_every_minute(self):
        due = "SELECT extract(epoch FROM due_time - now())::bigint FROM dues.obligation WHERE business_key = 'stripe' AND kind = "
        daily = "SELECT count(*) FROM dues.reconciliation WHERE requester = 'daily' AND gateway = 'stripe'"
        self.become(lambda: self.sql(daily + " AND state = 'SUCCEEDED'") == "1", "the first day's run", RUN_S)
        self.assertTrue(0 < int(self.sql(due + "'reconcile.daily'")) <= 26 * 3600)
        self.assertLessEqual(int(self.sql(due + "'reconcile.confirm'")), 60)

        self.sql("UPDATE dues.obligation SET due_time = now(), lease_until = NULL WHERE kind IN ('reconcile.daily', 'reconcile.confirm')")

        self.become(lambda: int(self.sql(due + "'reconcile.daily'")) > 0 and int(self.sql(due + "'reconcile.confirm'")) > 0, "the next ones")
        self.assertEqual(self.sql(daily), "1")
        self.become(lambda: 0 < self.metric("dues_reconciliation_age_seconds", gateway="stripe") < 3600, "the metric")

    def test_open_incidents_are_counted_for_alarms(self):
        self.charge_elsewhere(900, uuid.uuid4())
        self.reconcile()
        opened = int(self.sql("SELECT count(*) FROM dues.incident WHERE state <> 'RESOLVED'"))

        self.become(lambda: self.metric("dues_incidents_open") == opened, "the count", 60)

        self.assertGreater(self.metric("dues_incidents_age_seconds"), 0)
        self.assertLess(self.metric("dues_incidents_age_seconds"), time.monotonic())

    # ---- Whoever dies ----

    def test_a_run_that_is_killed_goes_on_and_does_all_of_it_once(self):
        self.pay(self.add_card("pm_card_visa"), AMOUNT)
        intent = self.charge_elsewhere(800, uuid.uuid4())
        # The first day's run reads the list, too, and would be the one that waits.
        self.become(lambda: self.sql("SELECT count(*) FROM dues.reconciliation WHERE requester = 'daily' AND gateway = 'stripe' "
                                     "AND state = 'SUCCEEDED'") == "1", "the first day's run", RUN_S)
        self.order("late", value=15000, method="GET", path="/v1/balance_transactions", count=1)
        name = self.begin_run()
        stage = f"SELECT stage FROM dues.reconciliation WHERE reconciliation_id = '{name.split('/')[1]}'"
        for wanted in ("LIST", "OWN COMPARE FEES LEAKS DONE", "COMPARE FEES LEAKS DONE"):
            self.become(lambda wanted=wanted: self.sql(stage) in wanted, wanted, RUN_S)
            self.server.kill_server()
            self.server.start()
            self.read_settings()
            self.sql("UPDATE dues.obligation SET due_time = now(), lease_until = NULL WHERE kind = 'reconcile.run'")

        run = self.ended(name)
        again = self.reconcile()

        self.assertEqual(self.incidents(intent["id"]), ["GATEWAY_ONLY"])
        self.assertEqual(self.suspense(intent["id"]), -800)
        self.assertEqual(self.fees(), FEE)
        self.assertEqual(len(run["listHash"]), 44)
        self.assertEqual(again.get("incidentCount", "0"), "0", self.sql("SELECT kind, subject, detail FROM dues.incident"))
        self.assert_ledger()


if __name__ == "__main__":
    unittest.main()
